"""The benchmark runs; what it finds is no test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)

ROOT = Path(__file__).parent.parent


def test_prints_a_table_and_writes_the_same_figures(tmp_path):
    path = tmp_path / 'bench.json'
    settings = ['--subset', 'mini', '--epochs', '1', '--repeats', '1']
    command = [sys.executable, '-m', 'd2l_ext.bench', *settings, '--json', str(path)]
    out = subprocess.check_output(command, cwd=ROOT, text=True, timeout=120)
    report = json.loads(path.read_text())
    (seconds,) = report['seconds_per_epoch']['book, 4 workers']
    (ours,) = report['seconds_per_epoch']['d2l_ext']
    assert f'{seconds:12.2f}{seconds / ours:8.2f}' in out
    for us, mxnet in report['microseconds_per_call'].values():
        assert 0 < us < 1000
        assert mxnet is None or 0 < mxnet < 1000
    assert report['import_milliseconds']['d2l_ext.schedulers'] > 0
