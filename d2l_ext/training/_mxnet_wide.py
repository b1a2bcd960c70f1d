"""The same net, in the shapes that MXNet's kernels for CPUs are fast at.

oneDNN computes a convolution in vectors where its channels fill them, and by a detour
through a larger matrix elsewhere; LeNet's have 1, 6 and 16. Channels whose weights are
zero fill them up. They change nothing, since no parameter belongs to them.
"""

import numpy
from mxnet.gluon import HybridBlock, nn

# What NumPy calls the instructions of a processor, before 2.4 and since
AVX512 = {'AVX512_SKX', 'X86_V4'}
AVX2 = {'AVX2', 'X86_V3'}

PLAIN = 'plain'


def fastest(net, device) -> str:
    """Return the kernels that suit a net here: '16 wide', '8 wide' or 'plain'."""
    if device.device_type != 'cpu' or not _has_convolutions(net):
        return PLAIN
    instructions = _instructions()
    if instructions & AVX512:
        return '16 wide'
    return '8 wide' if instructions & AVX2 else PLAIN


def with_kernels(net, kernels: str):
    """Return a block that computes what `net` does, from its parameters.

    Raises ValueError for other kernels than 'plain' or as '16 wide'.
    """
    if kernels == PLAIN:
        return net
    width, _, wide = kernels.partition(' ')
    if wide != 'wide' or not width.isdecimal() or not int(width):
        raise ValueError(f"kernels must be 'plain' or as '16 wide', got {kernels!r}")
    if not _has_convolutions(net):
        return net
    block = Wide(net, int(width))
    block.hybridize(static_alloc=True, static_shape=True)
    return block


class Wide(HybridBlock):
    """A sequence of layers whose convolutions have a multiple of `width` channels.

    The channels that a net has not end in its next convolution, whose weights for them
    are zero as well; where there is none, a convolution keeps its own. Its activation
    comes after a max-pooling that follows it, where a quarter of the numbers is left:
    the larger of two is also the more activated.
    """

    def __init__(self, net: nn.HybridSequential, width: int):
        super().__init__()
        self.net, self.width = net, width

    def hybrid_forward(self, F, X):
        layers, extra = [*_pooled_first(self.net)], 0
        for i, layer in enumerate(layers):
            if _can_be_wide(layer):
                more = 0
                if _ends_in_convolution(layers[i + 1 :]):
                    more = -layer.weight.shape[0] % self.width
                X, extra = _convolved(F, X, layer, extra, more), more
            else:
                X = layer(X)
        return X


def _convolved(F, X, layer, extra, more):
    """Return what `layer` makes of X, and `more` channels of zeros.

    Of the channels of X, the last `extra` are such.
    """
    weight, bias = layer.weight.var(), layer.bias.var()
    if extra or more:
        weight = F.np.pad(weight, ((0, more), (0, extra), (0, 0), (0, 0)))
    if more:
        zeros = F.np.zeros((more,), dtype=layer.bias.dtype)
        bias = F.np.concatenate([bias, zeros])
    settings = layer._kwargs | {'num_filter': layer.weight.shape[0] + more}
    return F.npx.convolution(X, weight, bias, **settings)


def _has_convolutions(net):
    return in_a_row(net) and any(map(_can_be_wide, net))


def in_a_row(net) -> bool:
    """Tell whether a net is layers one after the other, and nobody listens to it."""
    return type(net) is nn.HybridSequential and _unheard(net)


def _can_be_wide(layer):
    """Tell whether it is a convolution that nobody has changed or listens to."""
    return (
        type(layer) is nn.Conv2D
        and layer.bias is not None
        and layer._kwargs['num_group'] == 1
        and layer._kwargs['layout'] == 'NCHW'
        and _unheard(layer)
    )


def _ends_in_convolution(layers):
    """Tell whether channels more or less are lost again in a convolution."""
    for layer in layers:
        if not isinstance(layer, (nn.Activation, nn.MaxPool2D)):
            return _can_be_wide(layer)
    return False


def _instructions():
    try:
        known = numpy.show_config(mode='dicts')['SIMD Extensions']
    except TypeError:  # before 1.25
        known = numpy.core._multiarray_umath.__cpu_features__
        return {name for name, there in known.items() if there}
    return {*known.get('baseline', ()), *known.get('found', ())}


def _unheard(block):
    return not (block._forward_hooks or block._forward_pre_hooks)


def _pooled_first(net):
    """Yield the layers of `net`, the activations of its convolutions by themselves."""
    waiting = None  # an activation, while the next layer may be a pooling
    for layer in net:
        if waiting and not isinstance(layer, nn.MaxPool2D):
            yield waiting
            waiting = None
        yield layer
        if waiting:
            yield waiting
        waiting = layer.act if _can_be_wide(layer) else None
    if waiting:
        yield waiting
