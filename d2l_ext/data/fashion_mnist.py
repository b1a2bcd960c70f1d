"""Fashion-MNIST as NumPy arrays: a mini set that ships, the full set on demand."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import time
import urllib.request
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


LABELS = (
    't-shirt', 'trouser', 'pullover', 'dress', 'coat',
    'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot',
)  # fmt: skip

# Bytes and SHA-256 of the *unpacked* files: gzip writes a name and a time into its
# header, so packed copies of the same images differ from one distributor to the next
FILES = {
    'full': {
        'train-images-idx3-ubyte': (
            47040016,
            'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        ),
        'train-labels-idx1-ubyte': (
            60008,
            'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        ),
        't10k-images-idx3-ubyte': (
            7840016,
            '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        ),
        't10k-labels-idx1-ubyte': (
            10008,
            '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
        ),
    },
    'mini': {
        'train-images-idx3-ubyte': (
            4704016,
            '31d9353985a268ffa6acd0db936b5e5eb78d0be85e21a63d6f551abc3cd96f34',
        ),
        'train-labels-idx1-ubyte': (
            6008,
            'cd10004b6267f1cadf0991c11eb73f886275a70d4a715722e821c08253f61e2f',
        ),
        't10k-images-idx3-ubyte': (
            784016,
            '8689ff8e43c2dd21e1dd1ff62d7a48bf05f26f7e980c826cb5b2f56ee6899ca3',
        ),
        't10k-labels-idx1-ubyte': (
            1008,
            '3e97eeb68678a02c044cda0b2b2db4a266a2f44e9ad7e2cd9712f399754f2be7',
        ),
    },
}

# How many images each has, to train with and to test with
SIZES = {'mini': (6_000, 1_000), 'full': (60_000, 10_000)}

MINI = Path(__file__).parent / 'mini'
DEBIAN = Path('/usr/share/datasets/fashion-mnist')

# Keras's copy, the authors', and the one torchvision uses. The last has no https;
# the hash vouches for what it sends
MIRRORS = (
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets',
    'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
)

REMEDY = """What helps, any one of these:
  - run it again with a connection to the internet
  - put the four files, packed (.gz) or not, into a folder and name that folder
    in the environment variable D2L_EXT_DATA
  - on Debian or Ubuntu: sudo apt-get install dataset-fashion-mnist
  - subset='mini', which ships with d2l_ext and needs no download"""


def load_fashion_mnist(
    subset: str = 'mini',
    cache: str | os.PathLike | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> tuple[np.ndarray, ...]:
    """Return Fashion-MNIST as (train images, train labels, test images, test labels).

    Images are uint8 of shape (n, 28, 28), 0 for black to 255 for white; labels are
    int32 of shape (n,), indices into `LABELS`. Nothing is scaled: a backend divides
    by 255 on its device, so that a quarter of float32's bytes travel there.

    subset: 'mini' (6,000 / 1,000 images, ships with the package) or 'full'
        (60,000 / 10,000). The full set is looked for in the folder named by the
        environment variable D2L_EXT_DATA, in the cache, in Debian's folder and in
        gluon's, and else fetched (31 MB). A file counts only if its SHA-256 is right.
    cache: folder for fetched files, unpacked; None is `cache_folder()`
    mirrors: base addresses to fetch from, tried in order; () never connects

    Raises ValueError for another subset, OSError if a file cannot be had: the
    message lists every place tried and what was wrong there.

    >>> X, y, X_test, y_test = load_fashion_mnist()
    >>> X.shape, y.shape, X_test.shape, y_test.shape
    ((6000, 28, 28), (6000,), (1000, 28, 28), (1000,))
    >>> [LABELS[label] for label in y[:3]]
    ['t-shirt', 'sandal', 'trouser']

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017).
    """
    if subset not in FILES:
        raise ValueError(f"subset must be 'mini' or 'full', got {subset!r}")
    cache = cache_folder() if cache is None else Path(cache)
    arrays = []
    for name, (size, sha256) in FILES[subset].items():
        if subset == 'mini':
            contents = _shipped(name, size, sha256)
        else:
            contents = _searched(name, size, sha256, cache, mirrors)
        arrays.append(_array(contents))
    return tuple(arrays)


def scaled(subset: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (X, y) of training and of testing, as nets take them.

    X is float32 in [0, 1] of shape (n, 1, 28, 28), y int32 of shape (n,). Raises what
    `load_fashion_mnist` does.
    """
    arrays = load_fashion_mnist(subset)
    for images, labels in (arrays[:2], arrays[2:]):
        X = images.reshape(-1, 1, 28, 28).astype('float32') / 255
        yield X, labels.astype('int32')


def cache_folder() -> Path:
    """Return the folder for fetched files: d2l_ext in the user's cache.

    >>> cache_folder().name
    'd2l_ext'
    """
    root = os.environ.get('XDG_CACHE_HOME') or os.environ.get('LOCALAPPDATA')
    return Path(root or '~/.cache').expanduser() / 'd2l_ext'


