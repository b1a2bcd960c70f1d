"""Fashion-MNIST: a mini set that ships, the full set on demand."""

from d2l_ext.data.fashion_mnist import LABELS, cache_folder, load_fashion_mnist

__all__ = [
    'LABELS',
    'cache_folder',
    'load_fashion_mnist',
]
