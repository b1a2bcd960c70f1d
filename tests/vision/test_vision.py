"""ResNets on image sets: the schedules, several workers, going on."""

import dataclasses
import importlib.util
import json
import subprocess
import sys

import numpy
import pytest

from d2l_ext import vision
from d2l_ext.experiments.store import RUNS
from d2l_ext.plan import Plan
from d2l_ext.training import History
from d2l_ext.training.checkpoint import Checkpoint
from d2l_ext.vision import launch, recordio

needs_torch = pytest.mark.skipif(
    not importlib.util.find_spec('torch'), reason='PyTorch is not installed'
)
needs_mxnet = pytest.mark.skipif(
    not importlib.util.find_spec('mxnet'), reason='MXNet is not installed'
)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """A folder with train.rec, 60 images, and test.rec, 10 images."""
    folder = tmp_path_factory.mktemp('images')
    recordio.write_mini(folder, size=32, count=60)
    return folder


def options(images, backend, **more):
    """Return the arguments of a job of a second or two: 3 updates an epoch."""
    return {
        'train': str(images / 'train.rec'),
        'test': str(images / 'test.rec'),
        'backend': backend,
        'classes': 10,
        'net': 'resnet18',
        'width': 8,
        'size': 32,
        'min_area': 0.5,
        'num_epochs': 2,
        'batch_size': 20,
        'base_lr': 0.5,
        'num_workers': 0,
        **more,
    }


def command(images, backend, **more):
    words = ['-m', 'd2l_ext.vision']
    for name, value in options(images, backend, **more).items():
        words += [f'--{name.replace("_", "-")}', str(value)]
    return words


def as_folder(records, root):
    """Write the images of `records` as files, a subfolder for each class."""
    for i in range(len(records)):
        image, label = records[i]
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        image.save(root / str(label) / f'{i:03}.png')
    return root


@pytest.mark.parametrize('name', vision.SCHEDULES)
@pytest.mark.parametrize('warmup', [0, 5])
def test_a_schedule_is_the_same_in_epochs_and_in_updates(name, warmup):
    per_epoch = vision.schedule(name, 0.1, 90, 1024, warmup)
    per_update = vision.schedule(name, 0.1, 90, 1024, warmup, 5004)
    for epoch in range(91):
        assert per_update(epoch * 5004) == pytest.approx(per_epoch(epoch), abs=1e-15)
    assert max(map(per_epoch, range(90))) == per_epoch(warmup) == 0.1 * 1024 / 256
    end = {'constant': 0.4, 'multi-factor': 0.4 * 0.1**3}.get(name, 0)
    assert per_epoch(90) == pytest.approx(end)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'schedule': 'step'}, "schedule must be one of .*'step'"),
        ({'net': 'vgg'}, "net must be one of .*'vgg'"),
        ({'warmup_epochs': 40}, 'below a third of the 90 epochs, got 40'),
        ({'batch_size': 0}, 'batch_size must be a whole number >= 1, got 0'),
        ({'min_area': 0}, 'min_area must be in'),
        ({'base_lr': -1}, 'base_lr'),
    ],
)
def test_a_job_that_cannot_be_says_why(wrong, message):
    with pytest.raises(ValueError, match=message):
        vision.Job('train.rec', 'test.rec', **wrong)
    text = [f'--{k.replace("_", "-")}={v}' for k, v in wrong.items()]
    with pytest.raises(SystemExit):
        vision.job_from(['--train', 'a', '--test', 'b', *text])


def test_the_images_are_dealt_out_once_an_epoch():
    job = vision.Job('', '', batch_size=12, accumulate=2)
    rows = [vision.order(job, 3, 100, rank, world=3) for rank in range(3)]
    assert {row.shape for row in rows} == {(16, 2)}
    assert len(numpy.unique(rows)) == 96
    # three workers with two passes take, update by update, what one in six takes
    alone = vision.Job('', '', batch_size=12, accumulate=6)
    order = vision.order(alone, 3, 100, 0, 1).reshape(8, 12)
    assert (
        numpy.sort(numpy.hstack([r.reshape(8, 4) for r in rows])) == numpy.sort(order)
    ).all()
    assert (vision.order(alone, 4, 100, 0, 1).reshape(8, 12) != order).any()
    with pytest.raises(ValueError, match='a multiple of 5 x 2'):
        job.share(5)
    with pytest.raises(ValueError, match='at most 11, the images'):
        job.updates(11)


def finished(*words):
    """Run Python with these arguments and return its output; end it after 2 minutes."""
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its workers, unless it is killed
            raise
    assert process.returncode == 0
    return output


class Interrupted(Exception):
    pass


def interrupt(history):
    raise Interrupted


