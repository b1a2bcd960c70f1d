"""The links that MXNet's wheel for Linux on ARM needs, in folders of the test's own."""

import pytest

from d2l_ext.install import arm

ARM = 'Linux aarch64'


@pytest.fixture
def folders(tmp_path):
    """MXNet's folder, and one of a system that has all libraries."""
    mxnet, libraries = tmp_path / 'mxnet', tmp_path / 'lib'
    mxnet.mkdir()
    libraries.mkdir()
    for name in arm.LINKS.values():
        (libraries / name).touch()
    return mxnet, libraries


def test_what_is_missing_is_linked_once(folders):
    mxnet, libraries = folders
    names = arm.link(mxnet, ARM, ['/no/such/folder', libraries])
    assert names == [*arm.LINKS]
    for name, library in arm.LINKS.items():
        assert (mxnet / name).resolve() == (libraries / library).resolve()
    assert arm.link(mxnet, ARM, [libraries]) == []


def test_a_missing_library_is_named_with_its_packages(folders):
    mxnet, libraries = folders
    (libraries / 'liblapacke.so.3').unlink()
    with pytest.raises(
        RuntimeError, match=r'liblapacke\.so\.3: .* libopenblas0-pthread'
    ):
        arm.link(mxnet, ARM, [libraries])


@pytest.mark.parametrize('machine', ['Linux x86_64', 'Darwin arm64', 'Windows AMD64'])
def test_other_machines_need_none(folders, machine):
    mxnet, libraries = folders
    assert arm.link(mxnet, machine, [libraries]) == []
    assert not any(mxnet.iterdir())
