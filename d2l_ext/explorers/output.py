"""What a notebook shows of a widget: while it lives itself, later its picture.

A view of a widget that is gone is an error message, whatever else its output holds. So
the picture has an output of its own, which is hidden as long as the widget is there.
"""

import os
import sys

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

VIEW = 'application/vnd.jupyter.widget-view+json'
LIVE, SAVED = 'd2l-live', 'd2l-saved'
# three rows: this style, the widget, the picture; `:has` looks into a row
STYLE = f"""<div class="{SAVED}"><style>
.jp-OutputArea-child:has(.{SAVED}),
.jp-OutputArea-child:has(.{SAVED}) + .jp-OutputArea-child:not(:has(.{LIVE})),
.jp-OutputArea-child:has(.{LIVE}) + .jp-OutputArea-child,
.output_container:has(.{LIVE}) + .output_container {{ display: none }}
</style></div>"""


def display_live(view: widgets.DOMWidget, data: dict, metadata: dict) -> None:
    """Display a widget, and its picture for where and when the widget is not there.

    `data` and `metadata` are the picture's, as a `_repr_mimebundle_` returns them.
    Raises NotImplementedError where a picture is all there can be, which asks IPython
    for the `_repr_mimebundle_`: outside a kernel, or if D2L_EXT_STATIC is set.
    """
    kernel = getattr(get_ipython(), 'kernel', None)
    if kernel is None or os.environ.get('D2L_EXT_STATIC'):
        raise NotImplementedError
    ids = {'version_major': 2, 'version_minor': 0, 'model_id': view.model_id}
    if 'google.colab' in sys.modules:  # its rows are others, and none could be hidden
        display({**data, VIEW: ids}, raw=True, metadata=metadata)
        return
    view.add_class(LIVE)
    shown = {VIEW: ids}
    # a program that runs notebooks takes no input; it would take the style for a change
    if kernel.get_parent().get('content', {}).get('allow_stdin'):
        display({'text/html': STYLE}, raw=True)
        shown['text/plain'] = data['text/plain'].partition('\n')[0]
    display(shown, raw=True)
    display(data, raw=True, metadata=metadata)
