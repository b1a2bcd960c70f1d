"""An explorer in JupyterLab in a real browser: keys, pictures, words.

`lab(notebook)` opens a notebook, runs it and gives the page; it serves for any notebook.
"""

import contextlib
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from d2l_ext.explorers.controls import Log
from tests.browser.lab import (
    CHROMIUM,
    DARK,
    FLAGS,
    NODELAY,
    ROOT,
    SETTINGS,
    scratch,
    serve,
)

AXE = ROOT / 'site/.parts/axe.min.js'

EXPLORER = """
from d2l_ext.explorers import Choice, Explorer, Log, Slider, Switch
from d2l_ext.plots import Panel, schedule_panel
from d2l_ext.schedulers import CosineScheduler, WarmupScheduler

def cosine(base_lr, warmup_steps, max_update, per):
    scheduler = CosineScheduler(max_update - warmup_steps, base_lr, 0.01)
    scheduler = WarmupScheduler(scheduler, warmup_steps)
    schedule = schedule_panel({'warmup + cosine': scheduler}, 30, per)
    x, y = schedule.lines['warmup + cosine']
    sum = Panel({'distance': (x, y.cumsum())}, 'epoch', 'sum of the rates')
    return schedule, sum

Explorer(
    cosine,
    base_lr=Log(0.3, 0.01, 10, 'peak learning rate'),
    warmup_steps=Slider(5, 0, 20),
    max_update=Slider(30, 1, 60),
    per=Choice(('epoch', 'update')),
)
"""


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api')
    if not CHROMIUM:
        pytest.skip('no chromium here')
    playwright.expect.set_options(timeout=20_000)
    with playwright.sync_playwright() as api:
        chromium = api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope='module')
def server():
    """A JupyterLab of its own: (its address, the folder it serves)."""
    pytest.importorskip('jupyterlab')
    with serve(NODELAY, DARK, '--custom-css', SETTINGS) as server:
        yield server


@pytest.fixture
def lab(browser, server):
    """A function of a notebook: opens it, runs all cells, returns the page.

    The notebook is a path, or the code of its cells. `page.errors` lists what the
    page complained about.
    """
    url, folder = server
    with contextlib.ExitStack() as pages:

        def open_notebook(*notebook, width=1100, height=1000, run=True):
            if isinstance(notebook[0], Path):
                name = notebook[0].name
                shutil.copy(notebook[0], folder)
            else:
                name = scratch(folder, *notebook)
            page = pages.enter_context(
                contextlib.closing(
                    browser.new_page(viewport={'width': width, 'height': height})
                )
            )
            page.set_default_timeout(60_000)
            page.errors = []
            page.on('pageerror', lambda error: page.errors.append(str(error)))
            page.on(
                'console',
                lambda message: (
                    message.type == 'error' and page.errors.append(message.text)
                ),
            )
            page.goto(f'{url}/doc/tree/{name}?reset')
            page.wait_for_selector('.jp-Notebook .jp-CodeCell')
            page.wait_for_function(
                'jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status'
                " === 'idle'"
            )
            if run:
                page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
            return page

        yield open_notebook


def settled(page, text):
    """Wait for a sentence below the picture; return the picture's lines."""
    page.get_by_role('status').filter(has_text=text).wait_for(timeout=20_000)
    return page.locator('svg[role=img]').inner_html()


def holds(box, text):
    """Wait until a box holds the text: a sentence may come before it."""
    from playwright.sync_api import expect

    expect(box).to_have_value(text, timeout=20_000)


def shows(page, picture):
    """Wait until the picture's lines are these again."""
    page.wait_for_function(
        "picture => document.querySelector('svg[role=img]').innerHTML === picture",
        arg=picture,
    )


def at_rest(page, locator):
    """Wait until an element has been where it is for half a second; return its box."""
    locator.evaluate("""element => new Promise(done => {
        let before = '', since = 0;
        requestAnimationFrame(function look(now) {
            const {x, y, width, height} = element.getBoundingClientRect();
            const place = `${x} ${y} ${width} ${height}`;
            if (place !== before) [before, since] = [place, now];
            if (now - since > 500) done(); else requestAnimationFrame(look);
        });
    })""")
    return locator.bounding_box()


