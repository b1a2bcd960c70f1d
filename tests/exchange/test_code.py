"""The code that is exported, executed: update by update the rates of the schedule.

Run by path with a library's name, this file executes all the code for that library, in
a process of its own: some of it turns settings of the whole process.
"""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.families import (
    CooldownScheduler,
    EpochScheduler,
    GrowthScheduler,
    InversePowerScheduler,
    LogWarmupScheduler,
    ProductScheduler,
    TriangularScheduler,
    WarmupOverScheduler,
    cosine_cycles,
    warmup_stable_cooldown,
)
from d2l_ext.plan import Plan
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
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)


def halving(t):
    """Return a factor for LambdaScheduler; of a module, so that it can be imported."""
    return 0.5 ** (t / 10)


halving.__module__ = 'test_code'  # where the process of its own finds it
half, down = ConstantScheduler(0.5), CosineScheduler(20, 0.5, 0.01)
steps = MultiFactorScheduler([15, 30], 0.5, 0.5)
restarts = CosineRestartsScheduler
ramp = WarmupScheduler(ConstantScheduler(1), 5, 0.1)

# Over 40 epochs or updates; beside each the libraries with classes of their own for it:
# [m]xnet, [t]orch, opta[x], [k]eras, t[i]mm
CASES = [
    (half, 'mtxki'),
    (ConstantScheduler(0), 'mxki'),
    (SquareRootScheduler(1.0), 't'),
    (FactorScheduler(0.9, 1e-2, 2.0), 'mtxki'),
    (FactorScheduler(0.5, 0.3, 2, step=10), 'mx'),
    (FactorScheduler(0.5, 0.2, 2.0, step=2.5), 'x'),
    (FactorScheduler(0.5, 3.0, 0.3), 'mtxki'),
    (steps, 'mtxki'),
    (MultiFactorScheduler([1, 15.5, 50], 0.1, 1), 'mtxki'),
    (MultiFactorScheduler([3.2, 3.7], 0.5, 0.5), 'txki'),
    (PolyScheduler(40, 0.5, 2, 0.1), 'mxki'),
    (PolyScheduler(30, 0.5), 'mtxki'),
    (PolyScheduler(30.0, 0.5, 1, 0.1), 'mtxki'),
    (PolyScheduler(12.5, 0.5, 0.5, 0.1), 'x'),
    (PolyScheduler(20, 0.1, 1, 0.5), 'mtxki'),
    (CosineScheduler(40, 0.5, 0.01), 'mtxki'),
    (down, 'mtxki'),
    (CosineScheduler(12.5, 1), 'xk'),
    (CosineScheduler(20, 0, 0.5), 'mi'),
    (CosineScheduler(50, 0.1, 0.5), 'mtxki'),
    (CyclicScheduler(0.1, 0.5, 4), 't'),
    (CyclicScheduler(0.1, 0.5, 2.5, gamma=0.5), 't'),
    (CyclicScheduler(0.1, 0.5, 6, 'cosine'), 't'),
    (CyclicScheduler(0.1, 0.5, 6, 'cosine', 0.5), ''),
    (restarts(10, 0.9, 0.1), 'tki'),
    (restarts(10, 1.0, 0.2, decay=0.5), 'k'),
    (restarts(5, 1.0, 0.0, 2), 'txi'),
    (restarts(2.5, 1.0, 0.1, 1.5, 0.9), 'x'),
    (restarts(4.5, 1.0), 'k'),
    (PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (25, 0)]), 'tx'),
    (PiecewiseLinearScheduler([(2.5, 0.2), (7.5, 0.4)]), 'x'),
    (PiecewiseLinearScheduler([(3, 0)]), 'x'),
    (LambdaScheduler(halving, 0.3), 't'),
    (SequentialScheduler([half, down], [15]), 'tx'),
    (SequentialScheduler([half, ConstantScheduler(0.1), down], [5.5, 20]), 'x'),
    (SequentialScheduler([down, PolyScheduler(9, 0.5), steps], [10, 20]), 'tx'),
    (SequentialScheduler([down], []), 'mtxki'),
    (WarmupScheduler(down, 5), 'mtxki'),
    (WarmupScheduler(down, 5, 0.1), 'mtxki'),
    (WarmupScheduler(down, 5, 0.1, 'constant'), 'mtx'),
    (WarmupScheduler(down, 0), 'mtxki'),
    (WarmupScheduler(down, 2.5), 'xki'),
    (WarmupScheduler(half, 50), 'mtxi'),
    (WarmupScheduler(CosineScheduler(20, 0, 0.5), 5), 'mi'),
    (WarmupScheduler(PolyScheduler(20, 0.5, 2, 0.1), 5, 0.1), 'mxi'),
    (WarmupScheduler(steps, 5), 'mtxi'),
    (WarmupScheduler(FactorScheduler(0.9, 0.1, 0.5), 5, 0.1), 'x'),
    (WarmupScheduler(SquareRootScheduler(0.5), 5), 't'),
    (WarmupScheduler(WarmupScheduler(half, 2, 0.2), 4), 'x'),
    (WarmupScheduler(restarts(10, 0.9, 0.1), 5), 'ti'),
    (WarmupScheduler(CyclicScheduler(0.1, 0.5, 4, 'cosine'), 5), ''),
    (WarmupScheduler(LambdaScheduler(halving, 0.3), 3), 't'),
    (warmup_cosine(40, 0.5, 5, 0.01), 'mtxki'),
    (one_cycle(40, 0.5, 12, 0.02, 0.001), 'tx'),
    (one_cycle(40, 0.5, 12), ''),
    (one_cycle(30, 0.5, 12, 0.1, 0.01), 'x'),
    (warmup_stable_decay(40, 0.5, 5, 10), 'txi'),
    (warmup_stable_decay(40, 0.5, 5, 10, 0.1, 2), 'x'),
    (GrowthScheduler(1.1, 1e3, 0.01), ''),
    (GrowthScheduler(2, 0.5, 0.01, step=3), ''),
    (GrowthScheduler(1.5, 0.5, 0.01, step=2.5), ''),
    (GrowthScheduler(1e3, 1.5, 1e-6), ''),
    (MultiFactorScheduler([20, 5, 5], 0.5, 0.5), 'txki'),
    (MultiFactorScheduler([0, 15], 0.5, 0.5), 'mtxki'),
    (MultiFactorScheduler([0], 0.5, 0.5), 'mtxki'),
    (LogWarmupScheduler(down, 15, 0.1), ''),
    (LogWarmupScheduler(steps, 4.5), ''),
    (WarmupOverScheduler(down, 5), 'i'),
    (WarmupOverScheduler(down, 5, 0.1, target='meet'), ''),
    (WarmupOverScheduler(down, 5, 0.1, 'constant'), ''),
    (WarmupOverScheduler(down, 2.5), 'i'),
    (WarmupOverScheduler(down, 30), 'txi'),
    (WarmupOverScheduler(steps, 20, 0.1), 'txi'),
    (WarmupOverScheduler(restarts(7, 1.0, 0.1, 2), 10), 'i'),
    (WarmupOverScheduler(restarts(10, 0.9, 0.1), 5), 'i'),
    (WarmupOverScheduler(WarmupOverScheduler(down, 12), 5), ''),
    (WarmupScheduler(WarmupOverScheduler(down, 5), 5.5), ''),
    (ProductScheduler([down]), 'mtxki'),
    (ProductScheduler([down, ramp]), ''),
    (ProductScheduler([ramp, steps, FactorScheduler(0.9, 0.2, 1, 3)]), ''),
    (
        ProductScheduler([CyclicScheduler(0.1, 0.5, 4), MultiFactorScheduler([9], 1)]),
        '',
    ),
    (ProductScheduler([half, half, ConstantScheduler(2)]), 'mtxki'),
    (ProductScheduler([ProductScheduler([down, half]), LambdaScheduler(halving)]), ''),
    (EpochScheduler(steps, 2), 'tx'),
    (EpochScheduler(down, 1), ''),
    (EpochScheduler(down, 3), ''),
    (EpochScheduler(SequentialScheduler([half, down], [2.5]), 4), ''),
    (EpochScheduler(SquareRootScheduler(1.0), 7), ''),
    (WarmupOverScheduler(EpochScheduler(steps, 2), 7), 'tx'),
    (WarmupOverScheduler(EpochScheduler(down, 3), 7), ''),
    (ProductScheduler([EpochScheduler(down, 4), ramp]), ''),
    (InversePowerScheduler(10, 0.5), ''),
    (InversePowerScheduler(10, 0.5, 1), 'k'),
    (InversePowerScheduler(10, 0.5, 1, 0.2), ''),
    (InversePowerScheduler(10, 0.5, 1, 0.7), 'mtxki'),
    (WarmupScheduler(InversePowerScheduler(5, 0.5), 5), ''),
    (CooldownScheduler(20, 0.5, 0.5, 0.1), 'i'),
    (CooldownScheduler(12.5, 0.5), ''),
    (CooldownScheduler(9, 0.1, 2, 0.5), 'i'),
    (TriangularScheduler(0.1, 0.5, 3, 7), 't'),
    (TriangularScheduler(0.0, 0.5, 2.5, 3, 0.5), 't'),
    (TriangularScheduler(0.1, 0.5, 4, 4, 0.9, 'update'), 't'),
    (WarmupScheduler(TriangularScheduler(0.1, 0.5, 3, 7, 0.9, 'update'), 5), ''),
    (cosine_cycles(2, 10, 0.9, 0.1, 1, 0.5), ''),
    (cosine_cycles(3, 5, 0.9, 0.1, 2), 'tx'),
    (warmup_stable_cooldown(40, 0.5, 5, 16), 'i'),
]
RUNS = [
    *((scheduler, 40, 'epoch', 1) for scheduler, _ in CASES),
    *((scheduler, 4, 'update', 10) for scheduler, _ in CASES),
    # a whole run of 3760 updates, and epochs of several updates
    (warmup_cosine(3760, 0.5, 470, 0.01), 40, 'update', 94),
    (FactorScheduler(0.9, 1e-2, 2.0), 40, 'epoch', 10),
]
# timm needs more than the tests install
TESTED = [n for n in LIBRARIES if n != 'timm' or importlib.util.find_spec(n)]
SLACK = 1e-7


