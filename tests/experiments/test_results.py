"""Means, paired differences and verdicts, against numbers worked out elsewhere."""

import math
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_ext.experiments import (
    RECIPES,
    comparison,
    difference,
    failed,
    load,
    store,
    table,
    verdict,
)
from d2l_ext.experiments.__main__ import main
from d2l_ext.experiments.book import BOOK_RESULTS
from d2l_ext.experiments.statistics import Paired, paired, student_t
from d2l_ext.experiments.tables import BOOK_ROWS, control
from d2l_ext.experiments.verdicts import (
    CLAIMS,
    early_loss,
    gap,
    roughness,
    train_loss,
    verdicts,
)
from d2l_ext.training import History

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store, 'RUNS', tmp_path)
    return tmp_path


def keep(name, *runs):
    """Save runs of a recipe, each given as (train loss, train acc, test acc)."""
    for seed, (loss, train_acc, test_acc) in enumerate(runs):
        run = History({}, [loss], [train_acc], [test_acc], [0.5] * 2)
        store.save(run, name, seed)


def words(text, name):
    (row,) = (line for line in text.splitlines() if line.startswith(f'{name} '))
    return row.split()[1:]


def test_a_table_by_hand(folder):
    keep('cosine_0.5', (1.0, 0.6, 0.5), (2.0, 0.6, 0.5), (2.3029, 0.6, 0.5))
    assert words(table(['cosine_0.5']), 'cosine_0.5') == (
        ['3', '1.500', '±', '0.707', '0.600', '±', '0.000', '0.500', '±', '0.000', '1']
    )


def test_one_seed_has_no_spread_and_a_diverged_one_no_mean(folder):
    keep('cosine_0.5', (math.nan, 0.6, 0.5))
    assert words(table(['cosine_0.5']), 'cosine_0.5') == ['1', 'none', 'learned', '1']
    keep('cosine_0.5', (math.nan, 0.6, 0.5), (0.2, 0.6, 0.5))
    expected = ['2', '0.200', '0.600', '0.500', '1']
    assert words(table(['cosine_0.5']), 'cosine_0.5') == expected


def test_a_table_calls_recipes_what_it_is_told_to():
    head, row = table({'from a half': 'cosine_0.5'}).splitlines()
    assert head.startswith('schedule     seeds') and row.startswith('from a half  10 ')
    everything = table().splitlines()
    recorded = [name for name in RECIPES if store.seeds(name)]
    assert [line.split()[0] for line in everything] == ['recipe', *recorded]


def test_a_run_that_ran_away_is_counted_and_in_no_mean(folder):
    """Such a loss made a verdict of +4.3e+10 ± 4.3e+10 of two schedules much alike."""
    dead = [(1e11, 0.1, 0.1), (2.3026, 0.1, 0.1), (math.inf, 0.1, 0.1)]
    keep('full_cosine', (0.3, 0.9, 0.8), (0.2, 0.9, 0.8), *dead)
    keep('full_warmup_cosine', (0.5, 0.9, 0.9), (0.4, 0.9, 0.9), *[(0.4, 0.9, 0.9)] * 3)
    assert repr(verdict('initially')) == 'refuted: +0.200 ± 0.000 over 2 seeds'
    pairs = difference('full_warmup_cosine', 'full_cosine')
    assert repr(pairs) == '+0.100 ± 0.000 over 2 seeds'
    row = words(table(['full_cosine']), 'full_cosine')
    assert row[:2] + row[-1:] == ['5', '0.250', '3']
    keep('full_constant', *[(2.3026, 0.1, 0.1)] * 5)
    nothing = difference('full_cosine', 'full_constant')
    assert repr(nothing) == 'no seed with which both learned'
    assert (nothing.n, nothing.seeds_needed()) == (0, math.inf)
    assert nothing.interval == (-math.inf, math.inf)
    row = words(comparison(['full_cosine']), 'full_cosine')
    assert row[-2:] == ['none', 'full_constant']


def test_a_plain_table_wants_recordings(folder):
    with pytest.raises(ValueError, match='is not recorded'):
        table(['cosine_0.5'])
    with pytest.raises(ValueError, match='no recipe'):
        table(['sine'])


def test_a_comparison_by_hand(folder):
    """Differences of .1, .2, .3, so s = .1; of 5 seeds (2.776 + 0.941)^2 / 4 = 3.5."""
    keep('full_constant', *[(0.2, 0.9, acc) for acc in (0.5, 0.5, 0.5, 0.6)])
    keep('full_cosine', *[(0.1, 0.9, acc) for acc in (0.6, 0.7, 0.8)])
    text = comparison(['full_cosine', 'full_constant', 'full_linear'])
    assert words(text, 'full_cosine')[-8:] == (
        ['0.353', '0.873', '0.867', '+0.200', '±', '0.058', '5', 'full_constant']
    )
    assert words(text, 'full_constant')[-3:] == ['0.197', '0.923', '0.823']
    assert words(text, 'full_linear') == ['0', 'not', 'recorded']
    with pytest.raises(ValueError, match='no recipe'):
        comparison(['sine'])


