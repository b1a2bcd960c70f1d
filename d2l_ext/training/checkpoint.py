"""A run on disk as it stood after an epoch: enough to go on with, bit for bit.

One file in NumPy's npz format, written whole or not at all, with nothing pickled in it.
"""

import io
import json
import os
import zipfile

import numpy

from d2l_ext.training._files import write_whole
from d2l_ext.training.history import History


def save(path, history, rng, arrays):
    """Write `history`, the state of `rng` and the {name: array} of a learner."""
    file = io.BytesIO()
    state = json.dumps(rng.bit_generator.state)
    named = {f'learner.{name}': array for name, array in arrays.items()}
    numpy.savez(file, history=history.to_json(), rng=state, **named)
    write_whole(path, file.getvalue())


def load(path, recipe):
    """Return what `save` wrote: (history, state of rng, arrays); None without a file.

    Raises ValueError if the file is none of ours, or of a run by another `recipe`.
    """
    if not os.path.exists(path):
        return None
    try:
        with numpy.load(path, allow_pickle=False) as file:
            history = History.from_json(str(file['history']))
            state = json.loads(str(file['rng']))
            arrays = {
                name.removeprefix('learner.'): file[name]
                for name in file.files
                if name.startswith('learner.')
            }
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'checkpoint {path} cannot be read ({error}): delete it to begin anew'
        ) from error
    for key in recipe:
        if history.recipe.get(key) != recipe[key]:
            raise ValueError(
                f'checkpoint {path} is of a run with {key} {history.recipe.get(key)!r}, '
                f'not {recipe[key]!r}: name another file, or delete it to begin anew'
            )
    return history, state, arrays
