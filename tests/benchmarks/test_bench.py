"""The benchmark runs; what it finds is no test."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure as bench
from benchmarks.table import table

ROOT = Path(__file__).parents[2]


def run(*arguments):
    command = [sys.executable, '-m', 'benchmarks', '--subset', 'mini', *arguments]
    return subprocess.check_output(command, cwd=ROOT, text=True, timeout=300)


def test_prints_a_table_and_saves_the_same_figures(tmp_path):
    pytest.importorskip('d2l_ext.mxnet', exc_type=ImportError)
    pytest.importorskip('torch')
    path = tmp_path / 'figures' / 'cpu'
    parts = 'epochs', 'profile', 'calls', 'imports'
    settings = '--repeats', '1', '--threads', '1', '--save', str(path)
    out = run(*settings, '--parts', *parts)
    report = json.loads(path.with_suffix('.json').read_text())
    assert out.strip() == table(report)
    assert out in path.with_suffix('.md').read_text()

    ran = [(row['name'], row['threads']) for row in report['seconds_per_epoch']]
    names = ['d2l_ext.mxnet', 'book, 4 workers', 'book, no workers', 'd2l_ext.torch']
    names += ['torch, contiguous', 'torch, channels_last']
    assert {*ran} >= {(name, 1) for name in names}
    assert len(ran) == len({*ran})
    for row in report['seconds_per_epoch']:
        assert len(row['wall']) == len(row['cpu']) == 1
        assert row['wall'][0] > 0 < row['cpu'][0]
    assert report['profile']['_backward_Convolution'][0] == 2 * 24  # layers, batches
    assert [*report['microseconds_per_call']] == ['d2l_ext', 'mxnet', 'torch']
    for calls in report['microseconds_per_call'].values():
        assert all(us > 0 for us in calls.values())
        assert calls.keys() <= bench.OURS.keys()
    assert report['import_milliseconds']['d2l_ext.schedulers'] > 0
    assert all(rate > 1 for rate in report['gemm_gflops'].values())


def test_what_measures_an_older_package_too_needs_no_name_that_it_has_not():
    tree = ast.parse((ROOT / 'benchmarks' / 'mxnet_ways.py').read_text('utf-8'))
    modules = [one.module for one in tree.body if isinstance(one, ast.ImportFrom)]
    ours = {name for name in modules if name.startswith('d2l_ext')}
    # there since the first release
    assert ours <= {'d2l_ext', 'd2l_ext.data', 'd2l_ext.mxnet', 'd2l_ext.schedulers'}


def test_a_sweep_takes_turns_in_as_many_processes(monkeypatch):
    ran = []

    class Pool:
        def __init__(self, n, OMP_NUM_THREADS):
            ran.append((n, OMP_NUM_THREADS))

        __enter__ = __exit__ = lambda self, *error: self

        def map(self, train, pairs):
            ran.append(sorted(pairs))
            return map(print, pairs)

    monkeypatch.setattr(bench, 'processes', Pool)
    monkeypatch.setattr(bench, 'CORES', [2])
    seconds = bench.seconds_per_run('mini', 1)
    assert ran[0] == (2, '1')
    assert [len(pairs) for pairs in ran[1:]] == [2, 1, 2, 4, 8]
    assert len({*ran[-1]}) == 8
    assert [*seconds[2]] == [1, 2, 4, 8]


ROWS = [
    {'name': 'book, 4 workers', 'threads': 1, 'wall': [4.0, 4.0], 'cpu': [3.0, 3.0]},
    {'name': 'book, no workers', 'threads': 1, 'wall': [5.0], 'cpu': [4.0]},
    {'name': 'd2l_ext.mxnet', 'threads': 1, 'wall': [2.0, 9.0, 1.0], 'cpu': [1, 1, 1]},
    {'name': 'd2l_ext.mxnet', 'threads': 2, 'wall': [3.0], 'cpu': [5.0]},
    {'name': 'd2l_ext.mxnet, at 1a2b3c', 'threads': 1, 'wall': [1.0], 'cpu': [0.5]},
    {'name': 'torch, contiguous', 'threads': 2, 'wall': [1.0], 'cpu': [2.0]},
    {'name': 'torch, channels_last', 'threads': 2, 'wall': [5.0], 'cpu': [2.0]},
]


def test_the_table_gives_medians_and_ratios():
    report = {
        'date': '2026-11-22',
        'subset': 'full',
        'batch_size': 256,
        'num_epochs': 1,
        'repeats': 3,
        'place': 'here',
        'images': [60000, 10000],
        'seconds_per_epoch': ROWS,
        'gemm_gflops': {'2': 86.4},
        'profile': {'small': [10, 1.0], 'Convolution': [2, 3.0]},
        'microseconds_per_call': {
            'd2l_ext': {'Constant': 0.1, 'Factor': 0.2},
            'torch': {'Factor': 4.25},
        },
        'import_milliseconds': {'d2l_ext.schedulers': 3.25},
        'seconds_per_run': {'mini': {'1': {'1': 3, '8': 3}, '2': {'1': 3, '8': 1.6}}},
    }
    lines = table(report).splitlines()
    # 144 GFLOP an epoch: see the operations of an image in bench_table.py
    expected = """
d2l_ext.mxnet                     1    2.00     1.00 9.00    1.00     72.1
book, 4 workers                   1    4.00     4.00 4.00    3.00     36.0
d2l_ext.mxnet / the book: 0.50, by CPU 0.25  \
[best: d2l_ext.mxnet (1), book, 4 workers (1)]
d2l_ext.mxnet / PyTorch eager: 2.00, by CPU 0.50  \
[best: d2l_ext.mxnet (1), torch, contiguous (2)]
d2l_ext.mxnet / ours before: 2.00, by CPU 2.00  \
[best: d2l_ext.mxnet (1), d2l_ext.mxnet, at 1a2b3c (1)]
a matrix product at its best, threads 2: 86 GFLOP/s
Convolution                            2      3.0   75.0%
small                                 10      1.0   25.0%
processes: 2                3.00    1.60
processes 2 against 1: 1.88 times as many
Constant                     0.10        -
Factor                       0.20     4.25
"""
    assert [line for line in expected.strip().splitlines() if line not in lines] == []