def test_a_comparison_needs_a_control_with_the_same_seed(folder):
    keep('cosine_0.3', (0.1, 0.9, 0.9))
    row = words(comparison(['cosine_0.3']), 'cosine_0.3')
    assert row == ['1', '0.100', '0.900', '0.900', 'constant_0.3']
    keep('constant_0.3', (0.1, 0.9, 0.8))
    row = words(comparison(['cosine_0.3']), 'cosine_0.3')
    assert row[-2:] == ['+0.100', 'constant_0.3']
    with pytest.raises(ValueError, match=r"'constant_0\.5' is not recorded"):
        difference('cosine_0.3', 'constant_0.5')


def test_the_book_stands_beside_its_own_recipes():
    assert set(BOOK_ROWS) <= set(RECIPES)
    assert set(BOOK_ROWS.values()) == set(BOOK_RESULTS)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('warmup_cosine_0.3', 'constant_0.3'),
        ('cosine_printed', 'constant_0.5'),
        ('constant_0.3', 'constant_0.5'),
        ('constant_0.5', None),
        ('warmup_start_0.5', 'start_0.5'),
        ('full_square_root', 'full_constant'),
        ('full_constant_mean', 'full_constant'),
        ('poly_0.6_2', 'constant_0.6'),
        ('batch_16_0.1', None),
    ],
)
def test_a_control_is_a_constant_rate_on_the_same_data(name, expected):
    assert control(name) == expected


def test_students_quantiles_are_scipys():
    stats = pytest.importorskip('scipy.stats')
    for df in range(1, 60):
        for p in 0.5, 0.8, 0.975:
            assert student_t(df, p) == pytest.approx(stats.t.ppf(p, df), abs=1e-9)
    for df in 1001, 10**5:
        assert student_t(df) == pytest.approx(stats.t.ppf(0.975, df), abs=1e-5)


def test_the_interval_holds_the_truth_nineteen_times_in_twenty():
    rng = random.Random(0)
    held = 0
    for _ in range(4000):
        low, high = paired([rng.gauss(1, 2) for _ in range(4)], [0] * 4).interval
        held += low < 1 < high
    assert held / 4000 == pytest.approx(0.95, abs=0.012)


def test_as_many_seeds_as_it_says_find_the_difference_four_times_in_five():
    rng = random.Random(1)
    for mean, n in (0.6, 24), (1.5, 6), (2.5, 4):  # as exact power says, too
        assert Paired(mean, 1.0, 5).seeds_needed() == n
        found = 0
        for _ in range(4000):
            drawn = paired([rng.gauss(mean, 1) for _ in range(n)], [0] * n)
            found += not drawn.interval[0] <= 0 <= drawn.interval[1]
        assert 0.78 < found / 4000 < 0.9
    assert Paired(1e-6, 1.0, 5).seeds_needed() == pytest.approx(7.849e12, rel=1e-3)


def test_no_count_of_seeds_contradicts_a_verdict():
    undecided = 0
    for name in RECIPES:
        other = control(name)
        if other and store.seeds(name) and store.seeds(other):
            pairs = difference(name, other)
            low, high = pairs.interval
            if low <= 0 <= high:
                undecided += 1
                assert pairs.seeds_needed() > pairs.n
    assert undecided > 5


