"""The wheel of JupyterLite trains nothing, and answers with recorded runs."""

import importlib
import json
import os
import subprocess
import sys
import zipfile

import pytest

from d2l_ext import experiments
from tests.site.built import parts

lite = importlib.import_module('lite')

CODE = """
import json, d2l_ext
from d2l_ext.notebook import backend
from d2l_ext.schedulers import CosineScheduler

d2l = backend()
train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=64)
net, loss, device = d2l.lenet(), d2l.cross_entropy(), d2l.try_gpu()
trainer = d2l.sgd(net, 0.3, device)
history = d2l.train(
    net, train_iter, test_iter, 30, loss, trainer, device,
    scheduler=CosineScheduler(30, 0.3, 0.01), seed=0, progress=False,
)
print(json.dumps([d2l_ext.__file__, history.test_acc]))
"""


@pytest.mark.slow
def test_a_run_is_the_recorded_one(tmp_path):
    lite._wheel(tmp_path / 'lite.whl')
    zipfile.ZipFile(tmp_path / 'lite.whl').extractall(tmp_path)
    more = {'PYTHONPATH': str(tmp_path), 'D2L_EXT_BACKEND': 'none'}
    told = subprocess.run(
        [sys.executable, '-c', CODE],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **more},
    ).stdout
    file, accuracies = json.loads(told.splitlines()[-1])
    assert file.startswith(str(tmp_path))
    recorded = {
        history.recipe['seed']: history for history in experiments.load('cosine_0.3')
    }
    assert accuracies == recorded[0].test_acc


def test_wheels_are_pinned_and_those_of_pyodide_hashed():
    assert all('==' in spec for spec in (*lite.BUILDERS, *lite.PURE))
    lock = parts.FOLDER / 'pyodide-lock.json'
    if lock.is_file():
        packages = json.loads(lock.read_text('utf-8'))['packages']
        assert {*lite.WANTED} <= packages.keys()