@needs_torch
@pytest.mark.parametrize(
    ('net', 'count'), [('resnet18', 11689512), ('resnet50', 25557032)]
)
def test_the_nets_are_those_of_the_paper(net, count):
    import torch

    from d2l_ext.vision._torch import resnet

    with torch.device('meta'):
        made = resnet(net, 1000)
        assert made(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    assert sum(p.numel() for p in made.parameters()) == count


@needs_torch
def test_crops_stay_within_the_image():
    from PIL import Image

    from d2l_ext.vision._torch import middle_crop, random_crop

    ramp = numpy.arange(64 * 48, dtype='float32').reshape(48, 64) / (64 * 48) * 255
    image = Image.fromarray(ramp.astype('uint8')).convert('RGB')
    rng = numpy.random.default_rng(0)
    crops = [numpy.asarray(random_crop(image, 16, 0.08, rng)) for _ in range(50)]
    assert {crop.shape for crop in crops} == {(16, 16, 3)}
    spans = [int(crop.max()) - int(crop.min()) for crop in crops]
    assert min(spans) < 130
    assert max(spans) > 200
    rightwards = [bool(crop[0, -1, 0] > crop[0, 0, 0]) for crop in crops]
    assert 10 < sum(rightwards) < 40
    assert middle_crop(image, 16).size == (16, 16)


@needs_torch
@pytest.mark.parametrize('precision', ['float32', 'float16', 'bfloat16'])
def test_an_interrupted_run_goes_on_bit_for_bit(images, tmp_path, precision):
    from d2l_ext.vision._torch import Worker

    def run(path, progress=None):
        job = vision.Job(
            **options(images, 'torch', precision=precision, accumulate=2),
            checkpoint=str(path),
            warmup_epochs=0.5,
        )
        with Worker(job) as worker:
            return vision.train(job, worker, progress), worker.state()

    history, state = run(tmp_path / 'whole')
    with pytest.raises(Interrupted):
        run(tmp_path / 'parts', interrupt)
    again, state_again = run(tmp_path / 'parts')
    assert len(again.train_loss) == 2
    assert again == history
    assert history.status == 'finished'
    assert history.lr == [
        vision.schedule('cosine', 0.5, 2, 20, 0.5, 3)(t) for t in range(6)
    ]
    assert state.keys() == state_again.keys()
    for name, array in state.items():
        assert (array == state_again[name]).all(), name
    assert ('scaler.scale' in state) == (precision == 'float16')
    assert state['weight.0.weight'].dtype == 'float32'


@pytest.mark.parametrize('name', ['cosine', 'multi-factor', 'constant'])
@pytest.mark.parametrize('base_lr', [0.4, 0.1])
def test_the_recorded_runs_differ_in_what_they_say(name, base_lr):
    runs = [
        History.load(RUNS / f'vision_{name}_{base_lr}' / f'{seed}.json')
        for seed in range(3)
    ]
    first = History.load(RUNS / 'vision_cosine_0.4' / '0.json')
    scheduler = vision.schedule(name, base_lr, 8, 128, 0.0, 6000 // 128)
    for seed, run in enumerate(runs):
        changed = {'schedule': name, 'base_lr': base_lr, 'seed': seed}
        assert run.recipe == first.recipe | changed | {'scheduler': repr(scheduler)}
        assert run.lr == [scheduler(t) for t in range(8 * 46)]
        assert (run.status, len(run.test_acc)) == ('finished', 8)


@needs_torch
def test_a_recorded_run_begins_again_as_it_did(tmp_path):
    from d2l_ext.vision._torch import Worker

    recordio.write_mini(tmp_path, size=32)
    recorded = History.load(RUNS / 'vision_constant_0.1' / '1.json')
    names = [field.name for field in dataclasses.fields(vision.Job)]
    told = {name: recorded.recipe[name] for name in names if name in recorded.recipe}
    files = {name: str(tmp_path / f'{name}.rec') for name in ('train', 'test')}
    job = vision.Job(**told, **files, num_workers=0, history=str(tmp_path / 'run'))
    with Worker(job) as worker, pytest.raises(Interrupted):
        vision.train(job, worker, interrupt)
    run = History.load(tmp_path / 'run')
    # the same to the last bit only with the same PyTorch on the same kind of CPU
    assert run.train_loss[0] == pytest.approx(recorded.train_loss[0], rel=0.02)
    assert run.test_acc[0] == pytest.approx(recorded.test_acc[0], abs=0.1)


@needs_torch
def test_two_workers_do_what_one_does_in_two_passes(images, tmp_path):
    folder = as_folder(recordio.images(images / 'train.rec'), tmp_path / 'images')
    shared = {'train': folder, 'num_epochs': 1, 'batch_size': 60}
    more = {'checkpoint': tmp_path / 'two', 'history': tmp_path / 'two.json'}
    launch = ['-m', 'torch.distributed.run', '--nproc-per-node', '2', '--standalone']
    words = command(images, 'torch', **shared, **more)
    finished(*launch, *words)
    from d2l_ext.vision._torch import Worker

    job = vision.Job(**options(images, 'torch', accumulate=2) | shared)
    with Worker(job) as worker:
        history = vision.train(job, worker)
    two = History.load(tmp_path / 'two.json')
    assert (two.recipe['world'], history.recipe['world']) == (2, 1)
    assert two.lr == history.lr
    assert two.train_loss == pytest.approx(history.train_loss, rel=1e-4)
    n = job.updates(worker.images)
    plan = Plan(job.scheduler(n), job.num_epochs, job.per, n)
    _, _, arrays = Checkpoint(tmp_path / 'two', plan).load(two.recipe)
    momenta = [name for name in arrays if name.startswith('memory')]
    assert len(momenta) == len(list(worker.net.parameters()))
    for name, array in worker.state().items():
        if 'running' not in name and 'num_batches' not in name:
            # the means and variances alone are those of one worker's images
            assert numpy.allclose(arrays[name], array, rtol=1e-3, atol=1e-5), name


MXNET = """
import dataclasses, json, sys
import numpy
from d2l_ext import vision
from d2l_ext.vision._mxnet import Worker, resnet_v1

options, path = json.loads(sys.argv[1]), sys.argv[2]
job = vision.Job(**options, checkpoint=path + '/whole', accumulate=2)


class Interrupted(Exception):
    pass


def interrupt(history):
    raise Interrupted


def run(job, progress=None):
    with Worker(job) as worker:
        return vision.train(job, worker, progress), worker.state()


history, state = run(job)
job = dataclasses.replace(job, checkpoint=path + '/parts')
try:
    run(job, interrupt)
except Interrupted:
    again, state_again = run(job)
same = all(
    numpy.allclose(state[name], state_again[name], rtol=1e-3, atol=1e-4)
    for name in state
)
close = numpy.allclose(history.train_loss, again.train_loss, rtol=1e-4)
messages = []
for change in (
    {'precision': 'bfloat16'}, {'train': path}, {'kvstore': 'dist_sync'}
):
    try:
        Worker(dataclasses.replace(job, **change))
    except ValueError as error:
        messages.append(str(error))
net = resnet_v1('resnet50', 1000)
net.initialize()
import mxnet
net.infer_shape(mxnet.nd.zeros((1, 3, 224, 224)))
learnt = [p for p in net.collect_params().values() if p.grad_req != 'null']
count = sum(mxnet.nd.zeros(p.shape).size for p in learnt)
print(json.dumps([
    close, same, state.keys() == state_again.keys(), history.lr,
    len(history.test_acc), messages, count, history.train_loss,
]))
"""


@needs_mxnet
def test_an_interrupted_run_of_mxnet_goes_on_to_rounding(images, tmp_path):
    # in a process of its own: other tests switch MXNet's arrays to NumPy's ways
    words = [json.dumps(options(images, 'mxnet')), str(tmp_path)]
    told = json.loads(finished('-c', MXNET, *words).splitlines()[-1])
    close, same, kept, lr, epochs, messages, count, losses = told
    assert (close, same, kept, epochs) == (True, True, True, 2)
    assert lr == [vision.schedule('cosine', 0.5, 2, 20, 0, 3)(t) for t in range(6)]
    for message, reason in zip(
        messages, ['float32, or float16 on a GPU', 'RecordIO files', 'd2l_ext.vision.launch'],
        strict=True,
    ):  # fmt: skip
        assert reason in message
    assert count > 25.5e6
    assert all(0 < loss < 10 for loss in losses)


TWO = """
import sys
import numpy
from d2l_ext import vision
from d2l_ext.vision._mxnet import Worker

job = vision.job_from(sys.argv[1:])
with Worker(job) as worker:
    vision.train(job, worker)
    for name, array in worker.state().items():
        mine = array.ravel().astype(float)
        both = numpy.array(worker.summed(mine.tolist()))
        # 3: the workers went apart
        if not numpy.allclose(both, 2 * mine, rtol=1e-5, atol=1e-6):
            sys.exit(3)
"""


@needs_mxnet
def test_two_workers_and_a_server_train_one_net(images, tmp_path):
    more = {'kvstore': 'dist_sync', 'num_epochs': 1, 'history': tmp_path / 'two.json'}
    words = command(images, 'mxnet', **more)[2:]
    run = [sys.executable, '-c', TWO, *words]
    assert launch.launch(run, workers=2, timeout=120) == 0
    history = History.load(tmp_path / 'two.json')
    assert (history.recipe['world'], history.recipe['images']) == (2, 60)
    scheduler = vision.schedule('cosine', 0.5, 1, 20, 0, 3)
    assert history.lr == [scheduler(t) for t in range(3)]
    # losses and hits are summed over both, so they are as many as all images
    assert 0 < history.train_loss[0] < 10
    assert 0 <= history.train_acc[0] <= 1
    assert (history.test_acc[0] * 10) % 1 == pytest.approx(0, abs=1e-9)


def test_the_launcher_ends_all_when_one_fails():
    code = """
import os, sys, time
if os.environ['DMLC_ROLE'] == 'worker':
    sys.exit(3)
time.sleep(60)
"""
    assert launch.launch([sys.executable, '-c', code], workers=1, timeout=30) == 3
    assert (
        launch.launch([sys.executable, '-c', 'import time; time.sleep(9)'], 1, 1, 1)
        == 124
    )
