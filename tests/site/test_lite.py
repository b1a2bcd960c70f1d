"""What stands in for MXNet in JupyterLite answers as it does, from recorded runs."""

import importlib
import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.site.built import parts

pytest.importorskip('d2l_ext.mxnet')
lite = importlib.import_module('lite')

CODE = """
import json
from mxnet import gluon, lr_scheduler
from d2l_ext import mxnet as d2l
from d2l_ext.schedulers import CosineScheduler

d2l.npx.set_np()
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=64)
net, loss, device = d2l.lenet(), gluon.loss.SoftmaxCrossEntropyLoss(), d2l.try_gpu()
net.initialize(ctx=device)

def train(settings, num_epochs=30, **more):
    trainer = gluon.Trainer(net.collect_params(), 'sgd', settings)
    return d2l.train(
        net, train_iter, test_iter, num_epochs, loss, trainer, device,
        progress=False, **more,
    )

asked = []

class Counter(lr_scheduler.FactorScheduler):
    def __call__(self, num_update):
        asked.append(num_update)
        return super().__call__(num_update)

own = train({'lr_scheduler': Counter(step=10, factor=0.5, base_lr=0.3)}, 1)
cosine = train({'learning_rate': 0.3}, scheduler=CosineScheduler(30, 0.3, 0.01), seed=1)
try:
    train({'learning_rate': 0.123})
except ValueError as error:
    why = str(error)
print(json.dumps({
    'images': len(train_iter.X), 'asked': asked[:7], 'rates': own.lr[:12],
    'cosine': cosine.test_acc, 'why': why,
    'constant': train({'learning_rate': 0.3}, seed=2).train_loss,
}))
"""


@pytest.fixture(scope='module')
def answers(tmp_path_factory):
    """What notebooks would see, with the wheel of JupyterLite in MXNet's place."""
    folder = tmp_path_factory.mktemp('lite')
    lite._wheel(folder / 'lite.whl')
    zipfile.ZipFile(folder / 'lite.whl').extractall(folder)
    done = subprocess.run(
        [sys.executable, '-c', CODE],
        check=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(folder)},
    )
    return json.loads(done.stdout)


def test_a_run_is_the_recorded_one(answers):
    from d2l_ext import experiments

    assert answers['images'] == 6000
    assert answers['cosine'] == experiments.load('cosine_0.3')[1].test_acc
    assert answers['constant'] == experiments.load('constant_0.3')[2].train_loss


def test_what_is_not_recorded_gets_a_sentence(answers):
    assert 'JupyterLite cannot train' in answers['why']


def test_a_trainers_own_scheduler_is_asked_as_mxnet_asks(answers):
    # three groups of arrays, each of the first updates; a step after ten of these
    assert answers['asked'] == [1, 1, 1, 2, 2, 2, 3]
    assert answers['rates'] == [0.3] * 10 + [0.15] * 2


def test_wheels_are_pinned_and_those_of_pyodide_hashed():
    assert all('==' in spec for spec in (*lite.BUILDERS, *lite.PURE))
    lock = parts.FOLDER / 'pyodide-lock.json'
    if lock.is_file():
        packages = json.loads(lock.read_text('utf-8'))['packages']
        assert {*lite.WANTED} <= packages.keys()
