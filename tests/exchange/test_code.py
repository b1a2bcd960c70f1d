"""The code that is exported, executed: update by update the rates of the schedule.

Run by path with a library's name, this file executes all the code for that library, in
a process of its own: some of it turns settings of the whole process.
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
import types

import pytest

from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.exchange.versions import VERSIONS
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

os.environ.setdefault('KERAS_BACKEND', 'torch')


def halving(t):
    """Return a factor for LambdaScheduler; of a module, so that it can be imported."""
    return 0.5 ** (t / 10)


halving.__module__ = 'test_code'  # where the process of its own finds it
half, down = ConstantScheduler(0.5), CosineScheduler(20, 0.5, 0.01)
steps = MultiFactorScheduler([15, 30], 0.5, 0.5)
restarts = CosineRestartsScheduler
ramp = WarmupScheduler(ConstantScheduler(1), 5, 0.1)

# Over 40 epochs or updates; beside each the libraries with classes of their own for it
LETTERS = {
    'mxnet': 'm',
    'torch': 't',
    'optax': 'x',
    'keras': 'k',
    'timm': 'i',
    'transformers': 'r',
    'ignite': 'n',
    'paddle': 'p',
    'gluoncv': 'g',
    'fvcore': 'f',
}
CASES = [
    (half, 'mtxkirnpgf'),
    (ConstantScheduler(0), 'mxkinpgf'),
    (SquareRootScheduler(1.0), 't'),
    (FactorScheduler(0.9, 1e-2, 2.0), 'mtxkipf'),
    (FactorScheduler(0.5, 0.3, 2, step=10), 'mx'),
    (FactorScheduler(0.5, 0.2, 2.0, step=2.5), 'x'),
    (FactorScheduler(0.5, 3.0, 0.3), 'mtxkirnpgf'),
    (steps, 'mtxkinpgf'),
    (MultiFactorScheduler([1, 15.5, 50], 0.1, 1), 'mtxkinpgf'),
    (MultiFactorScheduler([3.2, 3.7], 0.5, 0.5), 'txkingf'),
    (PolyScheduler(40, 0.5, 2, 0.1), 'mxkirpg'),
    (PolyScheduler(30, 0.5), 'mtxkirpgf'),
    (PolyScheduler(30.0, 0.5, 1, 0.1), 'mtxkirnpgf'),
    (PolyScheduler(12.5, 0.5, 0.5, 0.1), 'x'),
    (PolyScheduler(20, 0.1, 1, 0.5), 'mtxkinpgf'),
    (CosineScheduler(40, 0.5, 0.01), 'mtxkirnpgf'),
    (down, 'mtxkirngf'),
    (CosineScheduler(12.5, 1), 'xk'),
    (CosineScheduler(20, 0, 0.5), 'mingf'),
    (CosineScheduler(50, 0.1, 0.5), 'mtxkirnpg'),
    (CyclicScheduler(0.1, 0.5, 4), 'tnp'),
    (CyclicScheduler(0.1, 0.5, 2.5, gamma=0.5), 't'),
    (CyclicScheduler(0.1, 0.5, 6, 'cosine'), 't'),
    (CyclicScheduler(0.1, 0.5, 6, 'cosine', 0.5), ''),
    (restarts(10, 0.9, 0.1), 'tkinp'),
    (restarts(10, 1.0, 0.2, decay=0.5), 'k'),
    (restarts(5, 1.0, 0.0, 2), 'txinp'),
    (restarts(2.5, 1.0, 0.1, 1.5, 0.9), 'x'),
    (restarts(4.5, 1.0), 'k'),
    (PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (25, 0)]), 'txngf'),
    (PiecewiseLinearScheduler([(2.5, 0.2), (7.5, 0.4)]), 'xn'),
    (PiecewiseLinearScheduler([(3, 0)]), 'xngf'),
    (LambdaScheduler(halving, 0.3), 't'),
    (SequentialScheduler([half, down], [15]), 'txrngf'),
    (SequentialScheduler([half, ConstantScheduler(0.1), down], [5.5, 20]), 'xn'),
    (SequentialScheduler([down, PolyScheduler(9, 0.5), steps], [10, 20]), 'tx'),
    (SequentialScheduler([down], []), 'mtxkirngf'),
    (WarmupScheduler(down, 5), 'mtxkingf'),
    (WarmupScheduler(down, 5, 0.1), 'mtxkingf'),
    (WarmupScheduler(down, 5, 0.1, 'constant'), 'mtxngf'),
    (WarmupScheduler(down, 0), 'mtxkirngf'),
    (WarmupScheduler(down, 2.5), 'xki'),
    (WarmupScheduler(half, 50), 'mtxirnpf'),
    (WarmupScheduler(CosineScheduler(20, 0, 0.5), 5), 'mingf'),
    (WarmupScheduler(PolyScheduler(20, 0.5, 2, 0.1), 5, 0.1), 'mxipg'),
    (WarmupScheduler(steps, 5), 'mtxinpg'),
    (WarmupScheduler(FactorScheduler(0.9, 0.1, 0.5), 5, 0.1), 'x'),
    (WarmupScheduler(SquareRootScheduler(0.5), 5), 't'),
    (WarmupScheduler(WarmupScheduler(half, 2, 0.2), 4), 'xnpgf'),
    (WarmupScheduler(restarts(10, 0.9, 0.1), 5), 'tip'),
    (WarmupScheduler(CyclicScheduler(0.1, 0.5, 4, 'cosine'), 5), ''),
    (WarmupScheduler(LambdaScheduler(halving, 0.3), 3), 't'),
    (warmup_cosine(40, 0.5, 5, 0.01), 'mtxkirnpgf'),
    (one_cycle(40, 0.5, 12, 0.02, 0.001), 'txnf'),
    (one_cycle(40, 0.5, 12), 'nf'),
    (one_cycle(30, 0.5, 12, 0.1, 0.01), 'xnf'),
    (warmup_stable_decay(40, 0.5, 5, 10), 'txirngf'),
    (warmup_stable_decay(40, 0.5, 5, 10, 0.1, 2), 'xg'),
    (GrowthScheduler(1.1, 1e3, 0.01), ''),
    (GrowthScheduler(2, 0.5, 0.01, step=3), ''),
    (GrowthScheduler(1.5, 0.5, 0.01, step=2.5), ''),
    (GrowthScheduler(1e3, 1.5, 1e-6), ''),
    (MultiFactorScheduler([20, 5, 5], 0.5, 0.5), 'txkingf'),
    (MultiFactorScheduler([0, 15], 0.5, 0.5), 'mtxkinpgf'),
    (MultiFactorScheduler([0], 0.5, 0.5), 'mtxkirnpgf'),
    (LogWarmupScheduler(down, 15, 0.1), ''),
    (LogWarmupScheduler(steps, 4.5), ''),
    (WarmupOverScheduler(down, 5), 'i'),
    (WarmupOverScheduler(down, 5, 0.1, target='meet'), ''),
    (WarmupOverScheduler(down, 5, 0.1, 'constant'), ''),
    (WarmupOverScheduler(down, 2.5), 'i'),
    (WarmupOverScheduler(down, 30), 'txingf'),
    (WarmupOverScheduler(steps, 20, 0.1), 'txingf'),
    (WarmupOverScheduler(restarts(7, 1.0, 0.1, 2), 10), 'i'),
    (WarmupOverScheduler(restarts(10, 0.9, 0.1), 5), 'i'),
    (WarmupOverScheduler(WarmupOverScheduler(down, 12), 5), ''),
    (WarmupScheduler(WarmupOverScheduler(down, 5), 5.5), ''),
    (ProductScheduler([down]), 'mtxkirngf'),
    (ProductScheduler([down, ramp]), ''),
    (ProductScheduler([ramp, steps, FactorScheduler(0.9, 0.2, 1, 3)]), ''),
    (
        ProductScheduler([CyclicScheduler(0.1, 0.5, 4), MultiFactorScheduler([9], 1)]),
        '',
    ),
    (ProductScheduler([half, half, ConstantScheduler(2)]), 'mtxkirnpgf'),
    (ProductScheduler([ProductScheduler([down, half]), LambdaScheduler(halving)]), ''),
    (EpochScheduler(steps, 2), 'txngf'),
    (EpochScheduler(down, 1), ''),
    (EpochScheduler(down, 3), ''),
    (EpochScheduler(SequentialScheduler([half, down], [2.5]), 4), ''),
    (EpochScheduler(SquareRootScheduler(1.0), 7), ''),
    (WarmupOverScheduler(EpochScheduler(steps, 2), 7), 'txngf'),
    (WarmupOverScheduler(EpochScheduler(down, 3), 7), ''),
    (ProductScheduler([EpochScheduler(down, 4), ramp]), ''),
    (InversePowerScheduler(10, 0.5), 'r'),
    (InversePowerScheduler(10, 0.5, 1), 'kp'),
    (InversePowerScheduler(10, 0.5, 1, 0.2), ''),
    (InversePowerScheduler(10, 0.5, 1, 0.7), 'mtxkirnpgf'),
    (WarmupScheduler(InversePowerScheduler(5, 0.5), 5), 'r'),
    (CooldownScheduler(20, 0.5, 0.5, 0.1), 'ir'),
    (CooldownScheduler(12.5, 0.5), ''),
    (CooldownScheduler(9, 0.1, 2, 0.5), 'i'),
    (TriangularScheduler(0.1, 0.5, 3, 7), 'tp'),
    (TriangularScheduler(0.0, 0.5, 2.5, 3, 0.5), 't'),
    (TriangularScheduler(0.1, 0.5, 4, 4, 0.9, 'update'), 'tp'),
    (WarmupScheduler(TriangularScheduler(0.1, 0.5, 3, 7, 0.9, 'update'), 5), 'p'),
    (cosine_cycles(2, 10, 0.9, 0.1, 1, 0.5), ''),
    (cosine_cycles(3, 5, 0.9, 0.1, 2), 'txnf'),
    (warmup_stable_cooldown(40, 0.5, 5, 16), 'ir'),
]
RUNS = [
    *((scheduler, 40, 'epoch', 1) for scheduler, _ in CASES),
    *((scheduler, 4, 'update', 10) for scheduler, _ in CASES),
    # a whole run of 3760 updates, and epochs of several updates
    (warmup_cosine(3760, 0.5, 470, 0.01), 40, 'update', 94),
    (FactorScheduler(0.9, 1e-2, 2.0), 40, 'epoch', 10),
]
# what no extra installs is run where it is there
FOREIGN = 'timm', 'paddle', 'gluoncv', 'fvcore'


def marks(library):
    return pytest.mark.foreign(library) if library in FOREIGN else ()


TESTED = [pytest.param(name, marks=marks(name)) for name in LIBRARIES]
SLACK = {'keras': 1e-12}  # in float64, from end to end


def executed(library):
    """Return what the code for each run leaves as `rates`, None if it says why not."""
    if library in ('mxnet', 'gluoncv'):
        import d2l_ext.mxnet  # noqa: F401 - MXNet needs its help
    if library == 'gluoncv':
        gluoncv_utils()
    if library == 'timm':
        bare('timm')  # the rest wants a torchvision for the PyTorch that is here
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


def bare(package):
    """Put a package there without its own `__init__`, and return its folder."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f'could not import {package!r}', allow_module_level=True)
    (folder,) = spec.submodule_search_locations
    whole = types.ModuleType(package)
    whole.__path__ = [folder]
    # or it is not found when it is looked for again
    whole.__spec__ = importlib.util.spec_from_loader(package, None, is_package=True)
    whole.__spec__.submodule_search_locations = [folder]
    sys.modules[package] = whole
    return folder


