"""The site in a real browser, from a disk and with the network off."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import threading

import pytest

try:
    from playwright.sync_api import expect
except ImportError:
    expect = None

from tests.site.built import ROOT, built

pytestmark = pytest.mark.slow
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
ALIVE = """document.querySelectorAll('.explorer').length
    === document.querySelectorAll('.explorer.alive').length"""
# Whether another picture is seen after an action
ACT = """([key, action]) => new Promise((done, failed) => {
    setTimeout(() => failed('nothing was shown within a minute'), 60000);
    const box = document.getElementById(key);
    const before = box.querySelector('.picture').innerHTML;
    addEventListener('shown', function shown({detail}) {
        // turn 1 is what a page asks by itself, once the explorer is alive
        if (detail.key !== key || detail.turn < 2 || detail.view.error) return;
        removeEventListener('shown', shown);
        setTimeout(() => done(before !== box.querySelector('.picture').innerHTML), 150);
    });
    Function('box', action)(box);
})"""
MOVE = """const ranges = box.querySelectorAll('input[type=range]');
    const range = ranges[box.querySelector('.points') ? 1 : 0];
    range.value = +range.value ? 0 : range.max;
    range.dispatchEvent(new Event('input', {bubbles: true}));"""


@pytest.fixture(scope='module')
def site():
    return built()


@pytest.fixture(scope='module')
def chromium():
    playwright = pytest.importorskip('playwright.sync_api')
    if not CHROMIUM:
        pytest.skip('no chromium here')
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(chromium, address):
    """A page whose explorers are alive; no error is said in it until it is closed."""
    errors, requests = [], []
    context = chromium.new_context(offline=address.startswith('file:'), viewport=WIDE)
    context.on('request', lambda request: requests.append(request.url))
    page = context.new_page()
    page.requests = requests
    page.on('console', lambda m: m.type == 'error' and errors.append(m.text[:300]))
    page.on('pageerror', lambda error: errors.append(str(error)[:300]))
    page.goto(address)
    page.wait_for_function(ALIVE, timeout=120_000)
    yield page
    context.close()
    assert not errors


@pytest.fixture
def open_page(chromium):
    """A function that opens an address and waits for its explorers."""
    with contextlib.ExitStack() as stack:
        yield lambda address: stack.enter_context(opened(chromium, address))


WIDE, PHONE = {'width': 960, 'height': 900}, {'width': 360, 'height': 740}
PAGES = sorted(path.stem for path in (ROOT / 'notebooks').glob('*.ipynb'))


@pytest.fixture(scope='module', params=PAGES)
def page(site, chromium, request):
    """Each page in turn, from a disk and with the network off, its explorers alive."""
    name = 'index' if request.param == '00_index' else request.param
    with opened(chromium, (site / f'{name}.html').as_uri()) as page:
        yield page


def test_every_explorer_moves_from_a_disk_with_the_network_off(page):
    for key in page.evaluate(
        "[...document.querySelectorAll('.explorer')].map(box => box.id)"
    ):
        assert page.evaluate(ACT, [key, MOVE]), key
    assert {url.partition(':')[0] for url in page.requests} <= {'file', 'data', 'blob'}


# What is wider than its box, and a formula or a picture that is not there
LOST = """[...document.querySelectorAll('main, main *')].filter(e =>
    e.scrollWidth > e.clientWidth + 1 && e.clientWidth
    && getComputedStyle(e).overflowX !== 'visible'
    || e.getBoundingClientRect().right > innerWidth + 1
    || e.matches('pre, math, img') && !e.checkVisibility({contentVisibilityAuto: true})
).map(e => e.outerHTML.slice(0, 80))"""


def test_on_paper_nothing_is_folded_or_cut(page, request):
    page.set_viewport_size({'width': 718, 'height': 1000})  # A4 within its margins
    page.emulate_media(media='print')
    assert page.evaluate(LOST) == []
    stills = page.locator('main img').count()
    explorers = page.locator('.explorer:has(.picture svg:visible)').count()
    assert page.pdf(format='A4').count(b'/Subtype /Image') == stills
    assert stills + explorers == pictures(request.node.callspec.params['page'])
    page.emulate_media(media='null')
    page.set_viewport_size(WIDE)


def pictures(name):
    notebook = json.loads((ROOT / f'notebooks/{name}.ipynb').read_text('utf-8'))
    outputs = [o for cell in notebook['cells'] for o in cell.get('outputs', ())]
    return sum('image/png' in output.get('data', ()) for output in outputs)


def test_a_phone_shows_the_whole_page_and_letters_as_large_as_meant(page):
    page.set_viewport_size(PHONE)
    page.wait_for_function(
        'width => document.documentElement.scrollWidth === width', arg=PHONE['width']
    )
    page.wait_for_function("""[...document.querySelectorAll('.picture > svg')].every(
        svg => svg.getBoundingClientRect().width > 0.99 * svg.viewBox.baseVal.width)""")
    page.set_viewport_size(WIDE)


def test_a_window_of_a_few_pixels_draws_no_negative_width(site, open_page):
    page = open_page((site / '09_exponent.html').as_uri())
    page.set_viewport_size({'width': 40, 'height': 740})
    page.wait_for_function("""[...document.querySelectorAll('.picture > svg')].every(
        svg => svg.viewBox.baseVal.width === 240)""")
    negative = "[...document.querySelectorAll('svg [width]')].filter(e => e.getAttribute('width') < 0)"
    assert not page.evaluate(negative)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_axe_finds_nothing_serious(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.evaluate((ROOT / 'site/.parts/axe.min.js').read_text('utf-8'))
    report = page.evaluate(
        'axe.run(document, {preload: false})'
    )  # it may read no files
    assert not [
        (violation['id'], violation['nodes'][0]['html'][:200])
        for violation in report['violations']
        if violation['impact'] in ('serious', 'critical')
    ]


def test_an_explorer_pins_resets_takes_log_axes_and_shows_code(site, open_page):
    from playwright.sync_api import expect

    page = open_page((site / '05_cosine.html').as_uri())
    box = page.locator('#decay')
    said = box.locator('.sentences')
    first = box.locator('.picture').inner_html()
    assert page.evaluate(ACT, ['decay', "box.querySelector('[data-verb=pin]').click()"])
    assert page.evaluate(ACT, ['decay', MOVE])
    expect(said).to_contain_text('Pinned: shape=')
    page.evaluate(ACT, ['decay', "box.querySelector('[data-verb=unpin]').click()"])
    expect(said).not_to_contain_text('Pinned')
    assert page.evaluate(ACT, ['decay', "box.querySelector('.log input').click()"])
    page.evaluate(ACT, ['decay', "box.querySelector('[data-verb=reset]').click()"])
    page.wait_for_function(
        "first => document.querySelector('#decay .picture').innerHTML === first",
        arg=first,
    )
    box.get_by_label('also show').select_option('code for torch')
    expect(box.locator('.opened pre')).to_contain_text('CosineAnnealingLR')


def test_a_number_may_be_typed_and_a_wrong_one_gets_a_sentence(site, open_page):
    page = open_page((site / '05_cosine.html').as_uri())
    box = page.locator('#decay')
    number = box.get_by_label('base learning rate, as a number')
    number.fill('0.123')
    number.press('Enter')
    page.wait_for_function(
        "/Starts at 0.123/.test(document.querySelector('#decay .sentences').innerText)"
    )
    number.fill('abc')
    number.press('Enter')
    page.wait_for_function(
        "/base_lr=abc/.test(document.querySelector('#decay .sentences').innerText)"
    )


def test_the_keyboard_moves_a_slider(site, open_page):
    from playwright.sync_api import expect

    page = open_page((site / '03_factor.html').as_uri())
    slider = page.locator('#factor_decay input[type=range]').first
    slider.focus()
    before = page.locator('#factor_decay .picture').inner_html()
    slider.press('ArrowRight')
    page.wait_for_function(
        "before => document.querySelector('#factor_decay .picture').innerHTML !== before",
        arg=before,
    )
    expect(slider).not_to_have_attribute('aria-valuetext', '1.0')


def test_the_address_carries_the_settings_and_restores_them(site, open_page):
    page = open_page((site / '05_cosine.html').as_uri())
    page.evaluate(ACT, ['decay', MOVE])
    page.wait_for_function("location.hash.startsWith('#decay?')")
    picture = page.locator('#decay .picture').inner_html()
    said = page.locator('#decay .sentences').inner_text()
    again = open_page(page.url)
    again.wait_for_function(
        "said => document.querySelector('#decay .sentences').innerText === said",
        arg=said,
    )
    values = "[...document.querySelectorAll('#decay input')].map(i => i.value).join()"
    again.wait_for_function(f'before => {values} === before', arg=page.evaluate(values))
    assert re.sub(r'\s', '', picture)[:20] == '<svgxmlns="http://ww'


def test_recordings_move_before_python_is_there(site, chromium):
    for name, key in ('06_warmup', 'atlas-warmup'), ('12_sampling', 'anneal'):
        context = chromium.new_context(offline=True, viewport=WIDE)
        page = context.new_page()
        page.goto((site / f'{name}.html').as_uri(), wait_until='domcontentloaded')
        assert page.evaluate(ACT, [key, MOVE])
        assert not page.locator(f'#{key}.alive').count()
        said = page.locator(f'#{key} .sentences').inner_text()
        page.wait_for_function(ALIVE, timeout=120_000)
        page.wait_for_timeout(500)  # for what Python may say in its place
        assert page.locator(f'#{key} .sentences').inner_text() == said
        context.close()


def test_what_a_reader_asked_for_is_alive_first(site, chromium):
    context = chromium.new_context(offline=True, viewport=WIDE)
    page = context.new_page()
    page.goto((site / '04_multi_factor.html').as_uri(), wait_until='domcontentloaded')
    first, *_, last = page.locator('.explorer').evaluate_all(
        'all => all.map(e => e.id)'
    )
    alive = """([first, last]) => new Promise(done => {
        const [a, b] = [first, last].map(key => document.getElementById(key).classList);
        new MutationObserver(() => {
            if (a.contains('alive') || b.contains('alive')) done(b.contains('alive'));
        }).observe(document.body, {subtree: true, attributeFilter: ['class']});
        document.getElementById(last).querySelector('input[type=range]').dispatchEvent(
            new Event('input', {bubbles: true}));
    })"""
    assert page.evaluate(alive, [first, last])
    page.wait_for_function(ALIVE, timeout=120_000)
    context.close()


def test_points_are_added_removed_and_dragged(site, open_page):
    from playwright.sync_api import expect

    page = open_page((site / '02_schedulers.html').as_uri())
    box = page.locator('#drawn')
    expect(box.locator('.row')).to_have_count(3)
    page.evaluate(ACT, ['drawn', "box.querySelector('.points > button').click()"])
    expect(box.locator('.row')).to_have_count(4)
    expect(box.locator('.handle')).to_have_count(4)
    page.evaluate(ACT, ['drawn', "box.querySelector('.row button').click()"])
    expect(box.locator('.row')).to_have_count(3)
    box.scroll_into_view_if_needed()
    spot = box.locator('.handle').nth(1).bounding_box()
    before = box.locator('.sentences').inner_text()
    page.mouse.move(spot['x'] + 7, spot['y'] + 7)
    page.mouse.down()
    page.mouse.move(spot['x'] + 20, spot['y'] + 30, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "before => document.querySelector('#drawn .sentences').innerText !== before",
        arg=before,
    )


def test_a_page_trains_is_held_steered_and_goes_on(site, open_page):
    page = open_page((site / '02_schedulers.html').as_uri())
    box = page.locator('#handsetrate-steps')
    said, bar = box.locator('.sentences'), box.locator('progress')
    assert not [url for url in page.requests if 'training-' in url]
    start = box.locator('[data-train=start]')
    assert re.search(r'loads \d\.\d MB', start.inner_text())
    start.click()
    expect(said).to_contain_text('epoch 1/30', timeout=120_000)
    assert [url for url in page.requests if 'training-' in url]
    box.locator('[data-train=stop]').click()
    expect(said).to_contain_text('Held: Start goes on.', timeout=30_000)
    page.wait_for_timeout(1000)  # an update that was under way is over
    held = bar.evaluate('bar => bar.value')
    page.wait_for_timeout(1000)
    assert bar.evaluate('bar => bar.value') == held >= 1 / 30
    box.locator('input[type=range]').evaluate(
        """range => { range.value = 0;
        range.dispatchEvent(new Event('input', {bubbles: true})); }"""
    )
    start.click()
    page.wait_for_function(
        "held => document.querySelector('#handsetrate-steps progress').value > held",
        arg=held,
        timeout=60_000,
    )
    box.locator('[data-train=restart]').click()
    expect(said).to_contain_text('no epoch finished', timeout=60_000)


def test_what_an_explorer_shows_is_trained_beside_the_recordings(site, open_page):
    page = open_page((site / '06_warmup.html').as_uri())
    box = page.locator('#atlas-warmup')
    box.get_by_label('seed').fill('2')
    box.get_by_role('button', name='Train this now').click()
    said = box.locator('.sentences')
    expect(said).to_contain_text('epoch 1/30', timeout=120_000)
    assert 'trained now' in box.locator('.picture').inner_text()
    box.locator('[data-train=stop]').click()
    expect(said).to_contain_text('Stopped.', timeout=30_000)


@pytest.fixture
def server(site):
    """The address of the site, under a path, from a plain server."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def guess_type(self, path):
            kinds = {'mjs': 'text/javascript', 'wasm': 'application/wasm'}
            return kinds.get(path.rpartition('.')[2]) or super().guess_type(path)

        def translate_path(self, path):
            return super().translate_path(path.removeprefix('/some/path'))

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/some/path'
        server.shutdown()


