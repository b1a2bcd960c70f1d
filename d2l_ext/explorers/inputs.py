"""The widgets of controls: native inputs, each with a label that a screen reader says."""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets

from d2l_ext.explorers.controls import Choice, Control, Points, Slider, Snap, Switch


def field(
    control: Control, label: str, width: str, slider_width: str = '300px'
) -> tuple[Any, ...]:
    """Return the widget that holds a control's value, labelled, and a slider if any.

    Native inputs only, a box to type in or a list: a screen reader hears neither the
    name of a slider nor which one of some toggle buttons is pressed.
    """
    if isinstance(control, Switch):
        return (widgets.Checkbox(control.value, description=label, indent=False),)
    if isinstance(control, Points):
        return (PointsBox(control, label),)
    layout = widgets.Layout(width=f'calc({width} + 100px)')
    labelled = {
        'description': label,
        'value': control.value,
        'style': {'description_width': width},
        'layout': layout,
    }
    if isinstance(control, Choice):
        box = widgets.Dropdown(options=[*control.options.items()], **labelled)
        # as wide as its longest text, and no narrower than the boxes of numbers
        layout.min_width, layout.max_width = layout.width, '100%'
        layout.width = 'max-content'
    else:
        box = NumberBox(control, **labelled)
    if not isinstance(control, (Slider, Snap)):
        return (box,)
    # whole positions: a slider of floats rounds in the browser, and sends that back
    handle = Handle(
        control.position(control.value),
        min=0,
        max=control.positions,
        readout=False,
        layout=widgets.Layout(width=slider_width, max_width='100%'),
    )
    return box, handle


def ends(control: Control) -> list[widgets.HTML]:
    """Return a text that tells where a control's slider ends, if it has one."""
    if not isinstance(control, (Slider, Snap)):
        return []
    low, high = (f'{control.at(i):.6g}' for i in (0, control.positions))
    return [widgets.HTML(f'<small>{low} to {high}</small>')]


def dragged(control: Points) -> str:
    """Return what a page must know to move a point: ends, and what is whole, as SVG."""
    pairs = (('t', control.t), ('lr', control.lr))
    return ' '.join(f'data-{k}="{c.low} {c.high} {c.whole:d}"' for k, c in pairs)


def row(parts: Sequence[widgets.Widget]) -> widgets.Box:
    """Return widgets side by side, in further rows where a page is narrow."""
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow='row wrap'))


def parts(inputs: Sequence[widgets.Widget]) -> list[widgets.Widget]:
    """Return all widgets that hold a value of a control's `inputs`."""
    return [part for box in inputs for part in (box, *getattr(box, 'parts', ()))]


def moved_by_page(inputs: Sequence[widgets.Widget]) -> bool:
    """Tell whether a reader is moving one of a control's `inputs`, and no program."""
    return any(part._property_lock for part in parts(inputs))


def follow(
    control: Slider | Snap,
    box: widgets.Widget,
    handle: 'Handle',
    moved: widgets.Widget,
    value: Any,
) -> None:
    """Move a control's box after its slider, or the slider after the box.

    `moved` is the one that changed, to `value`; another thread may have moved it on.
    """
    if moved.value == value and moved is handle:
        box.value = control.at(value)
    elif moved.value == value:
        handle.value = control.position(value)


def button(text: str, tooltip: str, action: Callable[[], object]) -> widgets.Button:
    """Return a button that calls `action()`."""
    widget = widgets.Button(description=text, tooltip=tooltip)
    widget.layout.width, widget.layout.align_self = 'auto', 'flex-start'
    widget.on_click(lambda _: action())
    return widget


class NumberBox(widgets.Text):
    """A box to type a number in, `value`; what is no number of `control` is refused.

    `sentence` says why, and is empty otherwise. A number input of the browser's would
    do neither: it makes 5 of 0,5, and the highest number of one that is too high.
    """

    value: Any = traitlets.Any().tag(
        sync=True,
        to_json=lambda number, box: box.control.spell(number),
        from_json=lambda text, box: box.typed(text),
    )
    sentence = traitlets.Unicode()

    def __init__(self, control: Slider, value: float, **options: Any) -> None:
        self.control = control
        super().__init__(value=value, continuous_update=False, **options)

    @traitlets.validate('value')
    def _checked(self, proposal: dict) -> float:
        return self.control.check(proposal['value'])

    def typed(self, text: str) -> float:
        """Return the number in a text, or the present one and say what is wrong.

        Then the page shows the present one again, as it does after an empty text.
        """
        self.sentence = ''
        try:
            if ',' in text:
                raise ValueError(f'must be written with a point, as 0.5, got {text!r}')
            try:
                return self.control.read(text)
            except OverflowError:
                return self.control.check(math.inf)
        except ValueError as error:
            reason = str(error)
            if 'could not convert' in reason:
                reason = f'must be a number, as 0.5 or 1e-3, got {text!r:.40}'
            if text.strip():
                self.sentence = f'{self.description} {reason}; it stays {self.value}.'
            self.send_state('value')  # it is as before, which alone sends nothing
            return self.value