def executed(library):
    """Return what the code for each run leaves as `rates`, None if it says why not."""
    if library == 'mxnet':
        import d2l_ext.mxnet  # noqa: F401 - MXNet needs its help
    if library == 'optax':
        import jax

        jax.config.update('jax_enable_x64', True)  # its default is float32
    if library == 'keras':
        import keras

        keras.config.set_floatx('float64')  # its default is float32
    results = []
    for scheduler, *run in RUNS:
        space = {}
        exec(code(scheduler, library, *run), space)  # noqa: S102
        rates = space.get('rates')
        results.append(rates if rates is None else [float(rate) for rate in rates])
        if results[-1] and run == [40, 'epoch', 1] and library in ('optax', 'keras'):
            seen_by_the_optimizer(library, space, results[-1])
    return results


def seen_by_the_optimizer(library, space, rates):
    if library == 'optax':
        import jax.numpy as jnp

        one = jnp.ones(())
        state = space['optimizer'].init(one)
        for rate in rates[:3]:
            step, state = space['optimizer'].update(one, state)
            assert abs(float(step) + rate) < 1e-6  # from an int32 count: float32
    else:
        import keras

        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile('sgd')
        space['callback'].set_model(model)
        space['callback'].on_epoch_begin(3)
        assert abs(float(model.optimizer.learning_rate) - rates[3]) < 1e-7


