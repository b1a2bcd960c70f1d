"""The place where an explorer's picture stands, and the sentences below it."""

import html
from collections.abc import Sequence

import ipywidgets as widgets

from d2l_ext.explorers.output import AROUND, HANDLES, PICTURE
from d2l_ext.panels.panel import Panel
from d2l_ext.plots.svg import Canvas


class PictureBox:
    """A widget that shows panels, renewed as often as one likes; `view` is the widget.

    Words, scales above them and lines on top are SVG in a widget each: a new set of
    lines costs about 2 kB and no flicker. Below stand sentences, which a screen reader
    speaks when they change. These four widgets are `words`, `scales`, `lines` and
    `status`; `sentence` is what `status` says, as plain text. `handles` lies over all,
    empty unless there is something to drag. `parts` are all widgets that change.
    """

    def __init__(self, columns: int | None = None) -> None:
        self.canvas = Canvas(columns)
        place = {'grid_area': 'a', 'margin': '0', 'max_width': 'none'}
        self.words, self.scales, self.lines, self.handles = (
            widgets.HTML(layout=widgets.Layout(**place)) for _ in range(4)
        )
        self.handles.add_class(HANDLES)
        self.status = widgets.HTML(
            layout=widgets.Layout(height='92px', overflow='auto')
        )
        self._picture = widgets.GridBox(
            [self.words, self.scales, self.lines, self.handles],
            layout=widgets.Layout(
                grid_template_areas='"a"', overflow='hidden', flex='none'
            ),
        )
        self._picture.add_class(PICTURE)
        # a narrow page scrolls: a bar in the grid itself would cover the picture's end
        around = widgets.Box(
            [self._picture], layout=widgets.Layout(overflow='auto', max_width='100%')
        )
        around.add_class(AROUND)
        self.view = widgets.VBox([around, self.status])
        layers = self.words, self.scales, self.lines, self.handles
        self.parts = *layers, self.status, self._picture.layout
        self.sentence = self._svg = ''

    def show(self, *panels: Panel, also: Sequence[str] = ()) -> None:
        """Draw the panels, and say their notes and `also` further sentences.

        Raises ValueError for limits that cannot be drawn, and shows what it showed.
        """
        self._svg = self.canvas.draw(panels)
        if self.words.value != self.canvas.words:
            self._picture.layout.width = f'{self.canvas.width}px'
            self._picture.layout.height = f'{self.canvas.height}px'
            self.words.value = self.canvas.words
        self.scales.value, self.lines.value = self.canvas.scales, self._svg
        self.say(' '.join(dict.fromkeys(p.note for p in panels if p.note)), *also)

    def show_handles(self, points: Sequence[tuple[float, float]], what: str) -> None:
        """Put circles to drag at points of the first panel (`Canvas.handles`)."""
        self.handles.value = self.canvas.handles(points, what)

    def fade(self) -> None:
        """Grey the lines: they are no longer what was asked for."""
        self.lines.value = f'<div style="opacity:.25">{self._svg}</div>'

    def say(self, *sentences: str) -> None:
        """Put sentences below the picture, each on a line of its own."""
        spoken = [sentence for sentence in sentences if sentence]
        self.sentence = ' '.join(spoken)
        lines = ''.join(f'<div>{html.escape(line)}</div>' for line in spoken)
        self.status.value = (
            '<div role="status" aria-live="polite" style="line-height:1.4">'
            f'{lines}</div>'
        )