def without_code(page):
    """Hide the code; return when the picture has come to rest."""
    page.evaluate("jupyterapp.commands.execute('notebook:hide-all-cell-code')")
    return at_rest(page, page.locator('svg[role=img]'))


def test_an_explorer_by_keyboard(lab, tmp_path):
    page = lab(EXPLORER)
    first = settled(page, 'peaks at 0.3 in epoch 5')
    without_code(page)
    page.screenshot(path=tmp_path / 'first.png')

    rate = page.get_by_role('textbox', name='peak learning rate')
    holds(rate, '0.3')  # the browser has not rounded it
    rate.fill('0.37')
    page.keyboard.press('Enter')
    typed = settled(page, 'peaks at 0.37 in')
    assert typed != first

    page.keyboard.press('Tab')  # to the slider of the same number
    for _ in range(20):
        page.keyboard.press('ArrowRight')
    settled(page, 'peaks at 0.75 in')
    holds(rate, '0.75')

    page.keyboard.press('Tab')
    page.keyboard.press('Tab')
    steps = page.get_by_role('textbox', name='warmup steps')
    page.keyboard.press('End')
    settled(page, 'in epoch 20')
    holds(steps, '20')

    page.get_by_role('button', name='Pin this curve').press('Enter')
    settled(page, 'Pinned: base_lr=0.75, warmup_steps=20')
    page.get_by_role('textbox', name='max update').fill('20')
    page.keyboard.press('Enter')
    settled(page, 'max_update must be')
    page.screenshot(path=tmp_path / 'sentence.png')
    page.get_by_role('textbox', name='max update').fill('25')
    page.keyboard.press('Enter')
    settled(page, 'ends at 0.01')
    page.get_by_label('per', exact=True).select_option('update')
    settled(page, 'updates (0.89 % of the run)')
    page.get_by_label('log y').press('Space')
    page.get_by_label('per', exact=True).select_option('epoch')
    settled(page, 'in epoch 20')
    page.screenshot(path=tmp_path / 'pinned.png')

    page.get_by_role('button', name='Unpin').press('Enter')
    page.get_by_role('button', name='Reset').press('Enter')
    settled(page, 'peaks at 0.3 in epoch 5')
    shows(page, first)
    holds(rate, '0.3')
    assert page.errors == []


# what JupyterLab asks its server every ten seconds, whatever happens in a notebook
POLLED = re.compile(r'/api/(kernels|kernelspecs|sessions|terminals)\b')


def test_a_move_fetches_nothing_and_changes_nothing_around_the_notebook(lab):
    page = lab(EXPLORER)
    settled(page, 'peaks at 0.3 in epoch 5')
    # from a second on in which JupyterLab, still at its own start, has changed nothing
    page.evaluate("""() => new Promise(done => {
        globalThis.changes = [];
        const notebook = document.querySelector('.jp-Notebook');
        const quiet = () => { changes.length = 0; done(); };
        let soon = setTimeout(quiet, 1000);
        new MutationObserver((all) => {
            for (const {target} of all)
                if (!notebook.contains(target)) {
                    changes.push(target.parentElement?.outerHTML);
                    clearTimeout(soon);
                    soon = setTimeout(quiet, 1000);
                }
        }).observe(document, {
            subtree: true, childList: true, characterData: true, attributes: true});
    })""")
    fetched = []
    page.on(
        'request',
        lambda request: POLLED.search(request.url) or fetched.append(request.url),
    )
    rate = Log(0.3, 0.01, 10)
    page.locator('.noUi-handle').first.press('ArrowRight')
    settled(page, f'peaks at {rate.at(rate.position(0.3) + 1):.4g} in epoch 5')
    page.wait_for_timeout(300)  # for what must not come
    assert fetched == []
    assert page.evaluate('changes') == []
    assert page.errors == []


