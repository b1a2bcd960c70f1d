"""The place where an explorer's picture stands, and the sentences below it."""

import html

import ipywidgets as widgets

from d2l_ext.plots.svg import Canvas


class Stage:
    """A widget that shows panels, renewed as often as one likes; `view` is the widget.

    The still background is an image, scales and lines above it are SVG in a widget
    each: a new set of lines costs about 2 kB and no flicker. Below stand sentences,
    which a screen reader speaks when they change.
    """

    def __init__(self, columns=None):
        self.canvas = Canvas(columns)
        place = {'grid_area': 'a', 'margin': '0', 'max_width': 'none'}
        self._background = widgets.Image(format='png', layout=widgets.Layout(**place))
        self._scales, self._lines = (
            widgets.HTML(layout=widgets.Layout(**place)) for _ in range(2)
        )
        self.status = widgets.HTML(
            layout=widgets.Layout(height='92px', overflow='auto')
        )
        self._picture = widgets.GridBox(
            [self._background, self._scales, self._lines],
            layout=widgets.Layout(grid_template_areas='"a"', overflow='hidden'),
        )
        self.view = widgets.VBox([self._picture, self.status])
        self.sentence = self._svg = ''

    def show(self, *panels, also=()):
        """Draw the panels, and say their notes and `also` further sentences."""
        self._svg = self.canvas.draw(panels)
        if self._background.value != self.canvas.background:
            width, height = f'{self.canvas.width}px', f'{self.canvas.height}px'
            self._background.layout.width = self._picture.layout.width = width
            self._background.layout.height = self._picture.layout.height = height
            self._background.value = self.canvas.background
        self._scales.value, self._lines.value = self.canvas.scales, self._svg
        self.say(' '.join(dict.fromkeys(p.note for p in panels if p.note)), *also)

    def fade(self):
        """Grey the lines: they are no longer what was asked for."""
        self._lines.value = f'<div style="opacity:.25">{self._svg}</div>'

    def say(self, *sentences):
        """Put sentences below the picture, each on a line of its own."""
        sentences = [sentence for sentence in sentences if sentence]
        self.sentence = ' '.join(sentences)
        lines = ''.join(f'<div>{html.escape(line)}</div>' for line in sentences)
        self.status.value = (
            '<div role="status" aria-live="polite" style="line-height:1.4">'
            f'{lines}</div>'
        )
