"""A page's start compiles nothing, and its first visit stays small."""

import gzip
import json
import pathlib
import re
import subprocess

import pytest

from tests.site.built import built

pytestmark = pytest.mark.slow
SCRIPT = pathlib.Path(__file__).with_name('sources.mjs')


@pytest.fixture(scope='module')
def site():
    return built()


def test_what_a_page_imports_at_its_start_is_compiled_beforehand(site):
    command = ['node', str(SCRIPT), str(site)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    imported, compiled = json.loads(told)
    assert imported > 300
    assert not compiled


def test_the_first_visit_of_a_page_takes_at_most_ten_megabytes(site):
    python = [*site.glob('assets/python-*/*')]
    assert len(python) == 6
    for page in site.glob('*.html'):
        text = page.read_text('utf-8')
        addresses = {*re.findall(r'assets/[\w.-]+\.(?:css|js|txz)', text)}
        files = [site / a for a in addresses if 'offline-' not in a]
        files = [page, *python, *(f for f in files if 'training-' not in f.name)]
        packed = sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)
        assert 9e6 < packed < 10e6, (page.name, packed)