def test_a_drag_ends_on_the_value_in_the_box(lab):
    page = lab(EXPLORER)
    settled(page, 'peaks at 0.3 in epoch 5')
    height = without_code(page)['height']
    handle = page.locator('.noUi-handle').first
    box = at_rest(page, handle)
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=40)
    page.mouse.up()
    at_rest(page, handle)
    position = int(float(handle.get_attribute('aria-valuenow')))
    assert position > 110
    value = Log(0.3, 0.01, 10).at(position)
    settled(page, f'peaks at {value:.4g} in epoch 5')
    holds(page.get_by_role('textbox', name='peak learning rate'), f'{value}')
    assert at_rest(page, page.locator('svg[role=img]'))['height'] == height
    assert page.errors == []


LISTS = """
from d2l_ext.explorers import Choice, Explorer, Slider
from d2l_ext.plots import Panel

def line(first, second, third):
    return Panel({'y': ((0, 1), (0, third))}, 'x', 'y', note=f'Third: {third}')

Explorer(
    line,
    first=Choice(('a', 'falls from 0.02 to 0.0002, and then it is constant')),
    second=Choice(('b', 'c')),
    third=Slider(1, 0, 2),
)
"""


def test_a_list_shows_its_longest_text_and_is_no_narrower_than_a_number(lab):
    page = lab(LISTS)
    settled(page, 'Third: 1')
    wanted = """list => {
        const free = document.body.appendChild(list.cloneNode(true));
        free.style.cssText = 'position: absolute; width: auto';
        return [list.offsetWidth, free.offsetWidth];
    }"""
    number = at_rest(page, page.get_by_role('textbox', name='third'))
    for label in ('first', 'second'):
        choice = page.get_by_label(label, exact=True)
        has, needs = choice.evaluate(wanted)
        assert has >= max(needs, int(number['width'])), label
        assert choice.bounding_box()['x'] == number['x']
    assert page.errors == []


DRAWN = """
import time
from d2l_ext.explorers import Explorer, Log, Points, Slider
from d2l_ext.panels import schedule_panel
from d2l_ext.schedulers import PiecewiseLinearScheduler
from d2l_ext.training import History

def steps(recipe, seed, queue):
    history = History({'num_epochs': 30, 'batches_per_epoch': 10})
    while True:
        for _ in range(10):
            time.sleep(0.01)
            history.lr.append(0.1)
            yield history
        history.train_acc.append(0.5)
        history.test_acc.append(0.5)
        history.train_loss.append(1.0)

def drawn(points):
    return schedule_panel(PiecewiseLinearScheduler(points), 30)

points = Points([(0, 0.1), (5, 0.3), (30, 0.05)], Slider(0, 0, 30), Log(1, 0.001, 3))
Explorer(drawn, train=steps, points=points)
"""


def test_a_schedule_is_drawn_shared_and_trained_by_keyboard(lab, tmp_path):
    page = lab(DRAWN)
    first = settled(page, 'peaks at 0.3 in epoch 5')
    without_code(page)
    page.get_by_role('textbox', name='rate 2').fill('0.5')
    page.keyboard.press('Enter')
    assert settled(page, 'peaks at 0.5 in epoch 5') != first
    page.get_by_role('button', name='Add a point').press('Enter')
    page.get_by_role('textbox', name='time 4').wait_for()

    page.get_by_label('also show').select_option('code for torch')
    page.get_by_role('region', name='code for torch').wait_for()
    page.get_by_role('button', name='Train this now').press('Enter')
    settled(page, 'train loss 1.000')
    # the kernel trains, and answers
    page.get_by_role('textbox', name='rate 2').fill('0.4')
    page.keyboard.press('Enter')
    settled(page, 'peaks at 0.4 in epoch 5')
    page.get_by_role('button', name='Stop').press('Enter')
    settled(page, 'Stopped.')
    page.screenshot(path=tmp_path / 'trained.png')

    page.get_by_label('also show').select_option('settings as a text')
    text = page.get_by_label('settings', exact=True)
    holds(text, 'points=0:0.1,5:0.4,18:0.266,30:0.05')
    text.fill('points=0:0.2,30:0.1')
    page.keyboard.press('Enter')
    settled(page, 'Starts at 0.2')
    page.get_by_role('textbox', name='time 3').wait_for(state='detached')
    text.fill('points=nonsense')
    page.keyboard.press('Enter')
    settled(page, 'points=nonsense: ')
    page.get_by_role('button', name='Remove 2').press('Enter')
    settled(page, 'Constant at 0.2')
    page.get_by_role('button', name='Reset').press('Enter')
    settled(page, 'peaks at 0.3 in epoch 5')
    assert page.errors == []


