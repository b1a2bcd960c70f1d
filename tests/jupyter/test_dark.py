"""Pictures as dark as JupyterLab's theme; that they are is tests/explorers' to see."""

import logging
from types import SimpleNamespace

import pytest

from d2l_ext.explorers.output import DARK, PICTURE
from d2l_ext.jupyter import dark


def load(settings):
    web_app = SimpleNamespace(settings=settings)
    log = logging.getLogger('dark')
    dark._load_jupyter_server_extension(SimpleNamespace(web_app=web_app, log=log))


def test_a_reader_s_own_style_comes_first():
    folders = ['theirs']
    load({'static_custom_path': folders})
    assert folders == ['theirs', str(DARK.parent)]
    assert f'.{PICTURE},' in DARK.read_text('utf-8')


@pytest.mark.parametrize('settings', [{}, {'static_custom_path': 'one folder'}])
def test_another_server_goes_on_as_it_was(settings, caplog):
    before = dict(settings)
    load(settings)
    assert settings == before
    assert 'd2l_ext.jupyter.dark does nothing' in caplog.text
