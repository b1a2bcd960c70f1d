"""Draw the shipped mini set from the full Fashion-MNIST.

    python -m d2l_ext.data.make_mini [--folder FOLDER]

Prints what `fashion_mnist.FILES['mini']` has to say of the files written.
"""

import argparse
import gzip
import hashlib
import os
import pprint
from pathlib import Path

import numpy as np

from d2l_ext.data.fashion_mnist import FILES, LABELS, MINI, load_fashion_mnist


def draw(
    labels: np.ndarray, per_class: int, random: np.random.RandomState
) -> np.ndarray:
    """Return sorted indices of `per_class` examples of every class in `labels` (n,).

    Sorted, the draw keeps the mixed order of the full set.

    >>> draw(np.array([0, 1] * 3), 3, np.random.RandomState(0))
    array([0, 1, 2, 3, 4, 5])
    """
    classes = [np.flatnonzero(labels == label) for label in range(len(LABELS))]
    chosen = [random.permutation(members)[:per_class] for members in classes]
    return np.sort(np.concatenate(chosen))


def make_mini(
    folder: str | os.PathLike, per_class: tuple[int, int] = (600, 100), seed: int = 0
) -> dict[str, tuple[int, str]]:
    """Write the four gzipped idx files to `folder`; return their sizes and hashes.

    `per_class` is how many images of each class to train with and to test with. Sizes
    are in bytes, hashes SHA-256, both of the unpacked files.

    Raises OSError where the full set cannot be had.
    """
    # RandomState: NumPy promises that its stream never changes
    random = np.random.RandomState(seed)
    full = load_fashion_mnist('full')
    arrays = []
    for images, labels, count in zip(full[::2], full[1::2], per_class, strict=True):
        chosen = draw(labels, count, random)
        arrays += [images[chosen], labels[chosen].astype(np.uint8)]
    files = {}
    for name, array in zip(FILES['full'], arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>i4').tobytes()
        contents = header + array.tobytes()
        packed = gzip.compress(contents, mtime=0)
        (Path(folder) / f'{name}.gz').write_bytes(packed)
        files[name] = len(contents), hashlib.sha256(contents).hexdigest()
    return files


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=Path, default=MINI)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pprint.pprint(make_mini(arguments.folder), sort_dicts=False)