def test_a_point_is_dragged_with_the_mouse_in_the_picture(lab):
    from playwright.sync_api import expect

    page = lab(DRAWN)
    settled(page, 'peaks at 0.3 in epoch 5')
    without_code(page)
    circles = page.locator('.d2l-handles circle')
    expect(circles).to_have_count(3)
    box = at_rest(page, circles.nth(1))
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=8)
    page.mouse.up()
    expect(page.get_by_role('textbox', name='time 2')).not_to_have_value('5')
    expect(page.get_by_role('textbox', name='rate 2')).not_to_have_value('0.3')
    page.wait_for_function(
        """x => Math.abs(document.querySelectorAll('.d2l-handles circle')[1]
            .getBoundingClientRect().x - x) < 12""",  # times are whole
        arg=box['x'] + 60,
    )
    moved = at_rest(page, circles.nth(1))
    assert abs(moved['y'] - box['y'] - 40) < 2
    time = page.get_by_role('textbox', name='time 2').input_value()
    rate = page.get_by_role('textbox', name='rate 2').input_value()
    settled(page, f'peaks at {rate} in epoch {time}')
    page.mouse.move(x + 200, y)  # it was let go
    assert at_rest(page, circles.nth(1)) == moved
    assert page.errors == []


@pytest.mark.parametrize(('text', 'said'), [('0,5', 'with a point'), ('1e9', 'to 10')])
def test_a_number_that_cannot_be_taken_is_refused_in_a_sentence(lab, text, said):
    page = lab(EXPLORER)
    first = settled(page, 'peaks at 0.3 in epoch 5')
    box = page.get_by_role('textbox', name='peak learning rate')
    box.fill(text)
    page.keyboard.press('Enter')
    assert settled(page, said) == first
    settled(page, re.compile(r'it stays 0\.3\.$'))
    holds(box, '0.3')
    box.fill('')
    page.keyboard.press('Enter')
    settled(page, 'peaks at 0.3 in epoch 5')
    holds(box, '0.3')
    assert page.errors == []


# what sticks out of an ancestor that neither shows nor scrolls what sticks out
CUT = """() => {
    const cut = [];
    const root = document.querySelector('.d2l-live');
    for (const shown of root.querySelectorAll('button, input, select, .slider, svg'))
        for (let box = shown.parentElement; box; box = box.parentElement) {
            const style = getComputedStyle(box);
            if (['auto', 'scroll'].includes(style.overflowX)
                && box.scrollWidth > box.clientWidth + 1) break;
            const limit = box.getBoundingClientRect().right + 1;
            if (style.overflowX !== 'visible'
                && shown.getBoundingClientRect().right > limit)
                cut.push([shown.outerHTML.slice(0, 60), box.className, limit]);
            if (box.classList.contains('jp-Cell')) break;
        }
    return cut;
}"""


@pytest.mark.parametrize('width', [360, 960, 1600])
def test_nothing_is_cut_where_a_page_is_narrow(lab, width, tmp_path):
    page = lab(DRAWN, width=width)
    settled(page, 'peaks at 0.3 in epoch 5')
    without_code(page)
    page.screenshot(path=tmp_path / f'{width}.png')
    cut = page.evaluate(CUT)
    assert cut == []


# left and top of the first and the second panel in a layer, and how much is hidden
PLACES = """() => {
    const picture = document.querySelector('.d2l-picture');
    const layers = [...picture.querySelectorAll('div > svg')].slice(1, 3);
    const hidden = picture.parentElement;
    return [hidden.scrollWidth - hidden.clientWidth, ...layers.map(layer =>
        [...layer.querySelectorAll('svg')].map(panel => {
            const {e, f} = panel.getScreenCTM();
            return [e, f];
        }))];
}"""


