"""From a slider to the picture, in a real browser: how long, how many, which one.

    python -m tests.browser.speed [--quick] [NOTEBOOK ...]

Runs each notebook in JupyterLab and moves the longest slider of its first explorer: 25
single steps and drags of 2 s at 60 moves/s. In turns with it the floor, a slider that
moves a bar, in a notebook of its own and in a cell beside it, and the same plot by
`interact`. Prints a Markdown table with medians (95th percentiles); "of the floor" is
the median of each drag's pictures/s over those in the floor's own notebook in the same
turn, which the targets are set against too. The last rows are the first notebook in a
JupyterLab without our server extension, and in one without our settings too. "handler"
is what a slider's new value takes in the kernel, "kernel" how long that is busy in all.
Fails where a picture is missing, jumps or shows another value than the slider, where
the console has errors, and where the targets of speed are missed three times: what else
a machine does adds time, and takes none away.

--quick: runs to the explorer, times the first notebook alone, against targets that a
busy machine meets too.
"""

import argparse
import asyncio
import contextlib
import re
import statistics
import sys
from pathlib import Path

import nbformat
from playwright.async_api import async_playwright

from tests.browser.lab import CHROMIUM, FLAGS, NODELAY, ROOT, SETTINGS, scratch, serve
from tests.browser.plot import Plot

ECHO = """
def echo():
    import time
    import ipywidgets

    plain, times = ipywidgets.Widget.set_state, {}

    def set_state(self, state):
        begin = time.perf_counter()
        plain(self, state)
        times.setdefault(self.model_id, []).append(1e3 * (time.perf_counter() - begin))

    ipywidgets.Widget.set_state, ipywidgets.Widget.times = set_state, times
    layout = ipywidgets.Layout(width='300px')
    slider = ipywidgets.IntSlider(100, 0, 200, readout=False, layout=layout)
    bar = ipywidgets.HTML()

    def draw(_):
        rect = f'<rect width="{3 * slider.value + 1}" height="20"/>'
        bar.value = f'<svg role="img" width="700" height="20">{rect}</svg>'

    draw(slider.observe(draw, 'value'))
    return ipywidgets.VBox([slider, bar])

echo()
"""
INTERACT = """
%matplotlib inline
def plain(explorer):
    import ipywidgets
    from d2l_ext import plots
    from d2l_ext.panels import Panel

    places = {n: getattr(c, 'positions', 0) for n, c in explorer.controls.items()}
    name = max(places, key=places.get)
    control = explorer.controls[name]

    def draw(position):
        panels = explorer.function(**{**explorer.values, name: control.at(position)})
        return plots.figure(*[panels] if isinstance(panels, Panel) else panels).figure

    layout = ipywidgets.Layout(width='300px')
    begin, end = control.position(control.value), control.positions
    slider = ipywidgets.IntSlider(begin, 0, end, readout=False, layout=layout)
    ipywidgets.interact(draw, position=slider)

plain(_)
"""
READY = """() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext
    ?.session?.kernel?.status === 'idle'"""
RUN = """async (cells) => {
    const {content} = jupyterapp.shell.currentWidget;
    content.activeCellIndex = cells % content.widgets.length;
    const some = content.activeCellIndex ? 'run-all-above' : 'run-all-cells';
    return await jupyterapp.commands.execute(`notebook:${some}`);
}"""
SHOW = """async (cell) => {
    await jupyterapp.commands.execute('notebook:hide-all-cell-code');
    await jupyterapp.shell.currentWidget.content.scrollToItem(cell, 'start');
}"""
END = '() => jupyterapp.shell.currentWidget.sessionContext.shutdown()'
HEADS = (
    *('plot', 'step ms', 'pictures/s', 'of the floor', 'age ms', 'end lag ms'),
    *('handler ms', 'kernel ms'),
)


@contextlib.asynccontextmanager
async def opened(browser, url, name, cells):
    """Open a notebook in a window of its own and run its first `cells` cells."""
    context = await browser.new_context(viewport={'width': 1100, 'height': 1800})
    page = await context.new_page()
    page.set_default_timeout(120_000)
    page.errors = []
    page.on('pageerror', lambda error: page.errors.append(str(error)))
    page.on('console', lambda m: m.type == 'error' and page.errors.append(m.text))
    await page.goto(f'{url}/doc/tree/{name}?reset')
    await page.wait_for_function(READY)
    if not await page.evaluate(RUN, cells):
        page.errors.append(f'{name} did not run to the end')
    yield page
    await page.evaluate(END)
    await context.close()


def first_explorer(path):
    """Return the number of the first cell that ends in an explorer, None without."""
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        live = 'nbval-ignore-output' in cell.metadata.get('tags', [])
        code = cell.source if cell.cell_type == 'code' else ''
        if re.search(r'^(Explorer|Atlas)\(', code, re.MULTILINE) and not live:
            return i
    return None


