"""Draw the shipped mini set from the full Fashion-MNIST: python -m d2l_ext.data.make_mini.

Prints what `data.FILES['mini']` has to say of the files written.
"""

import argparse
import gzip
import hashlib
import pprint
from pathlib import Path

import numpy as np

from d2l_ext.data.fashion_mnist import FILES, LABELS, MINI, load_fashion_mnist


def draw(labels, per_class, random):
    """Return sorted indices of `per_class` examples of every class in `labels` (n,).

    Sorted, the draw keeps the mixed order of the full set.

    >>> draw(np.array([0, 1] * 3), 3, np.random.RandomState(0))
    array([0, 1, 2, 3, 4, 5])
    """
    classes = [np.flatnonzero(labels == label) for label in range(len(LABELS))]
    chosen = [random.permutation(members)[:per_class] for members in classes]
    return np.sort(np.concatenate(chosen))


def make_mini(folder, per_class=(600, 100), seed=0):
    """Write the four gzipped idx files to `folder`; return their sizes and hashes."""
    # RandomState: NumPy promises that its stream never changes
    random = np.random.RandomState(seed)
    full = load_fashion_mnist('full')
    arrays = []
    for images, labels, count in zip(full[::2], full[1::2], per_class, strict=True):
        chosen = draw(labels, count, random)
        arrays += [images[chosen], labels[chosen].astype(np.uint8)]
    made = {}
    for name, array in zip(FILES['full'], arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>i4').tobytes()
        contents = header + array.tobytes()
        packed = gzip.compress(contents, mtime=0)
        (Path(folder) / f'{name}.gz').write_bytes(packed)
        made[name] = len(contents), hashlib.sha256(contents).hexdigest()
    return made


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=Path, default=MINI)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pprint.pprint(make_mini(arguments.folder), sort_dicts=False)
