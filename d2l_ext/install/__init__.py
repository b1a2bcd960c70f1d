"""MXNet and d2l on any Python, and the wheel that fits the machine."""

from d2l_ext.install.wheels import (
    choose,
    install_framework,
    install_mxnet,
    is_whole,
    remedy,
)

__all__ = [
    'choose',
    'install_framework',
    'install_mxnet',
    'is_whole',
    'remedy',
]