class Handle(widgets.IntSlider):
    """A slider whose moves the kernel does not send back to the page.

    ipywidgets 8 echoes every value to the page that sent it, and the page is busy with
    that while the picture waits.
    """

    value = traitlets.CInt(0).tag(sync=True, echo_update=False)


class PointsBox(widgets.VBox):
    """The points of a curve: a row of number boxes and sliders each, `value` in all.

    `sentence` is what a number box has to say.
    """

    value = traitlets.Tuple()
    sentence = traitlets.Unicode()

    def __init__(self, control: Points, label: str = '') -> None:
        self._control, self._rows = control, list[tuple]()
        self._lock, self._held = threading.RLock(), False
        (times,), (rates,) = ends(control.t), ends(control.lr)
        said = f'times {times.value}, rates {rates.value}'
        self._head = [widgets.HTML(f'{label}: {said}' if label else said)]
        self._add = button(
            'Add a point', 'Where two points are furthest apart', self.add
        )
        super().__init__()
        self.value = control.value

    def add(self) -> None:
        """Add a point on the curve, in the middle of the largest gap."""
        t, lr = zip(*self.value, strict=True)
        ends = np.array([self._control.t.low, *t, self._control.t.high])
        i = int(np.argmax(np.diff(ends)))
        where = self._control.t.position(ends[i : i + 2].mean())
        at = self._control.t.at(where)
        rate = float(f'{np.interp(at, t, lr):.3g}')
        if len(t) < self._control.most and at not in t:
            self.value = tuple(sorted([*self.value, (at, rate)]))

    def remove(self, i: int) -> None:
        """Take the point of row i away, unless it is the last."""
        points = self.points()
        if len(points) > 1:
            del points[i]
            self.value = tuple(sorted(points))

    @traitlets.observe('value')
    def _show(self, _: dict) -> None:
        with self._lock:
            if self._held:
                return
            while len(self._rows) < len(self.value):
                self._rows.append(self._row(len(self._rows)))
            del self._rows[len(self.value) :]
            self._held = True
            try:
                for (fields, _), point in zip(self._rows, self.value, strict=True):
                    for (control, box, handle), number in zip(
                        fields, point, strict=True
                    ):
                        box.value = number
                        handle.value = control.position(number)
            finally:
                self._held = False
            lines = [line for _, line in self._rows]
            lines[0].children[-1].disabled = len(lines) == 1
            self._add.disabled = len(lines) == self._control.most
            children = *self._head, *lines, self._add
            if children != self.children:  # type: ignore[has-type]
                self.children = children

    def _row(self, i: int) -> tuple[list, widgets.HBox]:
        """Return a row's fields (control, box, handle), and the widget of them all."""
        names = (f'time {i + 1}', self._control.t), (f'rate {i + 1}', self._control.lr)
        fields = [
            (control, *field(control, name, '56px', '130px')) for name, control in names
        ]
        parts = [widget for _, *pair in fields for widget in pair]
        for widget in parts:
            widget.observe(self._moved, 'value')
        for _, box, _ in fields:
            box.observe(self._say, 'sentence')
        away = button(
            f'Remove {i + 1}', f'Take point {i + 1} away', lambda: self.remove(i)
        )
        return fields, row([*parts, away])

    def _moved(self, change: dict) -> None:
        with self._lock:
            if self._held:
                return
            self._held = True
            try:
                for fields, _ in self._rows:
                    for control, box, handle in fields:
                        if change['owner'] in (box, handle):
                            follow(control, box, handle, change['owner'], change['new'])
                # rows stay in their order while one point passes another
                self.value = tuple(sorted(self.points()))
            finally:
                self._held = False

    def _say(self, change: dict) -> None:
        with self.hold_trait_notifications():  # the same again is news, too
            self.sentence = ''
            self.sentence = change['new']

    @property
    def parts(self) -> list[widgets.Widget]:
        """The box and the slider of each number."""
        return [
            part for fields, _ in self._rows for _, *pair in fields for part in pair
        ]

    def points(self) -> list[tuple]:
        """Return the points in the order of their rows."""
        return [tuple(box.value for _, box, _ in fields) for fields, _ in self._rows]
