"""The twin in PyTorch of a net that MXNet trains: it differentiates twice."""

import torch
from torch import nn

from d2l_ext import torch as d2l

ROWS = 5_000  # about as many rows of a layer's outputs are enough


class Twin:
    """The net of `recipe` in PyTorch, on the CPU, and the examples it is looked at on.

    The loss is that of the first `examples` of the training set, `outputs` are those
    for the test set.
    """

    version = torch.__version__

    def __init__(self, recipe, examples):
        self.net = d2l.NETS[recipe.net]()
        self.loss = nn.CrossEntropyLoss()
        train, test = d2l.load_data_fashion_mnist(64, recipe.subset, 'cpu')
        self.X, self.y, self.X_test = train.X[:examples], train.y[:examples], test.X
        self.parameters = list(self.net.parameters())
        self.layers = [layer for layer in self.net if list(layer.parameters())]

    @property
    def layer_names(self):
        """The names of the layers that have weights, such as '1 conv2d'."""
        kinds = (f'{layer}'.partition('(')[0].lower() for layer in self.layers)
        return [f'{i} {kind}' for i, kind in enumerate(kinds, start=1)]

    @property
    def size(self):
        """How many weights the net has."""
        return sum(p.numel() for p in self.parameters)

    def set_weights(self, weights):
        """Take over the weights, NumPy arrays in the order of the parameters."""
        with torch.no_grad():
            for parameter, array in zip(self.parameters, weights, strict=True):
                parameter.copy_(torch.as_tensor(array))

    def curvature(self):
        """Return the mean loss, and the function v -> H v of its Hessian H."""
        grad = torch.autograd.grad
        l = self.loss(self.net(self.X), self.y)
        slopes = grad(l, self.parameters, create_graph=True)
        slope = torch.cat([part.reshape(-1) for part in slopes])

        def product(v):
            v = torch.as_tensor(v, dtype=slope.dtype)
            parts = grad(slope, self.parameters, v, retain_graph=True)
            return torch.cat([part.reshape(-1) for part in parts]).numpy()

        return l.item(), product

    def outputs(self):
        """Return the outputs of each layer, arrays (examples or places, units)."""
        outputs, X = [], self.X_test
        with torch.no_grad():
            for layer in self.net:
                X = layer(X)
                if layer in self.layers:
                    rows = X.movedim(1, -1).flatten(0, -2)
                    outputs.append(rows[:: len(rows) // ROWS or 1].numpy())
        return outputs
