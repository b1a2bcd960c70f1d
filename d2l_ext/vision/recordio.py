"""RecordIO, the file in which MXNet keeps an image set: written and read by itself.

    python -m d2l_ext.vision.recordio mini FOLDER --size 64      # from the shipped images
    python -m d2l_ext.vision.recordio folder IMAGES OUT.rec      # one subfolder for each class

A record is a magic word, a word of 3 bits that tell the parts of a split record and 29
bits of length, and the data, filled up to 4 bytes. Data that contain the magic word,
where a reader would look for it, are split there. OUT.idx, beside it, says where each
record begins. Pillow, which comes with Matplotlib, packs and unpacks the images.
"""

import argparse
import bisect
import io
import os
import pathlib
import struct
import sys

import numpy as np

from d2l_ext.data.fashion_mnist import LABELS, load_fashion_mnist

MAGIC = struct.pack('<I', 0xCED7230A)
WHOLE, FIRST, MIDDLE, LAST = range(4)
HEADER = struct.Struct('<IfQQ')  # label count or 0, label, number, unused
SUFFIXES = '.jpg', '.jpeg', '.png', '.bmp', '.webp'


def record(data):
    """Return the bytes `data` as they stand in a RecordIO file.

    >>> record(b'abc').hex(' ', 4)
    '0a23d7ce 03000000 61626300'

    Raises ValueError from 512 MiB on. Source: dmlc-core, `recordio.h`.
    """
    words, begin, parts = len(data) // 4 * 4, 0, []
    at = data.find(MAGIC)
    while 0 <= at < words:
        if at % 4 == 0:
            parts.append(data[begin:at])
            begin = at + 4
        at = data.find(MAGIC, at + 1)
    parts.append(data[begin:])
    written = []
    for i, part in enumerate(parts):
        if len(part) >= 1 << 29:
            raise ValueError(f'a record must be below 512 MiB, got {len(part)} bytes')
        kind = WHOLE
        if len(parts) > 1:
            kind = FIRST if i == 0 else LAST if i == len(parts) - 1 else MIDDLE
        word = struct.pack('<I', kind << 29 | len(part))
        written += [MAGIC, word, part, bytes(-len(part) % 4)]
    return b''.join(written)


def read_record(file):
    """Return the data of the record at which the open `file` stands; None at its end.

    Raises ValueError where there is no record.
    """
    parts = []
    while True:
        head = file.read(8)
        if not head and not parts:
            return None
        if len(head) < 8 or head[:4] != MAGIC:
            raise ValueError(f'{_name(file)} has no record where one should be')
        (word,) = struct.unpack('<I', head[4:])
        kind, length = word >> 29, word & (1 << 29) - 1
        data = file.read(length + -length % 4)
        if len(data) < length:
            raise ValueError(
                f'{_name(file)} ends within a record: it was not copied whole'
            )
        parts.append(data[:length])
        if kind in (WHOLE, LAST):
            return MAGIC.join(parts)


def _name(file):
    return getattr(file, 'name', 'the file')


def write(path, images, suffix='.png'):
    """Write (image, label) pairs to the RecordIO file `path` and its index, whole.

    Images are uint8 of shape (height, width, 3), or bytes of a file of pictures, which
    are kept as they are. Both appear under their names at the end, the index last.
    Returns how many there are. Raises ValueError for an array of another shape.
    """
    path, count = pathlib.Path(path), 0
    index = path.with_suffix('.idx')
    parts = {final: pathlib.Path(f'{final}.part') for final in (path, index)}
    try:
        with (
            open(parts[path], 'wb') as out,
            open(parts[index], 'w', encoding='utf-8') as places,
        ):
            for count, (image, label) in enumerate(images, 1):
                data = image if isinstance(image, bytes) else _packed(image, suffix)
                places.write(f'{count - 1}\t{out.tell()}\n')
                out.write(record(HEADER.pack(0, label, count - 1, 0) + data))
        if not count:
            raise ValueError(f'{path} must hold one image or more, got none')
        for final, part in parts.items():
            os.replace(part, final)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return count


