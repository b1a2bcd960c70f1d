"""What a notebook shows of a widget: while it lives itself, later its picture.

A view of a widget that is gone is an error message, whatever else its output holds. So
the picture has an output of its own, which is hidden as long as the widget is there.
"""

import os
import sys
from pathlib import Path

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

VIEW = 'application/vnd.jupyter.widget-view+json'
LIVE, SAVED = 'd2l-live', 'd2l-saved'
AROUND, PICTURE, HANDLES = 'd2l-around', 'd2l-picture', 'd2l-handles'
# For plain JupyterLab, which does not ask for it as ours does
DARK = Path(__file__).parents[1] / 'jupyter' / 'settings' / 'custom.css'
# Three rows: this style, the widget, the picture; `:has` looks into a row
STYLE = f"""<div class="{SAVED}"><style>
.jp-OutputArea-child:has(.{SAVED}),
.jp-OutputArea-child:has(.{SAVED}) + .jp-OutputArea-child:not(:has(.{LIVE})),
.jp-OutputArea-child:has(.{LIVE}) + .jp-OutputArea-child,
.output_container:has(.{LIVE}) + .output_container {{ display: none }}
.{AROUND} {{ container-type: inline-size }}
@container (width < 700px) {{
    .{PICTURE} {{ width: auto !important; height: auto !important }}
    .{PICTURE} div > svg {{
        width: calc(var(--width) / var(--columns));
        height: calc(var(--height) * var(--columns));
    }}
    .{PICTURE} div > svg > g {{
        --left: calc(var(--column) * var(--width) / var(--columns));
        transform: translate(calc(-1 * var(--left)), calc(var(--column) * var(--height)));
    }}
}}
.{HANDLES} {{ pointer-events: none }}
.{HANDLES} circle {{ pointer-events: auto; cursor: grab; touch-action: none }}
</style></div>"""
# ipywidgets gives the handle of a slider no name, and a position for a value; the box
# before it has both, its value a moment later than the handle moves
NAMES = (
    """<script>
(() => {
    const known = new WeakSet();
    const name = (handle) => {
        const field = handle.closest('.widget-slider')?.previousElementSibling;
        const label = field?.querySelector('label');
        const box = field?.querySelector('input, select');
        if (!label || !box) return;
        handle.setAttribute('aria-label', label.textContent);
        handle.setAttribute('aria-valuetext', box.selectedOptions?.[0].text ?? box.value);
        if (known.has(handle)) return;
        known.add(handle);
        new MutationObserver(() => {
            name(handle);
            for (const wait of [60, 200, 500]) setTimeout(name, wait, handle);
        }).observe(handle, {attributeFilter: ['aria-valuenow']});
    };
    const all = () => document.querySelectorAll('.LIVE .noUi-handle').forEach(name);
    for (let wait = 125; wait < 1e5; wait *= 2) setTimeout(all, wait);
    document.addEventListener('focusin', (event) => {
        if (event.target.matches('.LIVE .noUi-handle')) name(event.target);
    });
})();
</script>"""
).replace('LIVE', LIVE)


# A point is dragged by writing into the boxes of its row, as a reader would: the picture
# is drawn anew meanwhile, so it is the page that knows which point is held
DRAG = (
    """<script>
(() => {
    if (globalThis.d2lDrag) return;
    globalThis.d2lDrag = true;
    let held = null;
    const write = (name, number) => {
        const labels = [...held.live.querySelectorAll('label')];
        const label = labels.find((one) => one.textContent === name);
        const box = label?.parentElement.querySelector('input');
        if (!box || box.value === String(number)) return;
        box.value = number;
        box.dispatchEvent(new Event('change', {bubbles: true}));
    };
    const number = (share, [from, to], log, [low, high, whole]) => {
        share = Math.min(Math.max(share, 0), 1);
        let value = log ? from * (to / from) ** share : from + share * (to - from);
        value = whole ? Math.round(value) : Number(value.toPrecision(3));
        return Math.min(Math.max(value, low), high);
    };
    const follow = () => {
        const svg = held.live.querySelector('.HANDLES svg');
        const {left, top} = svg.getBoundingClientRect();
        const {axes, log, t, lr} = svg.dataset;
        const numbers = (text) => text.split(' ').map(Number);
        const [x, y, width, height, ...ends] = numbers(axes);
        const across = (held.x - left - x) / width, up = 1 - (held.y - top - y) / height;
        const xlim = ends.slice(0, 2), ylim = ends.slice(2);
        write(`time ${held.row}`, number(across, xlim, false, numbers(t)));
        write(`rate ${held.row}`, number(up, ylim, log === '1', numbers(lr)));
    };
    addEventListener('pointerdown', (event) => {
        if (!event.target.matches?.('.HANDLES circle')) return;
        const live = event.target.closest('.LIVE');
        held = {live, row: event.target.dataset.row, due: 0};
        event.preventDefault();
    });
    addEventListener('pointermove', (event) => {
        if (!held) return;
        [held.x, held.y] = [event.clientX, event.clientY];
        held.due ||= setTimeout(() => { if (held) { held.due = 0; follow(); } }, 50);
    });
    addEventListener('pointerup', () => {
        if (held?.due) { clearTimeout(held.due); follow(); }
        held = null;
    });
})();
</script>"""
).replace('LIVE', LIVE)
DRAG = DRAG.replace('HANDLES', HANDLES)


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
        style = f'{STYLE}<style>{DARK.read_text("utf-8")}</style>'
        display({'text/html': style + NAMES + DRAG}, raw=True)
        shown['text/plain'] = data['text/plain'].partition('\n')[0]
    display(shown, raw=True)
    display(data, raw=True, metadata=metadata)
