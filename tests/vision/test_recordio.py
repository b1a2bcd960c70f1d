"""RecordIO written and read: records, images, folders; MXNet reads the same."""

import importlib
import importlib.util
import io

import numpy
import pytest

from d2l_ext.vision import recordio

MAGIC = recordio.MAGIC


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """A folder with train.rec, 60 images, and test.rec, 10 images."""
    folder = tmp_path_factory.mktemp('images')
    recordio.write_mini(folder, size=32, count=60)
    return folder


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'abc',
        MAGIC,
        b'abcd' + MAGIC,
        b'ab' + MAGIC + b'cd',  # not where a reader looks
        MAGIC * 3 + b'x',
        b'abcd' + MAGIC + b'ef' + MAGIC[:3],
    ],
)
def test_a_record_is_read_back_whole(data):
    file = io.BytesIO(recordio.record(data) + recordio.record(b'next'))
    assert recordio.read_record(file) == data
    assert recordio.read_record(file) == b'next'
    assert recordio.read_record(file) is None


def test_a_record_hides_the_magic_word():
    written = recordio.record(b'abcd' + MAGIC + b'ef')
    assert written == (
        MAGIC + b'\4\0\0\x20abcd' + MAGIC + b'\2\0\0\x60ef\0\0'  # first and last part
    )


def test_the_record_is_there_or_it_says_so(images, tmp_path):
    whole = (images / 'train.rec').read_bytes()
    broken = tmp_path / 'broken.rec'
    broken.write_bytes(whole[:100])
    with pytest.raises(ValueError, match='must be the index'):
        recordio.Records(broken)
    (tmp_path / 'broken.idx').write_text('0\t0\n1\t4\n2\t100\n')
    records = recordio.Records(broken)
    for i, reason in enumerate(['ends within', 'no record', 'has no record 2']):
        with open(broken, 'rb') as _, pytest.raises(ValueError, match=reason):
            records[i]


def test_the_shipped_images_are_in_the_file(images):
    from d2l_ext.data import load_fashion_mnist

    X, y, *_ = load_fashion_mnist('mini')
    records = recordio.images(images / 'train.rec')
    assert len(records) == 60
    image, label = records[7]
    assert (image.size, image.mode, label) == ((32, 32), 'RGB', y[7])
    assert abs(numpy.asarray(image).mean() - X[7].mean()) < 2


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    def failing():
        yield numpy.zeros((4, 4, 3), 'uint8'), 0
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        recordio.write(tmp_path / 'a.rec', failing())
    with pytest.raises(ValueError, match='one image or more'):
        recordio.write(tmp_path / 'a.rec', [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_becomes_a_file(images, tmp_path):
    records, folder = recordio.images(images / 'train.rec'), tmp_path / 'images'
    for i in range(len(records)):
        image, label = records[i]
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        image.save(folder / str(label) / f'{i:03}.png')
    recordio.main(['folder', str(folder), str(tmp_path / 'a.rec')])
    read, found = recordio.images(tmp_path / 'a.rec'), recordio.images(folder)
    assert found.classes == [str(label) for label in range(10)]

    def sums(images):
        pairs = (images[i] for i in range(len(images)))
        return sorted(
            (label, int(numpy.asarray(image).sum())) for image, label in pairs
        )

    assert sums(read) == sums(found) == sums(recordio.images(images / 'train.rec'))
    assert [read[i][1] for i in range(60)] != [found[i][1] for i in range(60)]
    with pytest.raises(ValueError, match='one subfolder of images for each class'):
        recordio.Folder(folder / '0')


@pytest.mark.skipif(
    not importlib.util.find_spec('mxnet'), reason='MXNet is not installed'
)
def test_mxnet_reads_what_we_write(images, tmp_path):
    from d2l_ext import mxnet  # noqa: F401 - first, as it makes MXNet importable

    theirs = importlib.import_module('mxnet.recordio')

    read = theirs.MXIndexedRecordIO(
        str(images / 'train.idx'), str(images / 'train.rec'), 'r'
    )
    header, data = theirs.unpack(read.read_idx(59))
    from PIL import Image

    image, label = recordio.images(images / 'train.rec')[59]
    assert (header.label, header.id) == (label, 59)
    assert (numpy.asarray(Image.open(io.BytesIO(data))) == numpy.asarray(image)).all()

    awkward = [b'', MAGIC, b'abcd' + MAGIC + b'ef', MAGIC * 2 + b'x', b'ab' + MAGIC]
    (tmp_path / 'ours').write_bytes(b''.join(map(recordio.record, awkward)))
    file = theirs.MXRecordIO(str(tmp_path / 'ours'), 'r')
    assert [file.read() for _ in awkward] == awkward
    file = theirs.MXRecordIO(str(tmp_path / 'theirs'), 'w')
    for data in awkward:
        file.write(data)
    file.close()
    assert (tmp_path / 'theirs').read_bytes() == (tmp_path / 'ours').read_bytes()
