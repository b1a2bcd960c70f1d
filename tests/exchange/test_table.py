"""Every family in every library: written, run, read back, written and run again.

Run by path, this file remakes `table.json` with the libraries that are installed, and
keeps what it says of the others; the versions stand there too, and nowhere else in the
tests. What is compared are the rates of 40 updates.
"""

import importlib.metadata
import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path

import pytest
from test_code import TESTED, bare, gluoncv_utils, has_classes, marks

from d2l_ext import __version__
from d2l_ext.exchange.code import LIBRARIES, code
from d2l_ext.exchange.read import schedule
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
    PolyScheduler,
    SequentialScheduler,
    SquareRootScheduler,
    WarmupScheduler,
    one_cycle,
    warmup_cosine,
    warmup_stable_decay,
)

os.environ.setdefault('KERAS_BACKEND', 'torch')
FILE = Path(__file__).parent / 'table.json'
N = 40
half, down = ConstantScheduler(0.5), CosineScheduler(20, 0.5, 0.01)
steps = MultiFactorScheduler([15, 30], 0.5, 0.5)
FAMILIES = {
    'constant': half,
    'inverse square root': SquareRootScheduler(1.0),
    'factor': FactorScheduler(0.5, 0, 0.5, step=10),
    'factor, with a floor': FactorScheduler(0.9, 0.1, 2.0),
    'multi-factor': steps,
    'polynomial': PolyScheduler(40, 0.5, 2, 0.1),
    'line': PolyScheduler(30, 0.5, 1, 0.1),
    'cosine': CosineScheduler(40, 0.5, 0.01),
    'cosine, then rest': down,
    'triangles': CyclicScheduler(0.1, 0.5, 4),
    'triangles, uneven': TriangularScheduler(0.1, 0.5, 3, 7),
    'triangles, ever lower': TriangularScheduler(0.1, 0.5, 4, 4, 0.9, 'update'),
    'cosines up and down': CyclicScheduler(0.1, 0.5, 6, 'cosine'),
    'restarts': CosineRestartsScheduler(10, 0.9, 0.1),
    'restarts, ever longer': CosineRestartsScheduler(5, 1.0, 0.0, 2),
    'a number of cosines': cosine_cycles(2, 10, 0.9),
    'lines through points': PiecewiseLinearScheduler([(0, 0.1), (5, 0.5), (25, 0)]),
    'one after another': SequentialScheduler([half, down], [15]),
    'warmup and cosine': warmup_cosine(40, 0.5, 5, 0.01),
    'warmup at a constant': WarmupScheduler(down, 5, 0.1, 'constant'),
    'warmup over a cosine': WarmupOverScheduler(CosineScheduler(40, 0.5), 5),
    'warmup that meets it': WarmupOverScheduler(down, 5, 0.1, target='meet'),
    'logarithmic warmup': LogWarmupScheduler(half, 15, 0.1),
    'one cycle': one_cycle(40, 0.5, 12, 0.02, 0.001),
    'warmup, stable, decay': warmup_stable_decay(40, 0.5, 5, 10),
    'the same, 1-sqrt': warmup_stable_cooldown(40, 0.5, 5, 16),
    'cooldown': CooldownScheduler(40, 0.5, 2, 0.1),
    'inverse sqrt, warm': WarmupScheduler(InversePowerScheduler(5, 0.5), 5),
    'inverse time': InversePowerScheduler(10, 0.5, 1),
    'growth': GrowthScheduler(1.1, 1e3, 0.01),
    'product': ProductScheduler([steps, WarmupScheduler(ConstantScheduler(1), 5, 0.1)]),
    'epochs within updates': EpochScheduler(steps, 2),
    'any function': LambdaScheduler(lambda t: 0.9**t, 0.5),
}
DISTRIBUTIONS = {'ignite': 'pytorch-ignite', 'paddle': 'paddlepaddle'}


def run(text):
    """Return what the code leaves as rates, and the scheduler that it builds, unused."""
    space, unused = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        exec(text, space)  # noqa: S102
        exec(text.split('\nrates = ')[0], unused)  # noqa: S102
    made = unused.get('schedule') or unused['scheduler']
    return [float(rate) for rate in space['rates']], made


def close(rates, wanted):
    return rates == pytest.approx(wanted, rel=1e-5, abs=1e-7)  # float32 here and there


