"""What a plot shows, as plain values: lines, labels and a sentence, no drawing."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2l_ext.plan import Plan


@dataclass(frozen=True, eq=False)
class Panel:
    """One set of axes, as a value.

    `lines` and `pinned`: {label: (x, y)}, `bands`: {label: (x, low, high)}, with
    sequences of equal length; a gap is a NaN, a label '' stays out of the legend.
    `verticals` and `horizontals`: {text: position}. A label has one look in all
    panels drawn together; `pinned` lines are grey.
    `xlim`, `ylim`: (low, high), None where the data decide. `log`: a logarithmic y
    axis; None lets the reader choose. `note`: what the panel says, in words. `thin`:
    the labels of finer lines, where one stands for many; True for all. `plan`: the
    `Plan` shown, if it is one. Raises ValueError for lines or bands of other shapes.

    >>> panel = Panel({'lr': ([0, 1, 2], [0.5, 0.25, 0.125])}, 'epoch', 'learning rate')
    >>> panel.name
    'learning rate against epoch'
    """

    lines: dict
    xlabel: str
    ylabel: str
    xlim: tuple[float | None, float | None] | None = None
    ylim: tuple[float | None, float | None] | None = None
    log: bool | None = None
    title: str = ''
    note: str = ''
    bands: dict = field(default_factory=dict)
    pinned: dict = field(default_factory=dict)
    verticals: dict = field(default_factory=dict)
    horizontals: dict = field(default_factory=dict)
    thin: bool | tuple[str, ...] = False
    plan: Plan | None = None

    def __post_init__(self) -> None:
        for name, length in ('lines', 2), ('pinned', 2), ('bands', 3):
            given = getattr(self, name)
            object.__setattr__(
                self, name, {k: _columns(name, k, v, length) for k, v in given.items()}
            )

    @property
    def name(self) -> str:
        """The title, or what the axes say."""
        return self.title or f'{self.ylabel} against {self.xlabel}'

    @property
    def x(self) -> np.ndarray:
        """Every x shown, float64, shape (n,)."""
        columns = [x for x, *_ in self._curves()]
        return np.concatenate([[], *columns, [*self.verticals.values()]])

    @property
    def y(self) -> np.ndarray:
        """Every y shown, float64, shape (n,)."""
        columns = [y for _, *ys in self._curves() for y in ys]
        return np.concatenate([[], *columns, [*self.horizontals.values()]])

    def _curves(self) -> tuple:
        return (*self.lines.values(), *self.bands.values(), *self.pinned.values())


def _columns(name: str, label: str, columns: Any, length: int) -> tuple:
    try:
        arrays = tuple(np.asarray(column, dtype=float) for column in columns)
    except (TypeError, ValueError):
        arrays = ()
    shapes = {array.shape for array in arrays}
    if len(arrays) != length or len(shapes) != 1 or arrays[0].ndim != 1:
        raise ValueError(
            f'{name}[{label!r}] must be {length} sequences of numbers of one length, '
            f'got {columns!r:.80}'
        )
    return arrays
