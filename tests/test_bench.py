"""The benchmark runs; what it finds is no test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext import bench

ROOT = Path(__file__).parent.parent


def test_prints_a_table_and_saves_the_same_figures(tmp_path):
    pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    pytest.importorskip('torch')
    path = tmp_path / 'figures' / 'cpu'
    settings = ['--subset', 'mini', '--epochs', '1', '--repeats', '1']
    settings += ['--save', str(path), '--skip', 'torch.compile', 'sweep']
    command = [sys.executable, '-m', 'd2l_ext.bench', *settings]
    out = subprocess.check_output(command, cwd=ROOT, text=True, timeout=200)
    report = json.loads(path.with_suffix('.json').read_text())
    assert out.strip() == bench.table(report)
    assert out in path.with_suffix('.md').read_text()
    assert {'d2l_ext.mxnet', 'd2l_ext.torch', 'book, 4 workers', 'torch, eager'} <= (
        report['seconds_per_epoch'].keys()
    )
    assert [*report['microseconds_per_call']] == ['d2l_ext', 'mxnet', 'torch']
    for calls in report['microseconds_per_call'].values():
        assert all(0 < us < 1000 for us in calls.values())
        assert calls.keys() <= bench.OURS.keys()
    assert report['import_milliseconds']['d2l_ext.schedulers'] > 0
    assert report['gemm_gflops'] > 1


def test_the_table_gives_medians_and_ratios():
    report = {
        'date': '2026-11-22',
        'subset': 'full',
        'num_epochs': 1,
        'repeats': 3,
        'place': 'here',
        'omp_num_threads': None,
        'images': [60000, 10000],
        'seconds_per_epoch': {'ours': [2.0, 9.0, 1.0], 'book': [4.0, 4.0, 5.0]},
        'microseconds_per_call': {
            'd2l_ext': {'Constant': 0.1, 'Factor': 0.2},
            'torch': {'Factor': 4.25},
        },
        'import_milliseconds': {'d2l_ext.schedulers': 3.25},
        'seconds_per_run': {2: {1: 3.0, 4: 1.5}},
    }
    lines = bench.table(report).splitlines()
    # 144 GFLOP an epoch: see the operations of an image in bench.py
    assert (
        'ours                        2.00    1.00      72.1  (1.00 to 9.00 s)' in lines
    )
    assert (
        'book                        4.00    2.00      36.0  (4.00 to 5.00 s)' in lines
    )
    assert 'Constant                 0.10        -' in lines
    assert 'Factor                   0.20     4.25' in lines
    assert 'seconds a run of a sweep, processes 2: 3.00 with 1, 1.50 with 4' in lines