async def seen(browser, url, folder, path, timed, alone=None):
    """Move a notebook's first explorer: what was wrong, and it between its peers.

    `alone`: the floor in its own notebook; without it, cells run to the explorer's only.
    """
    notebook, cell = nbformat.read(path, as_version=4), first_explorer(path)
    notebook.cells.insert(cell + 1, nbformat.v4.new_code_cell(INTERACT))
    notebook.cells.insert(cell, nbformat.v4.new_code_cell(ECHO))
    nbformat.write(notebook, folder / path.name)
    cells = len(notebook.cells) if alone else cell + 2 + timed
    async with opened(browser, url, path.name, cells) as page:
        names = 'floor', path.stem, 'the same, interact'
        plots = [Plot(name, page, cell + i) for i, name in enumerate(names)]
        explorer = plots[1]
        await page.evaluate(SHOW, cell)
        for plot in plots if timed else [explorer]:
            await plot.watch()
        if alone:
            alone.steps, alone.drags = [], []
            plots.insert(0, alone)
        if timed:
            await timing(plots)
        await explorer.film()
        mute = [plot.name for plot in plots if timed and not plot.waits]
        wrong = explorer.wrong + [f'{path.stem}: {name} shows nothing' for name in mute]
        wrong += [f'{path.stem}: the console says {error}' for error in page.errors]
        return wrong, plots


async def timing(plots):
    """Time plots in turns, so that they share what else the machine does.

    Stops where one shows nothing.
    """
    for _ in range(25):
        for plot in plots:
            await plot.step()
        if not all(plot.waits for plot in plots):
            return
    for _ in range(5):
        for plot in plots:
            await plot.drag()
    for plot in plots:
        await plot.ask()
        print(row(plot, plots[0]), flush=True)


def row(plot, floor):
    def both(times):
        worst = statistics.quantiles(times, n=20)[-1]
        return f'{statistics.median(times):.1f} ({worst:.1f})'

    rates = f'{statistics.median(plot.rates):.1f}', f'{share(plot, floor):.2f}'
    ages = f'{plot.age:.0f}', f'{plot.lag:.0f}'
    cells = plot.name, both(plot.waits), *rates, *ages, both(plot.handled)
    return f'| {" | ".join([*cells, both(plot.busy)])} |'


def share(plot, floor):
    """Return a plot's pictures/s over the floor's, the median of drags in turns.

    A slider of few positions has no more pictures than the mouse goes over values.
    """
    turns = zip(plot.rates, floor.rates, strict=True)
    return statistics.median(mine / min(bare, plot.most) for mine, bare in turns)


def missed(floor, explorer, plain, quick):
    """Return the targets that are missed, as sentences.

    No slider that the kernel answers beats the floor: where that takes more than a
    fifth of `interact`, a step may take the floor and a frame of the screen, and as many
    pictures as the floor's, to the hundredth, are enough.
    """
    median, frame = statistics.median, 1000 / 60
    step, bare, slow = (median(plot.waits) for plot in (explorer, floor, plain))
    handler, kernel = median(explorer.handled), median(explorer.busy)
    rate, drawn = (share(plot, floor) for plot in (explorer, plain))
    if quick:  # shares of what the same machine did meanwhile
        most = {
            'kernel ms': (kernel, median(plain.busy) / 10),
            'step ms': (step, 3 * bare + 20),
            'step ms, of interact': (step, slow / 3),
        }
        least = {'pictures of the floor, of interact': (rate, drawn)}
    else:
        most = {
            'handler ms': (handler, 3),
            'step ms': (step, 1.5 * bare + 10),
            'step ms, of interact': (step, max(slow / 5, bare + frame)),
        }
        least = {
            'pictures of the floor': (rate, 0.9),
            'pictures of the floor, of interact': (round(rate, 2), min(5 * drawn, 1)),
        }
    over = {what: (is_, 'at most', to) for what, (is_, to) in most.items() if is_ > to}
    under = {
        what: (is_, 'at least', to) for what, (is_, to) in least.items() if is_ < to
    }
    return [
        f'{explorer.name}: {what} {is_:.3g}, {side} {to:.3g} wanted'
        for what, (is_, side, to) in {**over, **under}.items()
    ]


async def main(paths, quick):
    print(f'| {" | ".join(HEADS)} |\n|{"---|" * len(HEADS)}', flush=True)
    wrong = []
    async with async_playwright() as api:
        browser = await api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        async with contextlib.AsyncExitStack() as open_:
            url, folder = open_.enter_context(serve(NODELAY, SETTINGS))
            alone = None
            if not quick:
                empty = opened(browser, url, scratch(folder, ECHO), 1)
                alone = Plot('floor, alone', await open_.enter_async_context(empty), 0)
                await alone.watch()
            for path in paths:
                timed, late = not quick or path == paths[0], []
                for _ in range(3):
                    bad, plots = await seen(browser, url, folder, path, timed, alone)
                    wrong += bad
                    if bad or not timed:
                        break
                    late = missed(plots[0], *plots[-2:], quick)
                    if not late:
                        break
                wrong += late
        less = {'without the server extension': [SETTINGS], 'nor the settings': []}
        for name, arguments in {} if quick else less.items():
            print(f'| *{name}* |', flush=True)
            with serve(*arguments) as (url, folder):
                await seen(browser, url, folder, paths[0], True)
        await browser.close()
    return wrong


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('notebooks', nargs='*', type=Path, metavar='NOTEBOOK')
    parser.add_argument('--quick', action='store_true', help='one timing, wide targets')
    asked = parser.parse_args()
    if not CHROMIUM:
        sys.exit('no chromium here: install it, on Debian `apt install chromium`')
    paths = asked.notebooks or sorted((ROOT / 'notebooks').glob('*.ipynb'))
    paths = [path for path in paths if first_explorer(path) is not None]
    sys.exit('\n'.join(asyncio.run(main(paths, asked.quick))) or None)
