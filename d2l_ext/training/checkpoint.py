"""A run on disk as it stood after an epoch: enough to go on with, bit for bit.

One file in NumPy's npz format, written whole or not at all, with nothing pickled in it.
What a run is, is compared by what it does: the rates of the whole run and the settings
of the optimizer, not how a schedule is printed (Python prints a function's address,
which no two processes share, and two lambdas alike).
"""

import copy
import dataclasses
import io
import json
import os
import zipfile

import numpy as np

from d2l_ext.plan import Plan
from d2l_ext.schedulers import PlateauScheduler
from d2l_ext.training._files import write_whole
from d2l_ext.training.history import History

REMEDY = (
    'make it a function of t alone, as d2l_ext.schedulers are, or leave checkpoint out'
)


class Checkpoint:
    """The file `path`, to which a run is saved after every epoch and goes on from.

    `plan` is what the run follows, and `settings` what else its updates depend on, such
    as {'momentum': 0.9}. With `extend` a run that was shorter goes on, where its past
    would be the same. Raises ValueError for a schedule that would go on otherwise than
    it would have gone without a stop, or that cannot be copied.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        plan: Plan,
        settings: dict | None = None,
        *,
        extend: bool = False,
    ):
        self.path, self.settings, self.extend = path, settings or {}, extend
        self.rates, self.rule = np.zeros(0), ''
        if isinstance(plan.scheduler, PlateauScheduler):
            self.rule = repr(plan.scheduler)  # it has no rates before the run
        else:
            rates = _unused(plan).rates()
            _check_resumed(plan, rates)
            self.rates = rates.repeat(plan.updates // plan.length)

    def save(
        self,
        history: History,
        rng: np.random.Generator,
        arrays: dict[str, np.ndarray],
    ) -> None:
        """Write `history`, the state of `rng` and the {name: array} of a learner."""
        file = io.BytesIO()
        np.savez(
            file,
            history=history.to_json(),
            rng=json.dumps(rng.bit_generator.state),
            rates=self.rates,
            rule=self.rule,
            settings=json.dumps(self.settings),
            **{f'learner.{name}': array for name, array in arrays.items()},  # type: ignore[arg-type]
        )
        write_whole(self.path, file.getvalue())

    def load(self, recipe: dict) -> tuple[History, dict, dict[str, np.ndarray]] | None:
        """Return what `save` wrote: (history, state of rng, arrays); None without a file.

        Raises ValueError if the file is none of ours, or of a run that differs from
        the one that `recipe`, the plan and the settings tell.
        """
        if not os.path.exists(self.path):
            return None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                history = History.from_json(str(file['history']))
                state = json.loads(str(file['rng']))
                rates, rule = file['rates'], str(file['rule'])
                settings = json.loads(str(file['settings']))
                arrays = {
                    name.removeprefix('learner.'): file[name]
                    for name in file.files
                    if name.startswith('learner.')
                }
        except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f'checkpoint {self.path} cannot be read ({error}): delete it to begin '
                'anew'
            ) from error
        self._compare_recipes(history.recipe, recipe)
        for name in sorted({*settings, *self.settings}):
            self._same(name, settings.get(name), self.settings.get(name))
        self._same('the schedule', rule, self.rule)
        self._compare_rates(rates, len(history.lr))
        if history.recipe.get('num_epochs') != recipe.get('num_epochs'):
            history.recipe = recipe
            if history.status == 'finished':
                history.status = 'running'
        return history, state, arrays

    def compare_weights(self, saved: dict, fresh: dict) -> None:
        """Raise ValueError if the arrays that were saved have not the shapes of `fresh`.

        Both are what a learner's `state` returns; only the weights are compared.
        """
        names = {name for name in (*saved, *fresh) if name.startswith('weight.')}
        for name in sorted(names):
            there, here = (
                arrays[name].shape if name in arrays else None
                for arrays in (saved, fresh)
            )
            self._same(f'another net: {name} of shape', there, here)

    def _compare_recipes(self, saved, recipe):
        for key in recipe.keys() - {'scheduler'}:
            there, here = saved.get(key), recipe[key]
            if key == 'num_epochs' and isinstance(there, int) and there < here:
                if self.extend:
                    continue
                raise ValueError(
                    f'checkpoint {self.path} is of a run of {there} epochs, not {here}: '
                    'extend=True goes on with it'
                )
            self._same(key, there, here)

    def _compare_rates(self, saved, done):
        n = done if self.extend else max(len(saved), len(self.rates))
        there, here = saved[:n], self.rates[:n]
        if np.array_equal(there, here):
            return
        both = min(len(there), len(here))
        differ = np.flatnonzero(there[:both] != here[:both])
        if differ.size:
            at = differ[0]
            self._same(f'the rate of update {at}', float(there[at]), float(here[at]))
        self._same('the number of rates', len(there), len(here))

    def _same(self, name, there, here):
        if there != here:
            raise ValueError(
                f'checkpoint {self.path} is of a run with {name} {there!r}, not '
                f'{here!r}: name another file, or delete it to begin anew'
            )


def _unused(plan):
    """Return the plan with a copy of its scheduler, which must not be used up here."""
    try:
        scheduler = copy.deepcopy(plan.scheduler)
    except (TypeError, copy.Error) as error:
        raise ValueError(
            f'scheduler {plan.scheduler!r:.80} cannot be copied ({error}), to see its '
            f'rates before the run: {REMEDY}'
        ) from error
    return dataclasses.replace(plan, scheduler=scheduler)


def _check_resumed(plan, rates):
    # as a resumed run asks: not from the start on, and for an epoch more than once
    resumed, start = _unused(plan), plan.length // 2
    for t in range(start, plan.length):
        for _ in range(2):
            lr = resumed.lr(t, t)
            if lr != rates[t]:
                raise ValueError(
                    f'scheduler must give the same rate for the same t whenever it is '
                    f'asked, got {float(rates[t])!r} and {lr!r} at {plan.per} {t} from '
                    f'{plan.scheduler!r:.80}: {REMEDY}'
                )