def test_panels_side_by_side_stand_one_below_the_other_where_a_page_is_narrow(
    lab, tmp_path
):
    page = lab(EXPLORER)
    settled(page, 'peaks at 0.3 in epoch 5')
    without_code(page)
    hidden, scales, lines = page.evaluate(PLACES)
    (left, top), (right, level) = lines
    assert (hidden, level) == (0, top) and right - left == 350
    page.set_viewport_size({'width': 560, 'height': 1000})
    shape = at_rest(page, page.locator('.d2l-picture'))
    page.screenshot(path=tmp_path / 'narrow.png')
    hidden, scales, lines = page.evaluate(PLACES)
    (left, top), (below, under) = lines
    assert (hidden, below) == (0, left)
    assert scales == lines
    assert shape['width'] == 350 and shape['height'] == 2 * (under - top)
    assert page.errors == []


def test_sliders_and_progress_have_names_and_say_values(lab):
    from playwright.sync_api import expect

    page = lab(DRAWN)
    settled(page, 'peaks at 0.3 in epoch 5')
    rate = page.get_by_role('slider', name='rate 2')
    expect(rate).to_have_attribute('aria-valuetext', '0.3')
    expect(page.get_by_role('slider')).to_have_count(6)
    for slider in page.get_by_role('slider').all():
        expect(slider).to_have_attribute('aria-label', re.compile('(time|rate) [123]'))
    rate.press('ArrowRight')
    expect(page.get_by_role('textbox', name='rate 2')).not_to_have_value('0.3')
    said = page.get_by_role('textbox', name='rate 2').input_value()
    expect(rate).to_have_attribute('aria-valuetext', said)
    bar = page.get_by_role('progressbar', name='progress')
    expect(bar).to_have_attribute('value', '0')
    page.get_by_role('button', name='Train this now').press('Enter')
    expect(bar).not_to_have_attribute('value', '0')
    page.get_by_role('button', name='Stop').press('Enter')
    assert page.errors == []


STILL = """
from d2l_ext.plots import Panel, figure
figure(Panel({'y': ([0, 1], [0, 1])}, 'x', 'y'))
"""
SERIOUS = """axe.run('.d2l-live', {preload: false}).then(report => report.violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => [one.id, one.nodes.map(node => node.html.slice(0, 200))]))"""


def brightness(locator):
    """Return the mean brightness of an element on the screen, from 0 to 255."""
    image = pytest.importorskip('PIL.Image')
    seen = image.open(io.BytesIO(locator.screenshot())).convert('L')
    return np.asarray(seen).mean()


def change_theme(page, theme):
    from playwright.sync_api import expect

    page.evaluate(
        "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})",
        f'JupyterLab {theme}',
    )
    light = 'true' if theme == 'Light' else 'false'
    expect(page.locator('body')).to_have_attribute('data-jp-theme-light', light)


@pytest.mark.parametrize('theme', ['Light', 'Dark'])
def test_stored_pictures_are_as_dark_as_the_theme_before_anything_runs(lab, theme):
    from playwright.sync_api import expect

    notebook = next(ROOT.glob('notebooks/03_*.ipynb'))
    page = lab(notebook, height=20_000, run=False)
    change_theme(page, theme)
    pictures = page.locator('.jp-RenderedImage img')
    expect(pictures).to_have_count(notebook.read_text('utf-8').count('"image/png": "'))
    for picture in pictures.all():
        mean = brightness(picture)
        assert mean > 220 if theme == 'Light' else mean < 60


@pytest.mark.parametrize('theme', ['Light', 'Dark'])
def test_pictures_are_as_dark_as_the_theme_and_axe_finds_nothing_serious(
    lab, theme, tmp_path
):

    page = lab(STILL, DRAWN)
    settled(page, 'peaks at 0.3 in epoch 5')
    change_theme(page, theme)
    without_code(page)
    page.screenshot(path=tmp_path / f'{theme}.png')
    for shown in page.locator('.d2l-picture'), page.locator('.jp-RenderedImage img'):
        mean = brightness(shown.first)
        assert mean > 220 if theme == 'Light' else mean < 60
    if not AXE.exists():
        pytest.skip('no axe-core here: `make site` fetches it')
    page.evaluate(AXE.read_text('utf-8'))
    assert page.evaluate(SERIOUS) == []