@pytest.mark.parametrize('library', TESTED)
def test_the_code_gives_the_rates_of_every_update(library):
    if not importlib.util.find_spec(library):
        pytest.skip(f'{library} is not installed')
    folder, name = os.path.split(__file__)
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', name, library],
        capture_output=True,
        check=False,
        text=True,
        cwd=folder,
        env={**os.environ, 'KERAS_BACKEND': 'torch'},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    results = json.loads(run.stdout.splitlines()[-1])
    for (scheduler, num_epochs, per, batches), rates in zip(RUNS, results):
        if rates is None:
            assert library == 'timm', scheduler
            continue
        plan = Plan(scheduler, num_epochs, per, batches)
        wanted = [plan.lr(t // batches, t) for t in range(plan.updates)]
        assert len(rates) == len(wanted), scheduler
        wrong = [
            (t, rate, want)
            for t, (rate, want) in enumerate(zip(rates, wanted))
            if abs(rate - want) > SLACK * want + 1e-12
        ]
        assert not wrong, (scheduler, per, wrong[0])


# What it is written with


def has_classes(library, text):
    if library == 'mxnet':
        return 'lr_scheduler.' in text
    if library == 'optax':
        return 'lambda t' not in text
    return not any(
        word in text for word in ('def rate', 'def schedule', 'class ', '# timm cannot')
    )


@pytest.mark.parametrize('scheduler, letters', CASES, ids=lambda v: repr(v)[:50])
def test_classes_of_the_library_come_before_formulas(scheduler, letters):
    for per in 'epoch', 'update':
        found = ''.join(
            letter
            for letter, library in zip('mtxki', [*LIBRARIES][1:])
            if has_classes(library, code(scheduler, library, 40, per, 1))
        )
        assert found == letters


@pytest.mark.parametrize('library', LIBRARIES)
def test_the_code_fits_a_page_and_compiles(library):
    for run in RUNS:
        text = code(run[0], library, *run[1:])
        compile(text, library, 'exec')
        assert max(map(len, text.splitlines())) <= 120
        assert 'inf' not in text.replace("float('inf')", '') and 'nan' not in text


def test_conventions_are_said_and_met():
    warm = WarmupScheduler(down, 5)
    assert 'LinearLR cannot start at 0' in code(warm, 'torch', 40)
    assert 'lambda t: t / 5' in code(warm, 'torch', 40)
    assert 'LinearLR' in code(WarmupScheduler(down, 5, 0.1), 'torch', 40)
    assert 'decay_steps=25' in code(warm, 'optax', 40)  # the warmup counted in
    assert 'decay_steps=20' in code(warm, 'keras', 40)
    assert 'warmup_prefix=True' in code(warm, 'timm', 40)
    assert 'MXNet counts from 1' in code(warm, 'mxnet', 40)
    assert 'max_update=26' in code(warm, 'mxnet', 40)
    times = {'mxnet': '[15, 30]', 'torch': '[15, 30]', 'optax': '{15: 0.5, 30: 0.5}'}
    times |= {'keras': '[14, 29]', 'timm': '[16, 31]'}
    assert all(text in code(steps, name, 40) for name, text in times.items())
    # PyTorch's cosine rises again: it rests only in a run that is long enough
    assert 'ConstantLR' not in code(down, 'torch', 20)
    assert 'ConstantLR' in code(down, 'torch', 21)


def test_what_cannot_be_expressed_is_said():
    reasons = {
        SquareRootScheduler(1.0): 'no class like SquareRootScheduler',
        WarmupScheduler(down, 5, 0.1, 'constant'): 'its warmup is always a line',
        FactorScheduler(0.9, 1e-2, 2.0): 'has no floor',
        restarts(10, 1.0, 0.2, decay=0.5): 'shrinks the peak',
    }
    for scheduler, reason in reasons.items():
        text = code(scheduler, 'timm', 80).replace('\n#', '')
        assert text.startswith('# timm cannot express this, because ')
        assert reason in text
    for library in LIBRARIES:
        text = code(LambdaScheduler(lambda t: 1.0), library, 40).replace('\n#', '')
        assert text.startswith(f'# {library} cannot express this, because its function')


def test_a_plan_is_written_as_its_scheduler_with_the_rest_of_it():
    for library in LIBRARIES:
        for run in (40, 'epoch', 10), (4, 'update', 7):
            plan = Plan(down, *run)
            assert code(plan, library) == code(down, library, *run)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"library must be one of .*, got 'jax'"):
        code(half, 'jax', 40)
    with pytest.raises(ValueError, match=r"per must be .*, got 'step'"):
        code(half, 'torch', 40, 'step')
    with pytest.raises(ValueError, match=r'num_epochs must be .* got 0'):
        code(half, 'torch', 0)
    for other in PlateauScheduler(), lambda t: 0.5:
        with pytest.raises(ValueError, match=r'scheduler must be one of .*, got'):
            code(other, 'torch', 40)

    class Own(CosineScheduler):
        def lr(self, t):
            return 0.5

    for other in Own(40), WarmupScheduler(Own(40), 5):
        for library in LIBRARIES:
            with pytest.raises(ValueError, match=r'made of d2l_ext.schedulers alone'):
                code(other, library, 40)


if __name__ == '__main__':
    print(json.dumps(executed(sys.argv[1])))