def _array(contents):
    """Images (n, 28, 28) or labels (n,) from an unpacked, verified idx file."""
    import numpy as np  # the sizes of the sets are known without

    if contents[3] == 3:  # the number of axes; a header of 4 bytes for each follows
        return np.frombuffer(contents, np.uint8, offset=16).reshape(-1, 28, 28).copy()
    return np.frombuffer(contents, np.uint8, offset=8).astype(np.int32)


def _shipped(name, size, sha256):
    path = MINI / f'{name}.gz'
    try:
        return _verified(_read(path, size), size, sha256)
    except (OSError, ValueError) as error:
        raise OSError(
            f'{path}, a part of d2l_ext, is unusable: {error}. Install d2l_ext again.'
        ) from error


def _searched(name, size, sha256, cache, mirrors):
    """Contents of one file of the full set, from the first place that has it right."""
    tried = []
    cached = cache / name
    replace = False
    for path in _local_paths(name, cache):
        try:
            contents = _verified(_read(path, size), size, sha256)
        except FileNotFoundError:
            tried.append(f'{path}: not there')
        except (OSError, ValueError) as error:
            tried.append(f'{path}: {error}')
            replace = replace or path == cached
        else:
            if replace:
                _write_cache(cached, contents)
            return contents
    for mirror in mirrors:
        url = f'{mirror}/{name}.gz'
        try:
            contents = _verified(_download(url, size), size, sha256)
        except (OSError, ValueError, http.client.HTTPException) as error:
            tried.append(f'{url}: {str(error) or type(error).__name__}')
        else:
            _write_cache(cached, contents)
            return contents
    places = '\n  '.join(tried)
    raise OSError(
        f'No usable copy of {name}: expected {size} bytes with SHA-256 {sha256}.\n'
        f'Tried, in this order:\n  {places}\n{REMEDY}'
    )


def _local_paths(name, cache):
    chosen = os.environ.get('D2L_EXT_DATA')
    gluon = Path(os.environ.get('MXNET_HOME') or '~/.mxnet').expanduser()
    folders = [Path(chosen).expanduser()] if chosen else []
    folders += [cache, DEBIAN, gluon / 'datasets' / 'fashion-mnist']
    return [folder / f'{name}{end}' for folder in folders for end in ('', '.gz')]


def _read(path, size):
    # One byte too many is enough to see that a file is the wrong one
    with open(path, 'rb') as file:
        return file.read(size + 1)


def _verified(raw, size, sha256):
    """The unpacked contents of `raw`, gzipped or not; ValueError if they are wrong."""
    if raw[:2] == b'\x1f\x8b':
        try:
            raw = zlib.decompressobj(wbits=31).decompress(raw, size + 1)
        except zlib.error as error:
            digest = hashlib.sha256(raw).hexdigest()
            raise ValueError(
                f'damaged gzip file, {len(raw)} bytes with SHA-256 {digest} ({error})'
            ) from error
    if len(raw) > size:
        raise ValueError(f'more than {size} bytes')
    digest = hashlib.sha256(raw).hexdigest()
    if digest != sha256:
        raise ValueError(f'{len(raw)} bytes with SHA-256 {digest}, expected {sha256}')
    return raw


# Not pooch's: it begins a broken download anew, and ends without a cache to write to
def _download(url, size, tries=6, pause=1, timeout=15):
    """Bytes behind `url`; a connection that breaks is taken up where it broke.

    The parts stay in memory: nothing half-fetched is ever on disk, and several
    processes fetching at once know nothing of each other.
    """
    from tqdm import tqdm

    raw = bytearray()
    version = None
    with tqdm(desc=url.rpartition('/')[2], unit='B', unit_scale=True) as bar:
        for _ in range(tries):
            request = urllib.request.Request(url)
            if raw:
                time.sleep(pause)
                request.add_header('Range', f'bytes={len(raw)}-')
                if version:
                    request.add_header('If-Range', version)
            try:
                with urllib.request.urlopen(request, timeout=timeout) as response:
                    if response.status != 206:  # the whole file, whatever was asked
                        raw.clear()
                    version = response.headers['ETag']
                    total = len(raw) + int(response.headers['Content-Length'] or 0)
                    bar.total = total
                    while chunk := response.read(1 << 16):
                        raw += chunk
                        if len(raw) > size:
                            raise ValueError(f'more than {size} bytes')
                        bar.update(len(raw) - bar.n)
                if len(raw) >= total:
                    return bytes(raw)
                reason = 'connection broke'
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
                # A server that sent nothing at all is no better than the next mirror
                if not raw:
                    raise
    raise ConnectionError(f'{reason} ({len(raw)} bytes after {tries} tries)')


def _write_cache(path, contents):
    """Put verified contents into the cache in one step; a full disk is no error."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp('.part', f'{path.name}.', path.parent)
        with open(handle, 'wb') as file:
            file.write(contents)
        os.replace(part, path)
    except OSError as error:
        warnings.warn(
            f'{path} could not be kept ({error}): the next run fetches it again. '
            'Set XDG_CACHE_HOME to a folder with room that you may write to.',
            RuntimeWarning,
            stacklevel=4,
        )
    finally:
        if part:
            Path(part).unlink(missing_ok=True)
