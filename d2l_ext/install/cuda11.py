"""The CUDA 11 libraries that mxnet-cu117 needs: is there a GPU for them, where, load.

They live in a folder of their own. In site-packages they would overwrite files of the
CUDA 12 and 13 wheels that PyTorch brings, and libmxnet.so finds a library by its name
once it is loaded, wherever it came from.
"""

import ctypes
import sys
from pathlib import Path

FOLDER = Path(sys.prefix, 'share', 'd2l_ext', 'cuda11')

# Each before those that need it
SONAMES = (
    'libcudart.so.11.0',
    'libnvToolsExt.so.1',
    'libnvrtc.so.11.2',
    'libcublasLt.so.11',
    'libcublas.so.11',
    'libcufft.so.10',
    'libcurand.so.10',
    'libcusparse.so.11',
    'libcusolver.so.11',
    'libcudnn.so.8',
    'libnccl.so.2',
)


def capabilities(driver: str = 'libcuda.so.1') -> tuple[tuple[int, int], ...] | None:
    """Ask the NVIDIA driver for the compute capability of each GPU, e.g. `((7, 5),)`.

    Returns None where there is no driver and `()` where it offers no GPU.
    Source: CUDA driver API, cuDeviceGetAttribute, attributes 75 and 76.

    >>> capabilities('libcuda-missing.so') is None
    True
    """
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return None
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    return tuple(
        (_attribute(cuda, 75, index), _attribute(cuda, 76, index))
        for index in range(count.value)
    )


def _attribute(cuda: ctypes.CDLL, attribute: int, index: int) -> int:
    device, value = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return value.value


def fits(capability: tuple[int, int]) -> bool:
    """Tell whether MXNet's last release has code for this compute capability.

    >>> fits((8, 9)), fits((9, 0))
    (True, False)
    """
    return (5, 0) <= capability < (9, 0)


def preload(folder: Path = FOLDER) -> list[str]:
    """Load the libraries in `folder`; return the names of those that did not load.

    >>> preload(Path('no-such-folder'))
    []
    """
    if not folder.is_dir():
        return []
    missing = []
    for soname in SONAMES:
        path = next(folder.glob(f'nvidia/*/lib/{soname}'), soname)
        try:
            ctypes.CDLL(str(path))
        except OSError:
            missing.append(soname)
    return missing
