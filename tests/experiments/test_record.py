"""Recorders: many workers, two recorders, killed ones, full disks; and verification.

Most run a stand-in for MXNet, which every process gets from a sitecustomize.py.
"""

import dataclasses
import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from d2l_ext.experiments import record, store
from d2l_ext.experiments.__main__ import main
from d2l_ext.experiments.recipes import RECIPES
from d2l_ext.experiments.verify import FAILURES, SAME, WITHIN, compared, in_band
from d2l_ext.training import History

pytest.importorskip('joblib')
psutil = pytest.importorskip('psutil')

ROOT = pathlib.Path(__file__).parents[2]
NAMES = ['constant_0.3', 'cosine_0.3', 'factor_0.3']
RUNS = {f'{name}/{seed}.json' for name in NAMES for seed in (0, 1)}

# Made in the time of PAUSE, and each one leaves a line in LOG
FAKE = """
import os, sys, time, types
def run(recipe, seed, kernels=None):
    from d2l_ext.training import History
    with open(os.environ['LOG'], 'a') as file:
        print(recipe.scheduler, seed, os.getpid(), file=file)
    time.sleep(float(os.environ['PAUSE']))
    fields = {'seed': seed, 'num_epochs': recipe.num_epochs}
    return History(fields, [1.0], [0.6], [0.5], [0.5], 'finished')
fake = sys.modules['d2l_ext.mxnet'] = types.ModuleType('d2l_ext.mxnet')
fake.run = run
"""
DRIVER = """
import pathlib, sys
from d2l_ext.experiments import __main__, store
store.RUNS = pathlib.Path(sys.argv[1])
sys.exit(__main__.main(sys.argv[2:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    runs = tmp_path / 'runs'
    runs.mkdir()
    (tmp_path / 'sitecustomize.py').write_text(FAKE)
    (tmp_path / 'driver.py').write_text(DRIVER)
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{ROOT}')
    monkeypatch.setenv('LOG', str(tmp_path / 'log'))
    monkeypatch.setenv('PAUSE', '0')
    monkeypatch.setattr(store, 'RUNS', runs)
    return runs


on_posix = pytest.mark.skipif(
    sys.platform == 'win32',
    reason='Windows has no such limit, nor such signals, and hides the end of a parent',
)


def start(folder, *arguments, **options):
    command = [sys.executable, folder.parent / 'driver.py', folder, *arguments]
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True}
    return subprocess.Popen(command, **pipes, **options)


def end(process, status=0):
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == status, shown
    return shown


def files(folder):
    """Return what lies in the folders of recipes: claims lie beside them."""
    found = (file.relative_to(folder) for file in folder.rglob('*') if file.is_file())
    return {file.as_posix() for file in found if file.parts[0] != '.claims'}


def log(folder):
    return (folder.parent / 'log').read_text().splitlines()


def alive(pid):
    """Tell whether a process runs; one that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_log(folder, lines):
    for _ in range(600):
        if (folder.parent / 'log').exists() and len(log(folder)) >= lines:
            return
        time.sleep(0.05)
    raise AssertionError('nothing was started in 30 s')


def history(seed=0, loss=1.0, status='finished', **environment):
    return History(
        {'seed': seed}, [loss], [0.6], [0.5], [0.5], status, [1], environment
    )


@pytest.fixture
def fake(folder, monkeypatch):
    """A backend in this process: a list of what it was asked for."""
    asked = []

    class Backend:
        @staticmethod
        def run(recipe, seed, kernels=None):
            asked.append((recipe, seed))
            return history(seed, recipe.scheduler(0))

    monkeypatch.setitem(sys.modules, 'd2l_ext.mxnet', Backend)
    return asked


