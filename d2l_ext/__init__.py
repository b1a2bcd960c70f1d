"""Learning rate schedules: pure schedulers, real training and live sliders.

Take the backend as a module, as with the book's own package:
`from d2l_ext import mxnet as d2l` or `from d2l_ext import torch as d2l`.
"""

__version__ = '0.1.0'
