"""What stands round a picture that carries its schedule: its code, its run."""

import html
import math
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.explorers.picture import PictureBox
from d2l_ext.panels.boundary import boundary_panels
from d2l_ext.plan import Plan
from d2l_ext.schedulers import MultiFactorScheduler

NOTHING, TEXT, STEPS = 'nothing', 'settings as a text', 'its steps, closely'
CODE = {f'code for {library}': library for library in LIBRARIES}


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
        options = NOTHING, TEXT, *(CODE if plan else ())
        scheduler = plan.scheduler if plan else None
        if isinstance(scheduler, MultiFactorScheduler) and scheduler.step:
            options = *options, STEPS
        if options != self._choice.options:
            opened = self._choice.value
            self._choice.options = options
            self._choice.value = opened if opened in options else NOTHING
        self._fill()

    def _open(self) -> None:
        self._fill()  # before it is seen: a page shows nothing empty meanwhile
        shown = {NOTHING: (), TEXT: (self._text,), STEPS: (self._steps.view,)}
        self._opened.children = shown.get(self._choice.value, (self._code,))

    def _fill(self) -> None:
        if self._choice.value == TEXT:
            self._text.value = self._share()
        elif self._choice.value == STEPS:
            scheduler: Any = self._plan and self._plan.scheduler
            # a step between two counts is seen at the next one
            times = map(math.ceil, scheduler.step[:3])
            pairs = [boundary_panels(scheduler, at) for at in times]
            self._steps.show(*(panel for pair in pairs for panel in pair))
        elif self._choice.value in CODE:
            text = self._coded(CODE[self._choice.value])
            self._code.value = (
                f'<pre tabindex="0" role="region" aria-label="{self._choice.value}" '
                f'style="line-height:1.3;overflow-x:auto">{html.escape(text)}</pre>'
            )

    def _coded(self, library: str) -> str:
        try:
            return code(self._plan, library) if self._plan else ''
        except (TypeError, ValueError) as error:
            return f'# {error}'

    def _typed(self, text: str) -> None:
        if text != self._share():
            self._restore(text)
