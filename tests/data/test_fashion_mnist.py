"""Fashion-MNIST: the shipped set is the real one, and no bad file is ever trusted."""

import gzip
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from d2l_ext.data import fashion_mnist as data
from d2l_ext.data import load_fashion_mnist, make_mini
from tests.clock import quiet_seconds

IMAGES = 'train-images-idx3-ubyte'


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>i4').tobytes()
    return header + array.tobytes()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A full set of 700 random images: its unpacked files, with the hashes in place."""
    random = np.random.default_rng(0)
    contents = {}
    for name in data.FILES['full']:
        n = 600 if 'train' in name else 100
        shape = (n, 28, 28) if 'images' in name else (n,)
        contents[name] = idx(random.integers(10, size=shape, dtype=np.uint8))
    files = {
        name: (len(file), hashlib.sha256(file).hexdigest())
        for name, file in contents.items()
    }
    monkeypatch.setitem(data.FILES, 'full', files)
    monkeypatch.setattr(data, 'DEBIAN', tmp_path / 'debian')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('MXNET_HOME', str(tmp_path / 'mxnet'))
    monkeypatch.delenv('D2L_EXT_DATA', raising=False)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(data, 'time', SimpleNamespace(sleep=lambda seconds: None))
    return contents


@pytest.fixture
def cache(small):
    return data.cache_folder()


@pytest.fixture
def server(small):
    """Serve the small set; the first part of an address says how it is served."""
    packed = {f'{name}.gz': gzip.compress(file) for name, file in small.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            _, how, name = self.path.split('/')
            requests.append((how, name, self.headers['Range']))
            if how in ('missing', 'busy'):
                return self.send_error(404 if how == 'missing' else 503)
            file = packed[name]
            if how == 'truncated':
                file = file[: len(file) // 2]
            elif how == 'corrupt':
                file = file[:500] + bytes([file[500] ^ 255]) + file[501:]
            elif how == 'other':
                file = gzip.compress(b'another data set')
            elif how == 'page':
                file = b'<html>Please log in</html>'
            first = self.headers['Range'] is None
            version = '"new"'
            if how == 'changing' and first and len(file) > 100_000:
                version = '"old"'
                file = gzip.compress(small[name[:-3]][::-1])
            start = 0
            if how != 'rangeless' and self.headers['If-Range'] in (None, version):
                start = int((self.headers['Range'] or '=0-').split('=')[1][:-1])
            self.send_response(206 if start else 200)
            self.send_header('ETag', version)
            if how != 'endless':
                self.send_header('Content-Length', len(file) - start)
            self.end_headers()
            end = len(file)
            if how == 'dropping':
                end = start + 70_000
            elif how in ('rangeless', 'changing', 'silent') and first:
                end = start + 100_000
            elif how == 'dying':
                end = start if start else 100_000
            self.wfile.write(file[start:end])
            if how == 'silent' and first:
                silent.set()
                released.wait(30)
            while how == 'endless':
                try:
                    self.wfile.write(bytes(1 << 16))
                except OSError:
                    break

        def log_message(self, *arguments):
            pass

    requests, silent = [], threading.Event()
    released = threading.Event()
    httpd = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    httpd.requests, httpd.silent = requests, silent
    httpd.url = f'http://127.0.0.1:{httpd.server_port}'
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield httpd
    released.set()
    httpd.shutdown()
    httpd.server_close()


def assert_is(arrays, small):
    for array, contents in zip(arrays, small.values(), strict=True):
        assert idx(array.astype(np.uint8)) == contents


def write(folder, files, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        if packed:
            (folder / f'{name}.gz').write_bytes(gzip.compress(contents))
        else:
            (folder / name).write_bytes(contents)


def child(code):
    """Start a Python process in which the small set is the full one, and run code."""
    start = f"""