def test_what_is_missing_is_run_and_kept(folder, fake, capsys):
    store.save(history(1), 'constant_0.3', 1)
    assert main(['record', 'constant_0.3', '--seeds', '3']) is None
    assert fake == [(RECIPES['constant_0.3'], seed) for seed in (0, 2)]
    assert [run.recipe['seed'] for run in store.load('constant_0.3')] == [0, 1, 2]
    shown, bar = capsys.readouterr()
    first, *runs = shown.splitlines()
    assert first == 'runs to make: 2'
    assert [run.partition(': ')[0] for run in runs] == [
        'constant_0.3 0',
        'constant_0.3 2',
    ]
    assert all('test acc 0.500' in run for run in runs)
    assert re.search(r' 50% .* 1/2, \d\d:\d\d left', bar)
    assert re.search(r'100% .* 2/2, 00:00 left', bar)
    assert main(['record', 'constant_0.3', '--seeds', '3']) is None
    assert len(fake) == 2


def test_what_another_recorder_makes_is_left_to_it(folder, fake, capsys):
    script = (
        'import pathlib, sys; from d2l_ext.experiments import store\n'
        'store.RUNS = pathlib.Path(sys.argv[1])\n'
        'with store.Claims() as claims:\n'
        '    print(claims.take("cosine_0.3", 1), claims.take("cosine_0.3", 1, "torch"),'
        ' flush=True)\n'
        '    input()\n'
    )
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
    with subprocess.Popen([sys.executable, '-c', script, folder], **pipes) as other:
        assert other.stdout.readline() == 'True True\n'
        main(['record', 'cosine_0.3', '--seeds', '3'])
        assert [seed for _, seed in fake] == [0, 2]
        shown, bar = capsys.readouterr()
        assert re.search(r'100% .* 2/2, 00:00 left', bar)
        assert 'left to another recorder: 1' in shown
        other.communicate('\n')
    main(['record', 'cosine_0.3', '--seeds', '3'])
    assert [seed for _, seed in fake] == [0, 2, 1]


def test_a_claim_is_given_back_by_another_thread(folder):
    """joblib's own thread claims, the main thread writes."""
    with store.Claims() as here, store.Claims() as other:
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(here.take, 'cosine_0.3', 1).result()
        assert not other.take('cosine_0.3', 1)
        locks = [*here.locks.values()]  # so that none is dropped as garbage
        here.drop('cosine_0.3', 1)
        assert not any(lock.is_locked for lock in locks)
        assert other.take('cosine_0.3', 1)
    assert {file.parent for file in folder.rglob('*') if file.is_file()} == (
        {folder / '.claims'}
    )


def test_claims_are_given_back_at_the_end(folder):
    with store.Claims() as claims:
        assert claims.take('cosine_0.3', 1)
    with store.Claims() as claims:
        assert claims.take('cosine_0.3', 1)


def test_wrong_names_are_refused_before_anything_runs(folder, fake, capsys):
    assert main(['record', 'cosine_0.3', 'sine']) == 1
    assert "no recipe 'sine'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="an object of MXNet's"):
        record.record(['cosine_printed'], [0], backend='torch')
    assert fake == []
    assert files(folder) == set()


@pytest.mark.parametrize(
    ('status', 'error'),
    [('stopped', KeyboardInterrupt), ('out of memory', RuntimeError)],
)
def test_a_run_that_did_not_end_is_not_kept(folder, fake, monkeypatch, status, error):
    backend = sys.modules['d2l_ext.mxnet']
    backend.run = lambda recipe, seed, kernels: history(seed, status=status)
    with pytest.raises(error):
        record.record(['cosine_0.3'], [0])
    assert files(folder) == set()


def test_a_full_disk_is_waited_for(folder, fake, monkeypatch, capsys):
    slept, save = [], store.save

    def fail(*arguments):
        if len(slept) < 2:
            raise OSError(errno.ENOSPC, 'No space left on device')
        save(*arguments)

    monkeypatch.setattr(store, 'save', fail)
    monkeypatch.setattr(time, 'sleep', slept.append)
    record.record(['cosine_0.3'], [0])
    assert slept == [record.PATIENCE] * 2
    assert files(folder) == {'cosine_0.3/0.json'}
    assert len(fake) == 1
    assert capsys.readouterr().out.count('No space left on device: make room') == 2


