"""What stands round a picture that carries its schedule: its code, its run."""

import html
from collections.abc import Callable, Sequence

import ipywidgets as widgets

from d2l_ext.explorers.beside import (
    CODE,
    NOTHING,
    STEPS,
    TEXT,
    coded,
    openable,
    step_panels,
)
from d2l_ext.explorers.picture import PictureBox
from d2l_ext.plan import Plan


class ScheduleTools:
    """What a reader may open below the picture; nothing is computed while it is closed.

    `share()` gives the settings as a text; `restore(text)` takes one that was typed.
    """

    def __init__(
        self, share: Callable[[], str], restore: Callable[[str], None]
    ) -> None:
        self._share, self._restore = share, restore
        self._plan: Plan | None = None
        self._choice = widgets.Dropdown(
            options=[NOTHING, TEXT],
            description='also show',
            style={'description_width': '70px'},
            layout=widgets.Layout(width='280px', max_width='100%'),
        )
        self._text = widgets.Text(
            description='settings',
            continuous_update=False,
            style={'description_width': '70px'},
            layout=widgets.Layout(width='700px', max_width='100%'),
        )
        self._code, self._steps = widgets.HTML(), PictureBox(columns=2)
        self._opened = widgets.VBox()
        self.view = widgets.VBox([self._choice, self._opened])
        self._choice.observe(lambda _: self._open(), 'value')
        self._text.observe(lambda change: self._typed(change['new']), 'value')

    def show(self, plan: Plan | None) -> None:
        """Bring what is open up to date with `plan`, a `Plan` or None."""
        self._plan = plan
        options = openable(plan)
        if options != self._choice.options:
            opened = self._choice.value
            self._choice.options = options
            self._choice.value = opened if opened in options else NOTHING
        self._fill()

    @property
    def parts(self) -> Sequence[widgets.Widget]:
        """The widgets that change with the picture."""
        shown = {NOTHING: (), TEXT: (self._text,), STEPS: self._steps.parts}
        return shown.get(self._choice.value, (self._code,))

    def _open(self) -> None:
        self._fill()  # before it is seen: a page shows nothing empty meanwhile
        shown = {NOTHING: (), TEXT: (self._text,), STEPS: (self._steps.view,)}
        self._opened.children = shown.get(self._choice.value, (self._code,))

    def _fill(self) -> None:
        if self._choice.value == TEXT:
            self._text.value = self._share()
        elif self._choice.value == STEPS:
            self._steps.show(*step_panels(self._plan))
        elif self._choice.value in CODE:
            text = coded(self._plan, CODE[self._choice.value])
            self._code.value = (
                f'<pre tabindex="0" role="region" aria-label="{self._choice.value}" '
                f'style="line-height:1.3;overflow-x:auto">{html.escape(text)}</pre>'
            )

    def _typed(self, text: str) -> None:
        if text != self._share():
            self._restore(text)
