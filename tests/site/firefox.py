"""The site in Firefox, over http and from a disk.

No part of the suite: a download of 80 MB and some minutes more. site/README has the
command.
"""

import json
import pathlib
import shutil
import subprocess

import pytest

from tests.site.built import built, parts
from tests.site.test_chromium import server

HERE = pathlib.Path(__file__).parent
FIREFOX = shutil.which('firefox-esr') or shutil.which('firefox')
PUPPETEER = parts.FOLDER / 'firefox/node_modules/puppeteer-core'
__all__ = ['server', 'site']


@pytest.fixture(scope='module')
def site():
    return built()


def test_pages_move_and_train_in_firefox(site, server):
    addresses = [
        f'{server}/02_schedulers.html',
        f'{server}/05_cosine.html',
        f'{server}/12_sampling.html',
        (site / '09_exponent.html').as_uri(),
    ]
    command = ['node', str(HERE / 'firefox.mjs'), str(PUPPETEER), FIREFOX, *addresses]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    pages = json.loads(done.stdout)
    for address, page in zip(addresses, pages, strict=True):
        assert not page['errors'], address
        assert page['moved'] and all(page['moved'].values()), address
    assert pages[0]['trained'] and pages[1]['trained']
