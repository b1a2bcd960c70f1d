"""A notebook that was saved keeps its pictures, in JupyterLab and as a page."""

import json
import re
from pathlib import Path

import pytest

from tests.browser.lab import CHROMIUM, FLAGS, scratch, serve

NOTEBOOKS = sorted(Path(__file__).parents[2].glob('notebooks/*.ipynb'))
EXPLORER = """
from d2l_ext.explorers import Explorer, Slider
from d2l_ext.panels.schedules import schedule_panel

def constant(lr):
    return schedule_panel(lambda t: lr, 3)

Explorer(constant, lr=Slider(0.1, 0.0, 1.0))
"""
HAND = """
from d2l_ext.explorers import HandSetRate
HandSetRate(lambda scheduler: iter(()))
"""


@pytest.fixture(scope='module')
def page():
    playwright = pytest.importorskip('playwright.sync_api')
    pytest.importorskip('jupyterlab')
    if not CHROMIUM:
        pytest.skip('no chromium here')
    with playwright.sync_playwright() as api:
        chromium = api.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = chromium.new_page(viewport={'width': 1200, 'height': 1600})
        page.set_default_timeout(60_000)
        yield page
        chromium.close()


def opened(page, url, name):
    page.goto(f'{url}/doc/tree/{name}?reset')
    page.wait_for_selector('.jp-Notebook .jp-CodeCell')
    page.wait_for_function(
        'jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status'
        " === 'idle'"
    )


def test_a_saved_notebook_shows_its_pictures_and_no_error(page, tmp_path):
    from playwright.sync_api import expect

    still = page.locator('.jp-RenderedImage img')
    with serve() as (url, folder):
        name = scratch(folder, EXPLORER, HAND)
        opened(page, url, name)
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        expect(page.locator('svg[role=img]')).to_have_count(2)
        expect(still).to_have_count(2)  # they are there, for later
        for i in range(2):
            expect(still.nth(i)).to_be_hidden()
        page.screenshot(path=tmp_path / 'live.png')
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function('!jupyterapp.shell.currentWidget.context.model.dirty')
        page.evaluate('jupyterapp.shell.currentWidget.sessionContext.shutdown()')
        opened(page, url, name)
        for i in range(2):
            expect(still.nth(i)).to_be_visible()
        expect(page.locator('svg[role=img]')).to_have_count(0)
        for word in ('Error displaying', 'Loading widget'):
            for row in page.get_by_text(word).all():
                expect(row).to_be_hidden()
        page.screenshot(path=tmp_path / 'reopened.png')


def test_a_page_of_an_executed_notebook_has_the_picture_and_says_what_it_is():
    nbformat = pytest.importorskip('nbformat')
    nbclient = pytest.importorskip('nbclient')
    nbconvert = pytest.importorskip('nbconvert')
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EXPLORER)])
    nbclient.NotebookClient(notebook, kernel_name='python3').execute()
    body, _ = nbconvert.HTMLExporter(template_name='classic').from_notebook_node(
        notebook
    )
    [picture] = re.findall(r'<img [^>]*data:image/png[^>]*>', body)
    assert 'alt="Figure: learning rate against epoch. Constant at 0.1."' in picture


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_of_each_notebook_has_the_pictures_that_are_stored(path):
    nbconvert = pytest.importorskip('nbconvert')
    body, _ = nbconvert.HTMLExporter().from_filename(path)
    outputs = [
        output.get('data', {})
        for cell in json.loads(path.read_text('utf-8'))['cells']
        for output in cell.get('outputs', ())
    ]
    stored = [''.join(data['image/png']) for data in outputs if 'image/png' in data]
    shown = re.findall(r'<img [^>]*src="data:image/png;base64,([^"]*)"', body)
    strip = str.maketrans('', '', '\n')
    assert [p.translate(strip) for p in shown] == [p.translate(strip) for p in stored]
