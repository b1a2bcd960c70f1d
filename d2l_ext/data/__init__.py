"""Fashion-MNIST: a mini set that ships, the full set on demand."""

from d2l_ext.data.fashion_mnist import (
    LABELS,
    SIZES,
    cache_folder,
    load_fashion_mnist,
    scaled,
)

__all__ = [
    'LABELS',
    'SIZES',
    'cache_folder',
    'load_fashion_mnist',
    'scaled',
]
