"""Learning rate schedules: pure schedulers, real training and live sliders.

The book's schedulers can be taken from here. All else stands in a room of its own:

`schedulers`    the book's schedulers and their kin, pure functions, in one plain file
`families`      rarer ones: laid over each other, multiplied, in two units
`plan`          a schedule in its run: the scheduler, its unit, the length of the run
`check`         what is doubtful about a schedule, in sentences
`mxnet`         the book's framework: nets, data on the device, training
`torch`         the same with PyTorch, under the same names
`notebook`      what notebooks show: source text, recorded answers
`training`      the training loop and what it leaves: recipe, history, range test
`data`          Fashion-MNIST as NumPy arrays
`theory`        models without a net: the noisy quadratic, sampling, curvature
`exchange`      a schedule as code for other libraries
`panels`        what a picture shows, as values
`plots`         pictures of panels
`explorers`     sliders that move panels
`experiments`   what is recorded, and what it says
`vision`        ImageNet
`install`       MXNet on the Python of today
`jupyter`       settings and helpers for JupyterLab

A backend is taken as a module, as with the book's own package:
`from d2l_ext import mxnet as d2l` or `from d2l_ext import torch as d2l`.

>>> from d2l_ext import CosineScheduler
>>> CosineScheduler(max_update=40, base_lr=0.5)(20)
0.25
"""

from d2l_ext.schedulers import (
    ConstantScheduler,
    CosineRestartsScheduler,
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    LambdaScheduler,
    MultiFactorScheduler,
    PiecewiseLinearScheduler,
    PlateauScheduler,
    PolyScheduler,
    Scheduler,
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    keras_plateau,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)

__version__ = '0.1.0'

__all__ = [
    'ConstantScheduler',
    'CosineRestartsScheduler',
    'CosineScheduler',
    'CyclicScheduler',
    'FactorScheduler',
    'LambdaScheduler',
    'MultiFactorScheduler',
    'PiecewiseLinearScheduler',
    'PlateauScheduler',
    'PolyScheduler',
    'Scheduler',
    'SequentialScheduler',
    'SquareRootScheduler',
    'WarmupScheduler',
    'keras_plateau',
    'one_cycle',
    'warmup_cosine',
    'warmup_stable_decay',
]