def gluoncv_utils():
    """Load GluonCV's schedulers alone: the rest wants a PyTorch of 2022."""
    spec = importlib.util.spec_from_file_location(
        'gluoncv.utils', os.path.join(bare('gluoncv'), 'utils', 'lr_scheduler.py')
    )
    utils = importlib.util.module_from_spec(spec)
    sys.modules['gluoncv.utils'] = utils
    spec.loader.exec_module(utils)


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
        plan = Plan(scheduler, num_epochs, per, batches)
        wanted = [plan.lr(t // batches, t) for t in range(plan.updates)]
        assert len(rates) == len(wanted), scheduler
        wrong = [
            (t, rate, want)
            for t, (rate, want) in enumerate(zip(rates, wanted))
            if abs(rate - want) > SLACK.get(library, 1e-7) * want + 1e-12
        ]
        assert not wrong, (scheduler, per, wrong[0])


# What it is written with


def has_classes(library, text):
    words = ['def rate', 'def schedule', '\nclass ']
    return not any(
        word in text for word in [*words, *['lambda t'] * (library == 'optax')]
    )


@pytest.mark.parametrize('scheduler, letters', CASES, ids=lambda v: repr(v)[:50])
def test_classes_of_the_library_come_before_formulas(scheduler, letters):
    for per in 'epoch', 'update':
        found = ''.join(
            letter
            for library, letter in LETTERS.items()
            if has_classes(library, code(scheduler, library, 40, per, 1))
        )
        assert found == letters


@pytest.mark.parametrize('library', LIBRARIES)
def test_the_code_fits_a_page_and_compiles(library):
    for run in RUNS:
        text = code(run[0], library, *run[1:])
        compile(text, library, 'exec')
        assert max(map(len, text.splitlines())) <= 120
        assert f' {library} {VERSIONS[library]}' in text.splitlines()[0]
        assert '\n\n\n\n' not in text
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


def test_timm_takes_its_own_class_only_where_it_says_the_same():
    # 7 // 0.7 is 9
    for step in 0.1, 0.7, 2.5:
        assert 'class Schedule' in code(FactorScheduler(0.9, 0, 2.0, step), 'timm', 40)
    for step in 1, 3, 4.0:
        assert 'StepLRSch' in code(FactorScheduler(0.9, 0, 2.0, step), 'timm', 40)
    cooled = code(warmup_stable_decay(40, 0.5, 5, 10), 'timm', 40)
    assert '# WSDLRScheduler is new in timm 1.0.31' in cooled


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


# Beyond the planned end

SAID = 'rises again', 'raises an error', 'has no floor', ', and no more'


def test_pytorch_rests_after_the_planned_end_or_the_code_says_what_it_does():
    pytest.importorskip('torch')
    loop = 'for epoch in range(40)'
    said = 0
    for scheduler, _ in CASES:
        text = code(scheduler, 'torch', 40, 'epoch', 1)
        if any(words in text for words in SAID):
            said += 1
            continue
        assert text.count(loop) == 1
        space = {}
        exec(text.replace(loop, 'for epoch in range(60)'), space)  # noqa: S102
        wanted = pytest.approx([scheduler(t) for t in range(60)], rel=1e-7, abs=1e-12)
        assert space['rates'] == wanted, scheduler
    assert said < 9


# A reader's functions

LEVEL = 0.5


def helped(t):
    return LEVEL**t


def own(t):
    """Halve in a way that no library can trace."""
    if t < 3:
        return 1.0
    return helped(math.sqrt(t / 10))


def another():
    level = 0.25

    def own(t):
        return level if t > 4 else 1

    return own


def of_a_notebook(*functions):
    for function in functions:
        function.__module__ = '__main__'
    return [LambdaScheduler(function, 0.5) for function in functions]


@pytest.mark.parametrize('library', ['d2l_ext', 'torch', 'optax', 'keras', 'ignite'])
def test_a_notebooks_functions_are_defined_in_the_code(library):
    pytest.importorskip(library)
    first, second = of_a_notebook(own, another())
    helped.__module__ = '__main__'
    both = SequentialScheduler([first, second, first], [10, 20])
    for per, run in ('epoch', (30, 'epoch', 1)), ('update', (3, 'update', 10)):
        text = code(both, library, *run)
        assert text.count('\ndef own(') == text.count('\ndef own_2(') == 1
        space = {}
        exec(text, space)  # noqa: S102
        wanted = [both(t) for t in range(30)]
        assert [*map(float, space['rates'])] == pytest.approx(wanted, rel=1e-6), per


def test_functions_of_one_name_from_two_modules_stay_two():
    twin = types.ModuleType('test_code_twin')
    exec('def halving(t):\n    return 1.0', twin.__dict__)  # noqa: S102
    sys.modules['test_code'] = sys.modules[__name__]
    sys.modules['test_code_twin'] = twin
    pair = [LambdaScheduler(halving, 0.3), LambdaScheduler(twin.halving, 0.3)]
    text = code(SequentialScheduler(pair, [5]), 'torch', 10)
    assert 'from test_code import halving\n' in text
    assert 'from test_code_twin import halving as halving_2\n' in text
    assert 'LambdaLR(optimizer, halving_2)' in text


def test_a_function_is_not_called_as_the_code_calls_its_own():
    def rate(t):
        return 1 / (1 + t)

    text = code(*of_a_notebook(rate), 'torch', 10, 'epoch', 1)
    assert 'def rate_2(t):' in text
    space = {}
    exec(text, space)  # noqa: S102
    assert space['rates'] == pytest.approx([0.5 / (1 + t) for t in range(10)])


@pytest.mark.parametrize('library', LIBRARIES)
def test_what_has_no_source_is_listed(library):
    nameless = LambdaScheduler(lambda t: 1 / (1 + t), 0.5)
    text = code(nameless, library, 10, 'epoch', 1)
    assert 'its function has no name' in text and '0.125, ' in text
    long = code(nameless, library, 40, 'update', 94)
    assert long.startswith(f'# {library} cannot express this, because its function')
    assert '3760 rates are' in long.replace('\n#', '')
    state = {'class': 1}

    def closed(t):
        return state['class'] / (1 + t)

    assert 'its function has no name' in code(*of_a_notebook(closed), library, 10)


def test_ordinary_python_is_looked_up_where_jax_traces():
    if not all(map(importlib.util.find_spec, ('jax', 'optax', 'keras'))):
        pytest.skip('jax, optax or keras is not installed')
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', os.path.basename(__file__), 'traced'],
        capture_output=True,
        check=False,
        text=True,
        cwd=os.path.dirname(__file__),
        env={**os.environ, 'KERAS_BACKEND': 'jax'},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    wanted = [0.5 * own(min(t, 19)) for t in range(25)]
    for rates in json.loads(run.stdout.splitlines()[-1]):
        assert rates == pytest.approx(wanted, rel=1e-6)


def traced():
    """Return the rates that optax and Keras ask for within a compiled function."""
    import jax

    results = []
    for library in 'optax', 'keras':
        space = {}
        text = code(LambdaScheduler(own, 0.5), library, 2, 'update', 10)
        exec(text, space)  # noqa: S102
        schedule = jax.jit(space['schedule'])
        results.append([float(schedule(t)) for t in range(25)])
    return results


if __name__ == '__main__':
    print(json.dumps(traced() if sys.argv[1] == 'traced' else executed(sys.argv[1])))
