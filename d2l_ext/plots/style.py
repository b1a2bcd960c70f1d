"""How lines look: colours and dashes that everyone can tell apart."""

from typing import NamedTuple

GREY, INK, EDGE, GRID = '#666666', '#333333', '#aaaaaa', '#e4e4e4'


class Style(NamedTuple):
    """How a line looks; `dash` in line widths (on, off, ...), `width` in pixels."""

    color: str
    dash: tuple = ()
    width: float = 2.2


# Okabe and Ito's colours, which colour-blind readers can tell apart, and a dash each
STYLES = (
    Style('#0072b2'),
    Style('#d55e00', (5, 2)),
    Style('#009e73', (6, 1.5, 1, 1.5)),
    Style('#cc79a7', (1.5, 1)),
    Style('#e69f00', (9, 2)),
    Style('#56b4e9', (3, 1, 1, 1, 1, 1)),
)
PINNED = Style('#8c8c8c', (4, 2.5), 1.5)
MARK = Style(GREY, (2, 2), 1)


def styles(panels):
    """Return {label: Style} for the lines and bands of panels shown together."""
    labels = dict.fromkeys(
        label for panel in panels for label in (*panel.lines, *panel.bands)
    )
    thin = {
        label
        for panel in panels
        for label in (panel.lines if panel.thin is True else panel.thin or ())
    }
    looks = {label: STYLES[i % len(STYLES)] for i, label in enumerate(labels)}
    return {
        label: style._replace(width=1.2) if label in thin else style
        for label, style in looks.items()
    }
