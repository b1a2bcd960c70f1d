"""Stochastic weight averaging: runs, and the mean of the weights that they visit.

    python -m d2l_ext.experiments.averaged [--seeds 5]

A run that is on disk is not run again. Loading needs no framework.
"""

import argparse
import copy

from d2l_ext.experiments.store import RUNS
from d2l_ext.plan import whole_number
from d2l_ext.schedulers import ConstantScheduler, PolyScheduler, SequentialScheduler
from d2l_ext.training.history import History
from d2l_ext.training.recipe import Recipe


def saw(base_lr, final_lr, burn_in, cycle, cycles):
    """Return `base_lr` for a while, then straight falls to `final_lr` and back up.

    lr(t) = base_lr for t < burn_in, then base_lr + (final_lr - base_lr) u / c with
    u = (t - burn_in) mod c and c = cycle, for as many `cycles`; final_lr after them.

    >>> [round(saw(0.3, 0.1, 4, 2, cycles=2)(t), 3) for t in range(10)]
    [0.3, 0.3, 0.3, 0.3, 0.3, 0.2, 0.3, 0.2, 0.1, 0.1]

    Source: Izmailov et al. (2018), section 3.1; there u counts from 1.
    """
    falls = [PolyScheduler(cycle, base_lr, 1, final_lr)] * cycles
    starts = [burn_in + i * cycle for i in range(cycles)]
    return SequentialScheduler([ConstantScheduler(base_lr), *falls], starts)


BURN_IN = 12  # epochs before the mean begins, of 30
BATCHES = 94  # in an epoch of the mini set

# Name -> the recipe, and the epochs from one set of averaged weights to the next
RECIPES = {
    'constant_0.1': (Recipe(ConstantScheduler(0.1)), 1),
    'constant_0.3': (Recipe(ConstantScheduler(0.3)), 1),
    'cyclic_0.3': (
        Recipe(saw(0.3, 0.01, BURN_IN * BATCHES, 3 * BATCHES, cycles=6), 'update'),
        3,
    ),
}


def load(name):
    """Return the recorded pairs (history of the run, history of the mean), per seed.

    The mean's `train_loss`, `train_acc` and `test_acc` are those of the net with the
    mean of the weights so far, measured after each epoch; NaN before there is one.
    Raises ValueError if there is no such recipe, or no recording of it.
    """
    _recipe(name)
    pairs = []
    while _path(name, len(pairs), '_mean').exists():
        kinds = '', '_mean'
        pairs.append(tuple(History.load(_path(name, len(pairs), k)) for k in kinds))
    if not pairs:
        raise ValueError(
            f'{name!r} is not recorded: python -m d2l_ext.experiments.averaged'
        )
    return pairs


def record(name, seed):
    """Run the recipe `name` with `seed`, unless that is on disk, and keep both."""
    recipe, every = _recipe(name)
    if not _path(name, seed, '_mean').exists():
        history, mean = run(recipe, every, seed)
        for kind, ended in ('', history), ('_mean', mean):  # that one stands for both
            file = _path(name, seed, kind)
            file.parent.mkdir(parents=True, exist_ok=True)
            ended.save(file)


def run(recipe, every, seed, burn_in=BURN_IN):
    """Train as `recipe` says; return the history, and that of the mean of the weights.

    The weights after epochs burn_in + every, burn_in + 2 every, ... count. LeNet has
    no batch normalisation, whose statistics would have to be taken anew.

    Source: Izmailov et al. (2018), algorithm 1.
    """
    from d2l_ext import mxnet as backend

    every = whole_number('every', every)
    return backend.mx.util.use_np(_run)(backend, recipe, every, seed, burn_in)


def _run(backend, recipe, every, seed, burn_in):
    device = backend.try_gpu()
    train_iter, test_iter = backend.load_data_fashion_mnist(
        recipe.batch_size, recipe.subset, device
    )
    in_order = backend.Batches(train_iter.X, train_iter.y, 1000)
    loss = backend.gluon.loss.SoftmaxCrossEntropyLoss()
    net, mean_net = backend.lenet(), backend.lenet()
    mean_net.initialize(ctx=device)
    mean_net(test_iter.X[:1])  # tells the layers their shapes
    mean, counted = History(), 0
    for history in backend.run_steps(recipe, seed, net=net):
        epoch, within = divmod(len(history.lr), len(train_iter))
        if within or history.status != 'running':
            continue
        if epoch > burn_in and (epoch - burn_in) % every == 0:
            counted += 1
            _draw_near(mean_net, net, 1 / counted)
        values = [float('nan')] * 3
        if counted:
            total = sum(float(loss(mean_net(X), y).sum()) for X, y in in_order)
            values = [total / len(in_order.X)] + [
                backend.evaluate_accuracy(mean_net, data, device)
                for data in (in_order, test_iter)
            ]
        for kept, value in zip(
            (mean.train_loss, mean.train_acc, mean.test_acc), values
        ):
            kept.append(value)
    mean.recipe = history.recipe | {'mean_of_every': every, 'burn_in': burn_in}
    mean.status, mean.environment = history.status, copy.copy(history.environment)
    return history, mean


def _draw_near(mean_net, net, share):
    """Move the weights of one net to those of another by this share of the way."""
    pairs = zip(mean_net.collect_params().values(), net.collect_params().values())
    for mean, new in pairs:
        mean.set_data(mean.data() + share * (new.data() - mean.data()))


def _recipe(name):
    if name not in RECIPES:
        raise ValueError(f'no recipe {name!r}: there are {", ".join(RECIPES)}')
    return RECIPES[name]


def _path(name, seed, kind):
    return RUNS / f'averaged_{name}{kind}' / f'{seed}.json'


def main(arguments=None):
    """Run the command line given in this module's docstring."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.experiments.averaged')
    parser.add_argument('--seeds', type=int, default=5)
    for seed in range(parser.parse_args(arguments).seeds):
        for name in RECIPES:
            record(name, seed)
            history, mean = load(name)[seed]
            print(f'{name}-{seed}: {history}; mean: test acc {mean.test_acc[-1]:.3f}')


if __name__ == '__main__':
    main()