def cell(scheduler, library, write=code):
    """Return 'class' or 'formula', and with '+' where it is read back and the same."""
    plan = Plan(scheduler, N, 'update', 1)
    wanted = [scheduler(t) for t in range(N)]
    text = write(plan, library)
    rates, made = run(text)
    assert close(rates, wanted), f'{library} gives other rates than {scheduler!r}'
    said = has_classes(library, text) and 'PLANNED' not in text
    word = 'class' if said else 'formula'
    # a function of MXNet's counts from 1, and nothing says so
    if library == 'd2l_ext' or not hasattr(made, '__dict__'):
        return word
    if library in ('mxnet', 'gluoncv') and word == 'formula':
        return word
    again = schedule(made, N, 'update', 1)
    assert close(again.rates().tolist(), wanted), f'{library}: read back as {again!r}'
    rates, _ = run(code(again, library))
    assert close(rates, wanted), f'{library}: written again from {again!r}'
    return word + '+'


def prepare(library):
    if library in ('mxnet', 'gluoncv'):
        import d2l_ext.mxnet  # noqa: F401 - MXNet needs its help
    if library == 'gluoncv':
        gluoncv_utils()
    elif library == 'timm' and importlib.util.find_spec('timm'):
        bare('timm')
    elif not importlib.util.find_spec(library):
        pytest.skip(f'{library} is not installed')


def version(library):
    if library == 'd2l_ext':
        return __version__
    found = importlib.metadata.version(DISTRIBUTIONS.get(library, library))
    return found.partition('+')[0]


def test_what_the_code_says_it_was_run_with_is_what_the_table_was_made_with():
    versions = json.loads(FILE.read_text())['versions']
    assert versions == {name: VERSIONS[name] for name in versions}
    assert {*LIBRARIES, 'jax'} == {*versions}


@pytest.mark.parametrize('library', TESTED)
def test_the_table_is_true(library):
    prepare(library)
    rows = json.loads(FILE.read_text())['rows']
    assert [*rows] == [*FAMILIES]
    found = {name: cell(s, library) for name, s in FAMILIES.items()}
    assert found == {name: rows[name][library] for name in FAMILIES}


MUTATIONS = [
    ('d2l_ext', 'cosine', 'max_update=40', 'max_update=39'),
    ('mxnet', 'cosine', 'max_update=41', 'max_update=40'),
    ('torch', 'multi-factor', 'milestones=[15, 30]', 'milestones=[16, 31]'),
    ('optax', 'warmup and cosine', 'decay_steps=40', 'decay_steps=35'),
    ('keras', 'multi-factor', 'boundaries=[14, 29]', 'boundaries=[15, 30]'),
    ('timm', 'multi-factor', 'decay_t=[16, 31]', 'decay_t=[15, 30]'),
    ('transformers', 'cosine', 'num_training_steps=40', 'num_training_steps=41'),
    ('ignite', 'cosine', 'cycle_size=40', 'cycle_size=39'),
    ('paddle', 'multi-factor', 'milestones=[15, 30]', 'milestones=[16, 31]'),
    ('gluoncv', 'cosine', 'offset=1', 'offset=0'),
    ('fvcore', 'cosine', 'update / 40', '(update + 1) / 40'),
]


def test_each_library_has_a_convention_to_get_wrong():
    assert [library for library, *_ in MUTATIONS] == [*LIBRARIES]


@pytest.mark.parametrize(
    ('library', 'family', 'right', 'wrong'),
    [pytest.param(*case, marks=marks(case[0])) for case in MUTATIONS],
)
def test_one_wrong_convention_is_noticed(library, family, right, wrong):
    prepare(library)

    def write(plan, library):
        text = code(plan, library)
        assert right in text
        return text.replace(right, wrong)

    with pytest.raises(AssertionError, match='gives other rates'):
        cell(FAMILIES[family], library, write)


def remake():
    table = json.loads(FILE.read_text()) if FILE.exists() else {}
    versions, rows = table.get('versions', {}), table.get('rows', {})
    for library in LIBRARIES:
        if not importlib.util.find_spec(library):
            print(f'{library} is not installed and stays as it was')
            continue
        prepare(library)
        versions[library] = version(library)
        for name, scheduler in FAMILIES.items():
            rows.setdefault(name, {})[library] = cell(scheduler, library)
    versions['jax'] = version('jax')
    ordered = {name: {lib: rows[name][lib] for lib in LIBRARIES} for name in FAMILIES}
    text = json.dumps({'versions': versions, 'rows': ordered}, indent=1)
    beside = FILE.with_suffix('.new')
    beside.write_text(text + '\n')
    beside.replace(FILE)
    print('| family | ' + ' | '.join(LIBRARIES) + ' |')
    print('|---' * (len(LIBRARIES) + 1) + '|')
    for name, row in ordered.items():
        print(f'| {name} | ' + ' | '.join(row.values()) + ' |')


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).parent))
    remake()
