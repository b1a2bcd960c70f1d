"""The pages as they are written: whole, self-contained, with their pictures."""

import html.parser
import re

import nbformat
import pytest

from tests.site.built import ROOT, built

pytestmark = pytest.mark.slow
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('*.ipynb'))
# tags that may stay open
ALONE = {'meta', 'link', 'img', 'input', 'br', 'hr', 'p', 'li', 'html', 'option'}


@pytest.fixture(scope='module')
def site():
    return built()


class Checker(html.parser.HTMLParser):
    """Collects addresses, ids and the tags that were not closed."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.open, self.wrong = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[k] for k in ('href', 'src') if k in attrs]
        self.ids += [attrs['id']] if 'id' in attrs else []
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in ALONE and (not self.open or self.open.pop() != tag):
            self.wrong.append((tag, self.getpos()))


@pytest.fixture(scope='module')
def pages(site):
    return {path.name: path.read_text('utf-8') for path in site.glob('*.html')}


def test_there_is_a_page_for_each_notebook_and_an_index(pages):
    wanted = {f'{path.stem}.html' for path in NOTEBOOKS} - {'00_index.html'}
    assert pages.keys() == wanted | {'index.html'}


def test_every_explorer_of_the_notebooks_is_there_with_its_picture(pages):
    called = sum(
        len(re.findall(r'^(?:Explorer|Atlas|HandSetRate)\(', cell.source, re.MULTILINE))
        for path in NOTEBOOKS
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == 'code'
    )
    boxes = [
        box
        for text in pages.values()
        for box in re.findall('<section class="explorer".*?</section>', text, re.DOTALL)
    ]
    assert len(boxes) == called >= 30
    for box in boxes:
        assert box.count('role="img"') == 2  # for wide and for narrow pages
        assert 'NaN' not in box


def test_no_two_things_on_a_page_have_one_name(pages):
    for name, text in pages.items():
        ids = re.findall(r'<[^>]* id="([^"]*)"', text)
        assert len(ids) == len({*ids}), (name, sorted(ids))


def test_pages_ask_nobody_else_for_anything_and_their_links_lead_somewhere(site, pages):
    for name, text in pages.items():
        checker = Checker(text)
        assert not checker.wrong and not checker.open, name
        assert len({*checker.ids}) == len(checker.ids), name
        for address in checker.addresses:
            if re.match(
                'https?:', address
            ):  # a reader may follow one; a page loads none
                assert f'src="{address}' not in text and '<link' not in address
            elif not address.startswith(('#', 'data:')):
                assert (site / address.partition('#')[0]).is_file(), (name, address)
        assert not re.search(r'(src|<link[^>]*href)="(https?:)?//', text), name
    for script in site.glob('assets/*.js'):
        if not script.name.startswith('offline'):
            assert not re.search(
                r'https?://(?!www\.w3\.org)', script.read_text('utf-8')
            )


def test_formulas_are_mathml_and_code_is_folded(pages):
    text = pages['05_cosine.html']
    assert '<math' in text and '$' not in re.sub('<(script|pre).*?</.>', '', text)[:20]
    assert text.count('<details class="code">') > 5
    assert 'class CosineScheduler' in re.sub('<.*?>', '', text)


def test_files_are_named_after_their_content(site):
    for path in site.glob('assets/*.*'):
        assert re.search(r'-[0-9a-f]{10}\.\w+$', path.name), path
