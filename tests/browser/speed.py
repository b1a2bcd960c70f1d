"""From a slider to the picture, in a real browser: how long, how many, which one.

    python -m tests.browser.speed [--quick] [NOTEBOOK ...]

Runs each notebook in JupyterLab and moves the longest slider of its first explorer: 25
single steps and drags of 2 s at 60 moves/s. In turns with it, in cells beside it, the
floor, a slider that moves a bar, and the same plot by `interact`. Prints a Markdown
table with medians (95th percentiles); its first row is the floor in a notebook that
holds nothing else, which the targets are set against, its last ones the first notebook
in a JupyterLab without our server extension, and in one without our settings too.
"handler" is what a slider's new value takes in the kernel, "kernel" how long that is
busy in all. Fails where a picture is missing, jumps or shows another value than the
slider, where the console has errors, and where the targets of speed are missed three
times: what else a machine does adds time, and takes none away.

--quick: runs to the explorer, times the first notebook alone, against targets that a
busy machine meets too.
"""

import argparse
import asyncio
import contextlib
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
    *('plot', 'step ms', 'pictures/s', 'age ms', 'end lag ms'),
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
    """Return the number of the first cell that ends in an Explorer, None without."""
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        live = 'nbval-ignore-output' in cell.metadata.get('tags', [])
        lines = cell.source.splitlines() if cell.cell_type == 'code' else []
        if 'Explorer(' in lines and not live:
            return i
    return None


async def seen(browser, url, folder, path, quick, timed):
    """Move a notebook's first explorer: what was wrong, and it between its two peers."""
    notebook, cell = nbformat.read(path, as_version=4), first_explorer(path)
    notebook.cells.insert(cell + 1, nbformat.v4.new_code_cell(INTERACT))
    notebook.cells.insert(cell, nbformat.v4.new_code_cell(ECHO))
    nbformat.write(notebook, folder / path.name)
    cells = cell + 2 + timed if quick else len(notebook.cells)
    async with opened(browser, url, path.name, cells) as page:
        names = 'floor', path.stem, 'the same, interact'
        plots = [Plot(name, page, cell + i) for i, name in enumerate(names)]
        explorer = plots[1]
        await page.evaluate(SHOW, cell)
        if timed:
            await timing(plots)
        else:
            await explorer.watch()
        await explorer.film()
        mute = [plot.name for plot in plots if timed and not plot.waits]
        wrong = explorer.wrong + [f'{path.stem}: {name} shows nothing' for name in mute]
        wrong += [f'{path.stem}: the console says {error}' for error in page.errors]
        return wrong, plots


async def timing(plots):
    """Time plots in turns, so that they share what else the machine does.

    Stops where one shows nothing.
    """
    for plot in plots:
        await plot.watch()
    for _ in range(25):
        for plot in plots:
            await plot.step()
        if not all(plot.waits for plot in plots):
            return
    for _ in range(3):
        for plot in plots:
            await plot.drag()
    for plot in plots:
        await plot.ask()
        print(row(plot), flush=True)


def row(plot):
    def both(times):
        worst = statistics.quantiles(times, n=20)[-1]
        return f'{statistics.median(times):.1f} ({worst:.1f})'

    numbers = f'{plot.rate:.1f}', f'{plot.age:.0f}', f'{plot.lag:.0f}'
    cells = plot.name, both(plot.waits), *numbers, both(plot.handled), both(plot.busy)
    return f'| {" | ".join(cells)} |'


def missed(floor, explorer, plain, quick):
    """Return the targets that are missed, as sentences.

    No slider that the kernel answers beats the floor: where that takes more than a
    fifth of `interact`, a step may take the floor and a frame of the screen. Nor has a
    slider of few positions more pictures than it has values.
    """
    median, frame = statistics.median, 1000 / 60
    step, bare, slow = (median(plot.waits) for plot in (explorer, floor, plain))
    shown, drawn = 1000 / explorer.rate, 1000 / plain.rate
    least = 1000 / min(floor.rate, explorer.moves)
    handler, kernel = median(explorer.handled), median(explorer.busy)
    if quick:  # shares of what the same machine did meanwhile
        targets = {
            'kernel': (kernel, median(plain.busy) / 10),
            'step': (step, 3 * bare + 20),
            'step, of interact': (step, slow / 3),
            'ms a picture': (shown, drawn),
        }
    else:
        targets = {
            'handler': (handler, 3),
            'step': (step, 1.5 * bare + 10),
            'step, of interact': (step, max(slow / 5, bare + frame)),
            'ms a picture': (shown, least / 0.9),
            'ms a picture, of interact': (shown, max(drawn / 5, least)),
        }
    return [
        f'{explorer.name}: {what} {is_:.1f} ms, at most {most:.1f} ms wanted'
        for what, (is_, most) in targets.items()
        if is_ > most
    ]


async def main(paths, quick):
    print(f'| {" | ".join(HEADS)} |\n|{"---|" * len(HEADS)}', flush=True)
    wrong = []
    async with async_playwright() as api:
        browser = await api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serve(NODELAY, SETTINGS) as (url, folder):
            if not quick:
                async with opened(browser, url, scratch(folder, ECHO), 1) as page:
                    alone = Plot('floor, alone', page, 0)
                    await timing([alone])
            for path in paths:
                timed, late = not quick or path == paths[0], []
                for _ in range(3):
                    bad, plots = await seen(browser, url, folder, path, quick, timed)
                    wrong += bad
                    if bad or not timed:
                        break
                    floor, *both = plots
                    late = missed(floor if quick else alone, *both, quick)
                    if not late:
                        break
                wrong += late
        less = {'without the server extension': [SETTINGS], 'nor the settings': []}
        for name, arguments in {} if quick else less.items():
            print(f'| *{name}* |', flush=True)
            with serve(*arguments) as (url, folder):
                await seen(browser, url, folder, paths[0], True, True)
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
