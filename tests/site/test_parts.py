"""Parts from others are taken with their hash, or not at all."""

import json
import re

import pytest

from tests.site.built import ROOT, parts


def test_every_archive_has_its_version_and_its_hash():
    for name, (sha256, files) in parts.ARCHIVES.items():
        assert re.fullmatch(r'[\w-]+@\d+\.\d+\.\d+', name)
        assert re.fullmatch(r'[0-9a-f]{64}', sha256) and files
    assert re.search(r'==\d+\.\d+\.\d+ --hash=sha256:[0-9a-f]{64}$', parts.CARRIER)


def test_a_wheel_of_another_content_is_refused_and_taken_away_from_no_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(parts, 'FOLDER', tmp_path)
    for _, files in parts.ARCHIVES.values():
        for here in files.values():
            (tmp_path / here).write_bytes(b'')
    numpy = {'file_name': 'numpy.whl', 'sha256': 64 * '0'}
    lock = json.dumps({'packages': {'numpy': numpy}})
    (tmp_path / 'pyodide-lock.json').write_text(lock, 'utf-8')
    assert parts.missing() == ['numpy']
    (tmp_path / 'numpy.whl').write_bytes(b'something else')
    with pytest.raises(ValueError, match=r'numpy\.whl must have the SHA-256 0000'):
        parts.fetch()


def test_nothing_that_was_fetched_is_in_the_repository():
    ignored = (ROOT / 'site/.gitignore').read_text('utf-8').split()
    assert {'build/', '.parts/'} <= {*ignored}