class Records:
    """The images of a RecordIO file: `records[i]` is (Pillow image in RGB, label).

    The places come from the index beside it. Each image is read by itself, so that many
    processes can read the same file.

    Raises ValueError if there is no index, or no record where it says.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        index = pathlib.Path(path).with_suffix('.idx')
        try:
            lines = index.read_text('utf-8').split('\n')
            self.places = np.array([int(line.split()[1]) for line in lines if line])
        except (FileNotFoundError, IndexError, ValueError) as error:
            raise ValueError(
                f'{index} must be the index of {self.path} ({error}): '
                'write both with python -m d2l_ext.vision.recordio, or im2rec.py of MXNet'
            ) from error

    def __len__(self):
        return len(self.places)

    def __getitem__(self, i):
        with open(self.path, 'rb') as file:
            file.seek(self.places[i])
            data = read_record(file)
        if data is None:
            raise ValueError(f'{self.path} has no record {i}: its index is of another')
        count, label, _, _ = HEADER.unpack_from(data)
        begin = HEADER.size
        if count:  # several labels, of which the first is the class
            label = struct.unpack_from('<f', data, begin)[0]
            begin += 4 * count
        return _opened(data[begin:]), int(label)


class Folder:
    """The images of a folder with one subfolder for each class, as `Records`.

    Classes and files are in the order of their names, as torchvision's `ImageFolder`.
    Raises ValueError for a folder without any image.
    """

    def __init__(self, path):
        root = pathlib.Path(path)
        folders = sorted(item for item in root.iterdir() if item.is_dir())
        self.classes = [folder.name for folder in folders]
        self.files, self.ends = [], []
        for folder in folders:
            files = sorted(folder.rglob('*'))
            self.files += [file for file in files if file.suffix.lower() in SUFFIXES]
            self.ends.append(len(self.files))
        if not self.files:
            raise ValueError(
                f'{path} must hold one subfolder of images for each class, got none'
            )

    def __len__(self):
        return len(self.files)

    def label(self, i):
        """Return the number of the class of file `i`."""
        return bisect.bisect_right(self.ends, i)

    def __getitem__(self, i):
        return _opened(self.files[i].read_bytes()), self.label(i)


def images(path):
    """Return the `Folder` or `Records` at `path`."""
    return Folder(path) if pathlib.Path(path).is_dir() else Records(path)


def write_mini(folder, size=64, count=None, suffix='.png'):
    """Write train.rec and test.rec of the shipped images, in RGB, to `folder`.

    Each is scaled up from 28 to `size` pixels a side. `count`: how many for training,
    and a sixth of it for testing; None for all.
    """
    from PIL import Image

    arrays = load_fashion_mnist('mini')
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for name, X, y in zip(('train', 'test'), arrays[::2], arrays[1::2], strict=True):
        n = count and (count if name == 'train' else max(count // 6, len(LABELS)))
        pairs = (
            (np.asarray(Image.fromarray(x).resize((size, size)).convert('RGB')), label)
            for x, label in zip(X[:n], y[:n], strict=True)
        )
        write(pathlib.Path(folder) / f'{name}.rec', pairs, suffix)


def write_folder(folder, path, seed=0):
    """Write the images of a `Folder` to the RecordIO file `path`, in a random order.

    The files go in as they are. An order at random lets a reader shuffle by pieces.
    """
    images = Folder(folder)
    order = np.random.default_rng(seed).permutation(len(images))
    return write(path, ((images.files[i].read_bytes(), images.label(i)) for i in order))


def _packed(image, suffix):
    from PIL import Image

    file = io.BytesIO()
    kind = {'.png': 'PNG', '.jpg': 'JPEG'}.get(suffix)
    if kind is None:
        raise ValueError(f"suffix must be '.png' or '.jpg', got {suffix!r}")
    Image.fromarray(image).save(
        file, kind, **({'quality': 95} if kind == 'JPEG' else {})
    )
    return file.getvalue()


def _opened(data):
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert('RGB')


def main(arguments=None):
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.vision.recordio')
    commands = parser.add_subparsers(required=True, dest='command')
    mini = commands.add_parser('mini', help='write the shipped images')
    mini.add_argument('folder')
    mini.add_argument('--size', type=int, default=64)
    mini.add_argument('--count', type=int)
    mini.add_argument('--suffix', default='.png', help='.png or .jpg')
    folder = commands.add_parser('folder', help='write a folder of images')
    folder.add_argument('folder')
    folder.add_argument('path')
    chosen = vars(parser.parse_args(arguments))
    {'mini': write_mini, 'folder': write_folder}[chosen.pop('command')](**chosen)


if __name__ == '__main__':
    sys.exit(main())
