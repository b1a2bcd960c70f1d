"""Runs again what is recorded, and says whether the same comes out."""

import dataclasses
import math
import random
import statistics
from collections.abc import Collection, Iterable

from d2l_ext.experiments import record, store
from d2l_ext.training.history import History

MEASURES = 'train_loss', 'train_acc', 'test_acc'
SAME = 'bit for bit'
WITHIN = "within the seeds' band (another environment)"
FAILURES = (
    'DIFFERS in the same environment: has the code changed, or the processor?',
    "OUTSIDE the seeds' band",
)


def verify(
    names: Collection[str],
    sample: int = 3,
    num_epochs: int | None = None,
    seed: int | None = None,
    jobs: int = 1,
    backend: str = 'mxnet',
) -> list[tuple[str, int]]:
    """Run a random `sample` of what is recorded again; return (name, seed) of failures.

    The first `num_epochs` epochs are compared, or all, with the kernels of the
    recording: bit for bit in its environment, in another one within the band of its
    seeds (see `in_band`). Prints a line for each run. `seed` draws the sample.

    Raises ValueError if there is nothing to verify, or no such recipe or backend.
    """
    recorded = [(name, s) for name in names for s in store.seeds(name, backend)]
    if not recorded:
        raise ValueError(f'nothing is recorded of {", ".join(names)}: record it first')
    chosen = random.Random(seed).sample(recorded, min(sample, len(recorded)))
    batches = []
    for name, s in chosen:
        recipe = store.find(name, backend)
        epochs = min(num_epochs or recipe.num_epochs, recipe.num_epochs)
        batches.append([(name, s, dataclasses.replace(recipe, num_epochs=epochs))])
    failed = []
    runs = {
        name: dict(zip(store.seeds(name, backend), store.load(name, backend)))
        for name in {name for name, _ in chosen}
    }
    kernels = {
        (name, s): _environment(runs[name][s]).get('kernels') for name, s in chosen
    }
    made = record.compute(batches, jobs, backend, kernels=kernels)
    for [(name, s, _)], [again] in made:
        result = compared(runs[name][s], again, runs[name].values())
        print(f'{name} {s}, {len(again.train_loss)} epochs: {result}', flush=True)
        if result in FAILURES:
            failed.append((name, s))
    return failed


def compared(recorded: History, again: History, runs: Iterable[History]) -> str:
    """Return in words how far the run `again` is the one that was `recorded`.

    `runs` are the recorded histories of all seeds.
    """
    epochs, updates = len(again.train_loss), len(again.lr)
    same = recorded.lr[:updates] == again.lr and all(
        # as text, because a nan is not equal to itself
        repr(getattr(recorded, measure)[:epochs]) == repr(getattr(again, measure))
        for measure in MEASURES
    )
    if same:
        return SAME
    if _environment(recorded) == _environment(again):
        return FAILURES[0]
    return WITHIN if in_band(again, runs) else FAILURES[1]


def in_band(history: History, runs: Iterable[History]) -> bool:
    """Tell whether a run ends its last epoch where the same recipe's `runs` were then.

    The band of a measure is m ± 4 s sqrt(1 + 1/n), with mean m and standard deviation s
    of n >= 2 runs. A loss that is not finite is in the band where one of theirs is not.

    >>> runs = [History({}, [loss], [0.5], [0.5]) for loss in (1.0, 1.1, 1.2)]
    >>> [in_band(History({}, [loss], [0.5], [0.5]), runs) for loss in (0.7, 0.6)]
    [True, False]
    """
    last = len(history.train_loss) - 1
    runs = [run for run in runs if len(run.train_loss) > last]
    if not math.isfinite(history.train_loss[last]):
        return any(not math.isfinite(run.train_loss[last]) for run in runs)
    runs = [run for run in runs if math.isfinite(run.train_loss[last])]
    if len(runs) < 2:
        return False
    for measure in MEASURES:
        values = [getattr(run, measure)[last] for run in runs]
        width = 4 * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))
        off = abs(getattr(history, measure)[last] - statistics.fmean(values))
        if off > width + 1e-12:
            return False
    return True


def _environment(history):
    """Return what the bits of a run depend on: MXNet had one kind of kernels at first."""
    said = history.environment
    if 'mxnet' in said:
        said = {'kernels': 'plain'} | said
    return {name: value for name, value in said.items() if name != 'date'}