def test_no_difference_takes_no_number_of_seeds():
    assert paired([1.0, 1.0], [1.0, 1.0]).seeds_needed() == math.inf
    assert paired([2.0, 2.0], [1.0, 1.0]).seeds_needed() == 2
    assert paired([math.nan, 2.0], [1.0, 1.0]).seeds_needed() == math.inf
    assert paired([2.0], [1.0]).interval == (-math.inf, math.inf)
    with pytest.raises(ValueError, match='no pair'):
        paired([], [])
    with pytest.raises(ValueError, match='must be pairs, got 2 and 1'):
        paired([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ('accuracies', 'answer'),
    [
        ((0.80, 0.81, 0.79), 'confirmed'),  # each below the control's 0.9
        ((0.95, 0.96, 0.95), 'refuted'),
        ((0.80, 0.99, 0.90), 'not distinguishable'),
        ((0.80,), 'not recorded yet'),
    ],
)
def test_a_verdict_is_where_the_interval_is(folder, accuracies, answer):
    keep('full_constant', *[(0.2, 0.9, 0.9)] * 3)
    keep('full_cosine', *[(0.2, 0.9, acc) for acc in accuracies])
    assert verdict('no improvement').answer == answer
    assert verdict('no improvement', variant='as printed').answer == 'not recorded yet'


def test_verdicts_are_told_claim_by_claim(folder):
    keep('full_constant', *[(0.2, 0.9, 0.9)] * 3)
    keep('full_cosine', *[(0.2, 0.9, acc) for acc in (0.80, 0.81, 0.79)])
    assert verdicts('no improvement').splitlines() == [
        'cosine: no higher test acc than a constant rate',
        '  full set, as meant    confirmed: -0.100 ± 0.006 over 3 seeds',
        '  full set, as printed  not recorded yet',
        '  mini set, as meant    not recorded yet',
        '  mini set, as printed  not recorded yet',
    ]


def test_what_learned_nothing_does_not_overfit_less(folder):
    keep('full_constant', *[(0.2, 0.9, 0.8)] * 3, (2.3026, 0.1, 0.1))
    keep('full_square_root', *[(2.3026, 0.1, 0.1)] * 4)
    assert 'learned nothing' in verdict('less overfitting').answer
    assert verdict('overfitting').pairs.n == 3
    assert verdict('overfitting').answer == 'confirmed'


def test_measures_by_hand():
    run = History({}, [1, 0.9, 0.8, 0.7, 0.6, 0.5], [0.9] * 6, [0, 0.1, 0.2, 0.2])
    assert early_loss(run) == 0.6
    assert train_loss(run) == 0.5
    assert gap(run) == pytest.approx(0.7)
    assert roughness(run) == pytest.approx(0.05)  # bends of 0 and 0.1
    assert math.isnan(early_loss(History({}, [1, math.nan])))


def test_claims_are_about_recipes():
    for claim in CLAIMS.values():
        for names in claim.runs.values():
            assert set(filter(None, names)) <= set(RECIPES)
    with pytest.raises(ValueError, match=r"one of overfitting, .* got 'sine'"):
        verdict('sine')
    with pytest.raises(ValueError, match='one of overfitting, '):
        verdicts('sine')
    with pytest.raises(ValueError, match=r"looked at full as meant, .* 'as printed'"):
        verdict('overfitting', variant='as printed')


def test_the_table_needs_no_framework_and_no_second():
    code = """
import sys
from tests.clock import quiet_seconds
def work():
    from d2l_ext.experiments.__main__ import main
    main(['table'])
seconds = quiet_seconds(work)
heavy = {'mxnet', 'torch', 'matplotlib', 'joblib', 'scipy', 'tqdm', 'filelock', 'numpy'}
assert not heavy & {*sys.modules}
print(seconds)
"""
    command, took = [sys.executable, '-c', code], []
    while len(took) < 5 and min(took, default=1) >= 1:
        run = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=ROOT
        )
        *shown, seconds = run.stdout.splitlines()
        took.append(float(seconds))
    assert min(took) < 1
    assert [line.split()[0] for line in shown[1 : 1 + len(RECIPES)]] == list(RECIPES)
    assert shown[2 + len(RECIPES)].startswith('a constant rate overfits')


def test_the_table_of_nothing_says_so(folder, capsys):
    assert main(['table']) is None
    shown = capsys.readouterr().out
    assert shown.count('not recorded\n') == len(RECIPES)
    assert 'not recorded yet' in shown


def test_failed_is_told_by_the_loss_of_guessing():
    assert [failed(History({}, [x], [], [])) for x in (2.30, 2.29, math.nan)] == (
        [True, False, True]
    )
    assert sum(map(failed, load('square_root_1.0'))) == 5


def ended(name):
    """Return the test accuracy of the runs that learned, as the README writes it."""
    runs = load(name)
    ends = [run.test_acc[-1] for run in runs if not failed(run)]
    mean = f'{statistics.fmean(ends):.3f}' if ends else 'none'
    if len(ends) > 1:
        mean += f' ± {statistics.stdev(ends):.3f}'
    return mean if len(ends) == len(runs) else f'{mean} ({len(ends)} of {len(runs)})'


def test_the_readmes_results_are_those_recorded():
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    rows = re.findall(
        r'^\| (.+?) \| (0\.\d+) \| (.*?) \| (.+?) \|$', readme, re.MULTILINE
    )
    names = {title: name for name, title in reversed(BOOK_ROWS.items())}
    assert [title for title, *_ in rows] == [*BOOK_RESULTS]
    for title, book, printed, meant in rows:
        assert book == f'{BOOK_RESULTS[title][2]:.3f}'
        name = names[title]
        assert meant == ended(name)
        assert printed == ('' if title == 'constant' else ended(f'{name}_printed'))