@on_posix
def test_where_nothing_can_be_written_nothing_is_half_written(folder):
    """A limit on the size of files: the kernel breaks off within the JSON."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    recording = start(folder, 'record', 'cosine_0.3', '--seeds', '1', preexec_fn=limit)
    assert 'File too large' in end(recording, 1)
    assert files(folder) == set()


def test_workers_share_the_work(folder, monkeypatch):
    monkeypatch.setenv('PAUSE', '.5')
    shown = end(start(folder, 'record', *NAMES, '--seeds', '2', '--jobs', '2'))
    assert files(folder) == RUNS
    assert len({line.split()[-1] for line in log(folder)}) == 2
    assert re.search(r'100% .* 6/6, 00:00 left', shown)


def test_a_worker_computes_with_one_thread(folder, monkeypatch):
    """Set before the framework is imported, whatever the shell says."""
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    monkeypatch.delitem(sys.modules, 'd2l_ext.mxnet', raising=False)
    (folder.parent / 'd2l_fake.py').write_text(
        'import os\nat_import = os.environ["OMP_NUM_THREADS"]\n'
        'run = lambda recipe, seed, kernels: at_import\n'
    )
    monkeypatch.syspath_prepend(folder.parent)
    assert record._computed([('', 0, None)], 'd2l_fake', 0)[1] == ['1']


def test_two_recorders_never_make_the_same_run(folder, monkeypatch):
    monkeypatch.setenv('PAUSE', '.4')
    both = [start(folder, 'record', *NAMES, '--seeds', '2') for _ in range(2)]
    for recording in both:
        end(recording)
    assert files(folder) == RUNS
    runs = [line.rpartition(' ')[0] for line in log(folder)]
    assert sorted(runs) == sorted(set(runs))
    assert len({line.split()[-1] for line in log(folder)}) == 2


@on_posix
def test_a_killed_recorder_leaves_what_is_finished_and_blocks_nobody(
    folder, monkeypatch
):
    monkeypatch.setenv('PAUSE', '.3')
    killed = start(folder, 'record', *NAMES, '--seeds', '2')
    await_log(folder, 3)
    # meanwhile the run it is at is its own
    here = store.Claims()
    killed.send_signal(signal.SIGSTOP)
    at = log(folder)[-1].rpartition(' ')[0]
    with here as claims:
        free = {
            f'{RECIPES[name].scheduler} {seed}'
            for seed in (0, 1)
            for name in NAMES
            if claims.take(name, seed)
        }
    assert at not in free
    killed.kill()
    killed.communicate()
    done = files(folder)
    assert 0 < len(done) < 6
    for name in {path.rpartition('/')[0] for path in done}:
        assert store.load(name)
    end(start(folder, 'record', *NAMES, '--seeds', '2'))
    assert files(folder) == RUNS
    assert len(log(folder)) <= 6 + 1


@on_posix
def test_the_workers_of_a_killed_recorder_end(folder, monkeypatch):
    monkeypatch.setenv('PAUSE', '100')
    killed = start(folder, 'record', *NAMES, '--jobs', '2')
    await_log(folder, 2)
    killed.kill()
    workers = [int(line.split()[-1]) for line in log(folder)]
    for _ in range(200):
        workers = [pid for pid in workers if alive(pid)]
        if not workers:
            break
        time.sleep(0.1)
    assert workers == []
    killed.communicate()  # its pipe is closed by the last of them


def test_a_dask_cluster_does_the_work(folder, monkeypatch):
    distributed = pytest.importorskip('distributed')
    options = {'n_workers': 2, 'threads_per_worker': 1, 'dashboard_address': None}
    with distributed.LocalCluster(**options) as cluster:
        address = cluster.scheduler_address
        main(['record', *NAMES, '--seeds', '2', '--dask', address])
    assert files(folder) == RUNS
    assert len(log(folder)) == 6
    assert str(os.getpid()) not in {line.split()[-1] for line in log(folder)}


def test_a_gpu_computes_a_seed_of_like_recipes_at_once(folder, monkeypatch):
    class Device:
        type = 'cuda'

    class Torch:
        try_gpu = staticmethod(Device)
        run = staticmethod(
            lambda recipe, seed, kernels: history(seed, recipe.scheduler(0))
        )

        @staticmethod
        def run_many(recipe, schedulers, seeds):
            asked.append((len(schedulers), seeds))
            return [history(s, f(0)) for f in schedulers for s in seeds]

    asked = []
    monkeypatch.setitem(sys.modules, 'd2l_ext.torch', Torch)
    record.record([*NAMES, 'start_0.5'], [0, 1], backend='torch')
    assert asked == [(3, [0]), (3, [1])]  # start_0.5 has fewer epochs
    for name in NAMES:
        first, second = store.load(name, 'torch')
        assert first.train_loss == [RECIPES[name].scheduler(0)]
        assert second.recipe['seed'] == 1
    assert len(store.seeds('start_0.5', 'torch')) == 2
    assert store.seeds('cosine_0.3') == []


def test_a_run_that_says_it_is_another_one_is_not_recorded(folder):
    run = history(0, 0.1)
    run.recipe['optimizer'] = 'adam'
    with pytest.raises(ValueError, match=r"must have optimizer 'sgd', .* has 'adam'"):
        store.save(run, 'start_0.5', 0)
    assert store.seeds('start_0.5') == []


def test_what_comes_out_again_is_verified(folder, fake, capsys):
    main(['record', *NAMES, '--seeds', '2'])
    assert main(['verify', '--sample', '9']) == 0
    assert capsys.readouterr().out.count('bit for bit') == 6
    changed = dataclasses.replace(history(1, 0.30000001))
    store.save(changed, 'cosine_0.3', 1)
    assert main(['verify', 'cosine_0.3']) == 1
    shown = capsys.readouterr().out
    assert 'cosine_0.3 0, 1 epochs: bit for bit' in shown
    assert f'cosine_0.3 1, 1 epochs: {FAILURES[0]}' in shown
    assert main(['verify', 'constant_0.5']) == 1
    assert 'nothing is recorded' in capsys.readouterr().err


def test_a_sample_can_be_drawn_again(folder, fake, capsys):
    main(['record', *NAMES, '--seeds', '2'])
    drawn = []
    for seed in ('3', '3', '4'):
        capsys.readouterr()
        main(['verify', '--sample', '2', '--seed', seed, '--epochs', '1'])
        drawn.append(capsys.readouterr().out)
    assert drawn[0] == drawn[1] != drawn[2]
    assert {recipe.num_epochs for recipe, _ in fake[6:]} == {1}


def test_another_environment_has_a_band():
    runs = [history(seed, loss, mxnet='1') for seed, loss in enumerate((1, 1.1, 1.2))]
    same = dataclasses.replace(runs[0], environment={'mxnet': '2'}, seconds=[9])
    assert compared(runs[0], same, runs) == SAME
    assert compared(runs[0], history(0, 1.05, mxnet='2'), runs) == WITHIN
    assert compared(runs[0], history(0, 1.05, mxnet='1'), runs) == FAILURES[0]
    assert compared(runs[0], history(0, 1.7, mxnet='2'), runs) == FAILURES[1]
    assert compared(runs[0], history(0, 1.05, mxnet='2'), runs[:1]) == FAILURES[1]
    nan = history(0, float('nan'))
    assert not in_band(nan, runs)
    assert in_band(nan, [*runs, nan])
    assert compared(nan, dataclasses.replace(nan), runs) == SAME


def test_a_recording_comes_out_again():
    """MXNet for real, the first epoch."""
    pytest.importorskip('d2l_ext.mxnet')
    command = ['verify', 'cosine_0.3', 'constant_0.3', '--sample', '1', '--epochs', '1']
    assert main(command) == 0