def test_over_http_a_page_asks_no_other_host(server, open_page):
    page = open_page(f'{server}/09_exponent.html')
    assert page.evaluate(ACT, ['poly', MOVE])
    asked = {json.dumps(url.split('/')[:5]) for url in page.requests}
    assert all(url.startswith((server, 'blob:', 'data:')) for url in page.requests), (
        asked
    )
    assert not page.context.cookies()
    assert not page.evaluate('localStorage.length')


def test_an_explorer_that_fails_leaves_the_others_alive(server, chromium):
    context = chromium.new_context(viewport=WIDE)
    page = context.new_page()

    def broken(route):
        answer = route.fetch()
        text = answer.text().replace(
            '"expression":"', '"expression":"no_such_name + ', 1
        )
        route.fulfill(response=answer, body=text)

    page.route('**/05_cosine.html', broken)
    page.goto(f'{server}/05_cosine.html')
    names = page.locator('.explorer').evaluate_all('all => all.map(box => box.id)')
    page.wait_for_selector(f'[id="{names[1]}"].alive', timeout=120_000)
    assert page.evaluate(ACT, [names[1], MOVE])
    note = page.locator(f'[id="{names[0]}"] .waiting').inner_text()
    assert note.startswith('Python could not be loaded here')
    assert not page.locator(f'[id="{names[0]}"].alive').count()
    context.close()