import json, pathlib
from d2l_ext.data import fashion_mnist as data
data.FILES['full'] = json.loads({json.dumps(data.FILES['full'])!r})
data.DEBIAN = pathlib.Path({str(data.DEBIAN)!r})
"""
    return subprocess.Popen(
        [sys.executable, '-c', start + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def local_full_set(tmp_path):
    try:
        return load_fashion_mnist('full', cache=tmp_path / 'none', mirrors=())
    except OSError:
        pytest.skip('the full Fashion-MNIST is not on this machine')


# The shipped set


def test_mini_is_what_its_readme_says():
    X, y, X_test, y_test = load_fashion_mnist()
    assert X.shape == (6000, 28, 28) and X_test.shape == (1000, 28, 28)
    assert X.dtype == X_test.dtype == np.uint8
    assert y.dtype == y_test.dtype == np.int32
    assert np.bincount(y).tolist() == [600] * 10
    assert np.bincount(y_test).tolist() == [100] * 10
    assert len(data.LABELS) == 10
    readme = (data.MINI / 'README.md').read_text(encoding='utf-8')
    for name, (size, sha256) in data.FILES['mini'].items():
        assert re.search(rf'{name} \| [\d,]+ \| {size} \| {sha256}', readme)


@pytest.mark.parametrize('subset', data.SIZES)
def test_the_sizes_are_those_of_the_files(subset):
    for kind, n in zip(('train', 't10k'), data.SIZES[subset], strict=True):
        assert data.FILES[subset][f'{kind}-images-idx3-ubyte'][0] == 16 + n * 28 * 28
        assert data.FILES[subset][f'{kind}-labels-idx1-ubyte'][0] == 8 + n


def test_mini_loads_in_a_tenth_of_a_second():
    assert min(quiet_seconds(load_fashion_mnist) for _ in range(3)) < 0.1


def test_arrays_belong_to_the_caller():
    X, y, *_ = load_fashion_mnist()
    X[:] = 0
    y[:] = 0
    assert load_fashion_mnist()[0].any() and load_fashion_mnist()[1].any()


def test_mini_is_drawn_from_the_full_set(tmp_path):
    X, y, X_test, y_test = local_full_set(tmp_path)
    assert X.shape == (60000, 28, 28) and X_test.shape == (10000, 28, 28)
    assert np.bincount(y).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10
    assert make_mini.make_mini(tmp_path) == data.FILES['mini']


def test_damaged_mini_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(data, 'MINI', tmp_path)
    with pytest.raises(OSError, match='Install d2l_ext again'):
        load_fashion_mnist()
    (tmp_path / f'{IMAGES}.gz').write_bytes(gzip.compress(b'other'))
    with pytest.raises(OSError, match='Install d2l_ext again'):
        load_fashion_mnist()


@pytest.mark.parametrize('subset', ['Mini', '', None, 6000])
def test_unknown_subset(subset):
    with pytest.raises(ValueError, match=re.escape(repr(subset))):
        load_fashion_mnist(subset)


# The full set, found


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('place', ['own', 'home/d2l_ext', 'debian', 'gluon'])
def test_found_on_this_machine(small, tmp_path, monkeypatch, place, packed):
    if place == 'own':
        monkeypatch.setenv('D2L_EXT_DATA', str(tmp_path / 'own'))
    if place == 'gluon':
        place = 'mxnet/datasets/fashion-mnist'
    write(tmp_path / place, small, packed)
    assert_is(load_fashion_mnist('full', mirrors=()), small)


def test_bad_files_of_others_are_passed_over(small, tmp_path, monkeypatch):
    own, gluon = tmp_path / 'own', tmp_path / 'mxnet/datasets/fashion-mnist'
    monkeypatch.setenv('D2L_EXT_DATA', str(own))
    write(own, {IMAGES: b'cut short'})
    write(data.DEBIAN, dict.fromkeys(small, b'older edition'), packed=True)
    write(gluon, small, packed=True)
    assert_is(load_fashion_mnist('full', mirrors=()), small)
    assert (own / IMAGES).read_bytes() == b'cut short'
    (gluon / f'{IMAGES}.gz').unlink()
    with pytest.raises(OSError) as caught:
        load_fashion_mnist('full', mirrors=())
    message = str(caught.value)
    size, sha256 = data.FILES['full'][IMAGES]
    assert f'{IMAGES}: expected {size} bytes with SHA-256 {sha256}' in message
    for text in b'cut short', b'older edition':
        found = hashlib.sha256(text).hexdigest()
        assert f'{len(text)} bytes with SHA-256 {found}' in message
    for place in own, data.cache_folder(), data.DEBIAN, gluon:
        assert f'{place / IMAGES}: ' in message
        assert f'{place / IMAGES}.gz: ' in message
    for remedy in 'D2L_EXT_DATA', 'apt-get install', "subset='mini'":
        assert remedy in message


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert data.cache_folder() == tmp_path / 'd2l_ext'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.delenv('LOCALAPPDATA', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert data.cache_folder() == tmp_path / '.cache' / 'd2l_ext'


# The full set, fetched


def test_fetched_once_and_kept(small, server, cache, capsys):
    mirrors = [f'{server.url}/good']
    assert_is(load_fashion_mnist('full', mirrors=mirrors), small)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == small
    bar = capsys.readouterr().err
    assert all(re.search(rf'{name}.gz: 100%', bar) for name in small)
    assert len(server.requests) == 4
    assert_is(load_fashion_mnist('full', mirrors=mirrors), small)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ('how', 'reason'),
    [
        ('truncated', r'\d+ bytes with SHA-256 \w{64}, expected \w{64}'),
        ('corrupt', r'\d+ bytes with SHA-256 \w{64}'),
        ('other', rf'SHA-256 {hashlib.sha256(b"another data set").hexdigest()}'),
        ('page', r'26 bytes with SHA-256 \w{64}'),
        ('missing', '404'),
        ('busy', '503'),
        ('endless', 'more than'),
        ('dying', r'connection broke \(100000 bytes after 6 tries\)'),
    ],
)
def test_bad_mirror_is_named_and_the_next_one_asked(small, server, cache, how, reason):
    bad = f'{server.url}/{how}'
    with pytest.raises(OSError, match=rf'{bad}/{IMAGES}.gz: .*{reason}'):
        load_fashion_mnist('full', mirrors=[bad])
    assert not cache.exists() or not list(cache.iterdir())
    assert_is(load_fashion_mnist('full', mirrors=[bad, f'{server.url}/good']), small)


def test_refused_connection(small, server):
    with socket.socket() as closed:  # bound, so that nobody else can listen there
        closed.bind(('127.0.0.1', 0))
        refusing = f'http://127.0.0.1:{closed.getsockname()[1]}'
        with pytest.raises(OSError, match=rf'{refusing}/{IMAGES}.gz: .*refused'):
            load_fashion_mnist('full', mirrors=[refusing])
        mirrors = [refusing, f'{server.url}/good']
        assert_is(load_fashion_mnist('full', mirrors=mirrors), small)


def ranges(server):
    return [part for _, name, part in server.requests if name == f'{IMAGES}.gz']


def test_broken_connection_is_resumed(small, server):
    assert_is(load_fashion_mnist('full', mirrors=[f'{server.url}/dropping']), small)
    asked = ranges(server)
    assert len(asked) > 2
    assert asked == [None] + [f'bytes={70_000 * n}-' for n in range(1, len(asked))]


@pytest.mark.parametrize('how', ['rangeless', 'changing'])
def test_server_that_starts_again(small, server, how):
    assert_is(load_fashion_mnist('full', mirrors=[f'{server.url}/{how}']), small)


def test_silent_server_is_asked_again(small, server):
    name = f'{IMAGES}.gz'
    packed = data._download(f'{server.url}/silent/{name}', 1 << 20, timeout=0.3)
    assert gzip.decompress(packed) == small[IMAGES]
    assert len(ranges(server)) == 2 and ranges(server)[1]


@pytest.mark.parametrize('bad', ['empty', 'short', 'flipped', 'long'])
@pytest.mark.parametrize('source', ['mirror', 'debian'])
def test_bad_cache_file_is_replaced(small, server, cache, bad, source):
    good = small[IMAGES]
    write(cache, small)
    (cache / IMAGES).write_bytes(
        {
            'empty': b'',
            'short': good[:-1],
            'flipped': good[:1000] + bytes([good[1000] ^ 1]) + good[1001:],
            'long': good + b'x',
        }[bad]
    )
    if source == 'debian':
        write(data.DEBIAN, small, packed=True)
    assert_is(load_fashion_mnist('full', mirrors=[f'{server.url}/good']), small)
    assert (cache / IMAGES).read_bytes() == good
    assert len(server.requests) == (1 if source == 'mirror' else 0)


@pytest.mark.parametrize('how', ['good', 'dropping'])
def test_two_processes_at_once(small, server, cache, how):
    code = f"""
