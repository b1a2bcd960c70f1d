"""How soon a page is seen, how soon it is alive, how quick a move is, and its bytes.

    python site/measure.py [--moves 50] [--site FOLDER] [--lite] [PAGE EXPLORER CONTROL ...]

Chromium, headless, against a plain server that packs with gzip: each page cold, with a
new profile, then once more with the same one. Milliseconds; a move is from the input
event until its picture has been painted. With `--lite` the same notebooks in JupyterLite
follow, its code run as soon as it is seen; there a move is a key on the first slider.
Other work on the machine counts too: the load
is printed with the figures.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import math
import os
import pathlib
import shutil
import statistics
import tempfile
import threading

from playwright.sync_api import sync_playwright

BUILD = pathlib.Path(__file__).with_name('build')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
FLAGS = (
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
)
PAGES = (
    ('05_cosine', 'decay', 'base_lr'),
    ('06_warmup', 'atlas-warmup', 'warmup_steps'),
    ('07_results', 'versus', 'since'),
    ('10_large_vision', 'imagenet', 'base_lr'),
    ('10_large_vision', 'imagenet', 'sharpness'),
    ('11_warmup_length', 'warmed', 'warmup'),
    ('12_sampling', 'anneal', 'temperature'),
    ('13_pytorch_schedulers', 'decay', 'gamma'),
)
# Moves a slider once, resolves when the picture has been painted
MOVE = """([key, name, place]) => new Promise(done => {
    const box = document.getElementById(key);
    const range = box.querySelector(`[data-name="${name}"] input[type=range]`);
    const begin = performance.now();
    addEventListener('shown', function shown({detail}) {
        if (detail.key !== key || detail.turn < 2) return;
        removeEventListener('shown', shown);
        requestAnimationFrame(() => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = () => done([performance.now(), performance.now() - begin]);
            port2.postMessage(0);
        });
    });
    range.value = Math.round(place * range.max);
    range.dispatchEvent(new Event('input', {bubbles: true}));
})"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, packed, to be kept by the browser; `sent` counts their bytes."""

    protocol_version = 'HTTP/1.1'
    sent = 0

    def do_GET(self):
        path = pathlib.Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        data, kind = packed(path), self.guess_type(str(path))
        self.send_response(200)
        self.send_header('Content-Encoding', 'gzip')
        self.send_header('Content-Length', str(len(data)))
        self.send_header('Content-Type', TYPES.get(path.suffix, kind))
        self.send_header('Cache-Control', 'max-age=86400')
        self.end_headers()
        self.wfile.write(data)
        Handler.sent += len(data)

    def log_message(self, *_):
        """Say nothing."""

    def handle(self):
        """Answer until the browser is closed, in the middle of a file as well."""
        with contextlib.suppress(ConnectionError):
            super().handle()


@functools.cache
def packed(path):
    """Return the bytes of a file, packed."""
    return gzip.compress(path.read_bytes(), 6)


TYPES = {'.mjs': 'text/javascript', '.wasm': 'application/wasm'}


def pause(i):
    """Return milliseconds to wait: after them a frame may be at any point of its time."""
    return 40 + 7 * i % 17


def measured(page, address, key, name, moves):
    """Return (first picture, alive, [a move, ...]) of a page that is opened now."""
    page.goto(address, wait_until='commit')
    page.wait_for_selector(f'[id="{key}"]', state='attached')
    alive, _ = page.evaluate(MOVE, [key, name, 0.3])
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    times = []
    for i in range(moves):
        times.append(page.evaluate(MOVE, [key, name, (i * 37 + 11) % 101 / 101])[1])
        page.wait_for_timeout(pause(i))
    return page.evaluate(paint), alive, times


# Resolves when what a key has moved was painted in JupyterLite; null after 5 seconds
DRAWN = """() => { window.drawn = new Promise(done => {
    setTimeout(() => done(null), 5000);
    let begin;
    addEventListener('keydown', () => { begin = performance.now(); }, {capture: true, once: true});
    const watch = new MutationObserver(records => {
        const seen = ({target}) => (target.closest || (() => null)).call(target, '.widget-html, .widget-image');
        if (begin === undefined || !records.some(seen)) return;
        watch.disconnect();
        requestAnimationFrame(() => {
            const {port1, port2} = new MessageChannel();
            port1.onmessage = () => done(performance.now() - begin);
            port2.postMessage(0);
        });
    });
    watch.observe(document.body, {subtree: true, childList: true, attributes: true});
    document.querySelector('.jupyter-widgets .noUi-handle').focus();
}); }"""


def measured_lite(page, address, moves):
    """Return what `measured` does, of a notebook in JupyterLite."""
    page.goto(address, wait_until='commit')
    page.wait_for_selector('.jp-Notebook .jp-Cell')
    page.get_by_text('Run', exact=True).first.click()
    page.get_by_text('Run All Cells', exact=True).click()
    page.wait_for_selector('.jupyter-widgets .noUi-handle')
    alive = page.evaluate('performance.now()')
    page.wait_for_function(
        "!document.querySelector('.jp-Notebook').innerText.includes('[*]')"
    )
    times = []
    for i in range(moves):
        page.evaluate(DRAWN)
        page.keyboard.press(('ArrowRight', 'ArrowLeft')[i // 5 % 2])
        times.append(page.evaluate('drawn'))
        page.wait_for_timeout(pause(i))
    times = [time for time in times if time is not None] or [float('nan')]
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    return page.evaluate(paint), alive, times


def main(rows, moves, site, lite=False):
    """Print a line for each page and turn."""
    rows = [(*row, '') for row in rows]
    if lite:
        stems = dict.fromkeys(stem for stem, *_ in rows if stem[:2] < '08')
        rows += [(stem, '', '', 'JupyterLite') for stem in stems]
    handler = functools.partial(Handler, directory=str(site))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f'{"page":38} {"":5} picture  alive  move median   p95  MB sent  load')
    with sync_playwright() as api:
        for stem, key, name, door in rows:
            with tempfile.TemporaryDirectory() as profile:
                for turn in 'cold', 'warm':
                    Handler.sent = 0
                    context = api.chromium.launch_persistent_context(
                        profile, executable_path=CHROMIUM, args=FLAGS
                    )
                    address = f'http://127.0.0.1:{server.server_port}'
                    page = context.pages[0]
                    page.set_default_timeout(180_000)
                    if door:
                        address += f'/lite/notebooks/index.html?path={stem}.ipynb'
                        seen, alive, times = measured_lite(page, address, moves)
                    else:
                        address += f'/{stem}.html'
                        seen, alive, times = measured(page, address, key, name, moves)
                    context.close()
                    times.sort()
                    print(
                        f'{f"{stem[:2]} {key} {name} {door}":38} {turn:5} {seen:7.0f} '
                        f'{alive:6.0f} {statistics.median(times):12.1f} '
                        f'{times[int(0.95 * len(times))]:5.0f} '
                        f'{Handler.sent / 1e6:8.2f} {load():5.1f}',
                        flush=True,
                    )


def load():
    """Return the load of the last minute, NaN on Windows, which counts none."""
    return os.getloadavg()[0] if hasattr(os, 'getloadavg') else math.nan


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--moves', type=int, default=50)
    parser.add_argument('--site', type=pathlib.Path, default=BUILD)
    parser.add_argument('--lite', action='store_true')
    parser.add_argument('row', nargs='*')
    asked = parser.parse_args()
    flat = asked.row
    main(
        [flat[i : i + 3] for i in range(0, len(flat), 3)] or PAGES,
        asked.moves,
        asked.site,
        asked.lite,
    )
