"""What `--gpu` measures is trained on the CPU here; its CUDA graphs need a GPU."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import gpu
from d2l_ext.install import cuda11
from d2l_ext.training import History

ROOT = Path(__file__).parents[2]
FEW = {'device': 'cpu', 'subset': 'mini', 'images': (192, 64), 'batch_size': 64}
SCRIPT = f"""
import sys
from benchmarks import gpu
rows = {{name: gpu.ROWS[name] for name in sys.argv[2:]}}
print(gpu.run(sys.argv[1], rows=rows, **{FEW!r}))
"""
FAST = {'one': gpu.Row(gpu.ours, 4, 1), 'two': gpu.Row(gpu.ours, 4, 100)}


@pytest.fixture
def in_this_process(monkeypatch):
    """Start no process for every row, which takes seconds."""
    pytest.importorskip('torch')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr(gpu, 'asked', lambda environment, f, *given: f(*given))


def saved(folder):
    (path,) = folder.glob('gpu-*.json')
    return json.loads(path.read_text('utf-8')), path.with_suffix('.md')


@pytest.mark.slow
def test_a_call_goes_on_where_the_last_was_killed(tmp_path):
    pytest.importorskip('torch')
    names = ['CUDA graph', 'torch.compile', 'CPU, PyTorch, threads 1']
    command = [sys.executable, '-c', SCRIPT, str(tmp_path / 'gpu'), *names]
    # torch.compile finds no compiler, nor what it has compiled another time
    environment = os.environ | {'CXX': 'none', 'TORCHINDUCTOR_CACHE_DIR': str(tmp_path)}
    start = functools.partial(
        subprocess.Popen, command, cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    killed = start()
    while not [*tmp_path.glob('gpu-*.md')]:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    killed.kill()
    # whose output stays open as long as one of its processes lives
    killed.communicate(timeout=20)
    before, path = saved(tmp_path)
    assert 1 <= len(before['rows']) < len(names)
    assert 'not measured, the same command does: ' in path.read_text('utf-8')

    out, _ = start().communicate(timeout=200)
    after, path = saved(tmp_path)
    assert [*after['rows']] == names
    assert before['rows'].items() <= after['rows'].items()
    assert out in path.read_text('utf-8')
    assert 'not measured' not in out
    failed = after['rows'].pop('torch.compile')['failed']
    assert 'No working C++ compiler' in failed
    assert 'TORCHDYNAMO_VERBOSE' not in failed
    for name, figures in after['rows'].items():
        assert len(figures['seconds']) == gpu.ROWS[name].epochs
        assert min(figures['seconds']) > 0
        assert figures['on'].startswith('cpu')
    assert figures['on'].endswith('threads 1')


@pytest.mark.slow
def test_every_way_is_trained(tmp_path, in_this_process):
    names = ['eager', 'eager, channels_last', '8 replicas']
    names += ['CUDA graph, 40 epochs', 'CUDA graph, bfloat16']
    with contextlib.suppress(ImportError):
        import d2l_ext.mxnet  # noqa: F401

        names.append('MXNet')
    rows = {name: gpu.ROWS[name] for name in names}
    gpu.run(tmp_path / 'gpu', rows=rows, **FEW)
    report, _ = saved(tmp_path)
    assert [*report['rows']] == names
    for name, figures in report['rows'].items():
        assert len(figures['seconds']) == rows[name].epochs
        assert min(figures['seconds']) > 0
        assert figures['runs'] == (8 if name == '8 replicas' else 1)


def dies(ways, batches, epochs):
    os._exit(1)


def test_a_row_whose_process_dies_ends_no_run(tmp_path, monkeypatch):
    pytest.importorskip('torch')
    asked = gpu.asked
    monkeypatch.setattr(
        gpu, 'asked', lambda environment, f, *given:
        f() if f is gpu.machine else asked(environment, f, *given),
    )  # fmt: skip
    text = gpu.run(tmp_path / 'gpu', rows={'dies': gpu.Row(dies, 4, 1)}, **FEW)
    assert 'no figure: its process ended before it' in text


def test_no_row_is_begun_that_would_end_too_late(tmp_path, in_this_process):
    run = functools.partial(gpu.run, tmp_path / 'gpu', rows=FAST, **FEW)
    assert 'does: one; two' in run(minutes=0)
    assert 'does: two' in run(minutes=1)
    assert 'not measured' not in run()
    assert sum(row.estimate for row in gpu.ROWS.values()) <= 8 * 60
    for minutes in (-1, float('nan')):
        with pytest.raises(ValueError, match=r'minutes must be .*, got'):
            run(minutes=minutes)


def test_figures_of_other_code_or_images_go_to_other_files(
    tmp_path, in_this_process, monkeypatch
):
    one = {'one': FAST['one']}
    gpu.run(tmp_path / 'gpu', rows=one, **FEW)
    gpu.run(tmp_path / 'gpu', rows=one, **FEW)
    assert len([*tmp_path.glob('gpu-*.json')]) == 1
    gpu.run(tmp_path / 'gpu', rows=one, **FEW | {'images': (128, 64)})
    monkeypatch.setattr(gpu, 'code', lambda: 'other')
    gpu.run(tmp_path / 'gpu', rows=one, **FEW)
    assert len([*tmp_path.glob('gpu-*.json')]) == len([*tmp_path.glob('*.md')]) == 3


def test_says_that_there_is_no_gpu(tmp_path, in_this_process, capsys):
    import benchmarks.torch_ways

    if benchmarks.torch_ways.GPU:
        pytest.skip('there is one')
    path = str(tmp_path / 'gpu')
    assert gpu.main(['--gpu', '--subset', 'mini', '--save', path]) == 2
    assert 'there is no GPU that PyTorch can drive: ' in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_gpu_is_named_and_why_mxnet_cannot_drive_it(
    tmp_path, in_this_process, monkeypatch
):
    import benchmarks.torch_ways

    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    monkeypatch.setattr(cuda11, 'capabilities', lambda: ((9, 0),))
    monkeypatch.setattr(benchmarks.torch_ways, 'GPU', 'NVIDIA H200')
    few = FEW | {'device': 'cuda'}
    rows = {name: gpu.ROWS[name] for name in ('CUDA graph', 'MXNet')}
    gpu.run(tmp_path / 'gpu', rows=rows, **few)
    report, path = saved(tmp_path)
    assert f'{report["date"]}-nvidia-h200-' in path.name
    assert report['rows']['MXNet']['failed'].endswith(
        'MXNet 1.9.1 cannot drive it: the GPU has compute capability 9.0, MXNet knows '
        '5.0 to 8.9'
    )
    # the device is the CPU still
    assert 'its wheel here is that for CPUs' in report['rows']['CUDA graph']['failed']


def test_a_failure_is_said_without_the_paths_of_this_machine(in_this_process):
    def fails(ways, batches, epochs):
        raise OSError('no /usr/lib-1/libx.so,\n see https://a.org/b/c\n\nand so on')

    assert gpu.figures(gpu.Row(fails, 4, 1), ('mini', 64, (64, 64))) == {
        'failed': 'OSError: no libx.so, see https://a.org/b/c'
    }


def test_a_run_that_comes_to_no_end_has_no_figures():
    ended = [History(status='out of memory', seconds=[1.0, 1.0])] * 2
    with pytest.raises(RuntimeError, match='out of memory after 2 epochs'):
        gpu.finished(ended, 3)


def test_the_mini_set_is_repeated_to_the_length_of_the_full_one():
    d2l = pytest.importorskip('d2l_ext.torch')
    train, _ = d2l.load_data_fashion_mnist(256, 'mini', 'cpu')
    longer = gpu.repeated(train, 13_000)
    assert len(longer.X) == len(longer.y) == 13_000
    assert (longer.batch_size, longer.shuffle) == (256, True)
    assert longer.X[12_001].equal(train.X[1])
    assert longer.y[6_000:12_000].equal(train.y)
    assert gpu.repeated(train, 6_000) is train


REPORT = {
    'date': '2026-11-29',
    'code': '0a1b2c',
    'place': 'here',
    'data': ['mini', 256, [60_000, 10_000]],
    'rows': {
        'eager, channels_last': {'failed': 'OutOfMemoryError: too much'},
        '8 replicas': {
            'seconds': [9.0, 1.0, 0.5, 0.75],
            'runs': 8,
            'test_acc': 0.75,
            'on': 'cuda:0',
            'peak_megabytes': 512.25,
        },
    },
}


def test_the_table_says_what_is_there_and_what_is_missing():
    rows = {'8 replicas': ..., 'eager, channels_last': ..., 'MXNet': ..., 'eager': ...}
    assert (
        gpu.table(REPORT, rows)
        == f"""\
2026-11-29: LeNet on Fashion-MNIST (mini), batch size 256
an epoch trains on 60,000 and tests on 10,000 images, the 6,000 and 1,000 of this set \
repeated or cut
here, code 0a1b2c

{gpu.HEAD}
8 replicas                        4    9.00   0.750   0.500 1.000    11.2    8   \
0.0938    0.750    512  cuda:0
eager, channels_last         no figure: OutOfMemoryError: too much
{gpu.LEGEND}
not measured, the same command does: MXNet; eager"""
    )