arrays = data.load_fashion_mnist('full', mirrors=['{server.url}/{how}'])
print([array.sum(dtype=int).item() for array in arrays])
"""
    processes = [child(code) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == small


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no such signals')
@pytest.mark.parametrize('moment', ['fetching', 'writing', 'renaming'])
def test_killed_process_leaves_nothing_to_trust(small, server, cache, moment):
    how = 'silent' if moment == 'fetching' else 'good'
    prepare = {
        'fetching': '',
        # The kernel ends a process that writes more than it may
        'writing': """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
""",
        'renaming': """
import os, signal
os.replace = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)
""",
    }
    load = f"data.load_fashion_mnist('full', mirrors=['{server.url}/{how}'])"
    process = child(f'{prepare[moment]}\n{load}')
    if moment == 'fetching':
        assert server.silent.wait(30)
        process.kill()
    process.communicate(timeout=60)
    expected = signal.SIGXFSZ if moment == 'writing' else signal.SIGKILL
    assert process.returncode == -expected
    assert not (cache / IMAGES).exists()
    assert_is(load_fashion_mnist('full', mirrors=[f'{server.url}/good']), small)


def test_cache_that_cannot_be_written_is_no_error(small, server, cache):
    cache.parent.write_text('a file where the folder should be')
    mirrors = [f'{server.url}/good']
    with pytest.warns(RuntimeWarning, match='could not be kept'):
        arrays = load_fashion_mnist('full', mirrors=mirrors)
    assert_is(arrays, small)


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no such limit')
def test_full_disk_is_no_error(small, server, cache):
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
arrays = data.load_fashion_mnist('full', mirrors=['{server.url}/good'])
print(arrays[0].shape)
"""
    process = child(code)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert '(600, 28, 28)' in out
    assert f'{IMAGES} could not be kept' in err
    # What fitted is kept, what did not leaves no remains
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {
        name: contents for name, contents in small.items() if len(contents) <= 1000
    }
