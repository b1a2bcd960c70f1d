"""What `bench.py` measures of PyTorch: our training, a plain loop, its GEMM peak."""

import functools
import time
from functools import partial

import torch
from torch import nn

from d2l_ext import torch as d2l
from d2l_ext.schedulers import ConstantScheduler

LR, BATCH_SIZE, CALLS, MANY = 0.5, 256, 10_000, 30
DEVICE = d2l.try_gpu()
GPU = torch.cuda.get_device_name() if DEVICE.type == 'cuda' else ''
PLACE = f'PyTorch {torch.__version__} on {GPU or DEVICE}'


def scheduler(kind, *arguments):
    """Return `step` of one of PyTorch's schedulers, as a function of nothing."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], LR)
    made = kind(optimizer, *arguments)
    # else the first step of the scheduler warns that it comes too soon
    optimizer.step()
    return made.step


SCHEDULERS = {
    'Factor': partial(scheduler, torch.optim.lr_scheduler.StepLR, 100, 0.9),
    'MultiFactor': partial(
        scheduler, torch.optim.lr_scheduler.MultiStepLR, [3000, 6000], 0.5
    ),
    'Poly': partial(scheduler, torch.optim.lr_scheduler.PolynomialLR, CALLS, 2),
    'Cosine': partial(scheduler, torch.optim.lr_scheduler.CosineAnnealingLR, CALLS),
    'Lambda': partial(scheduler, torch.optim.lr_scheduler.LambdaLR, lambda t: 1),
}


def contestants(subset, batch_size):
    """Return {name: function that trains for num_epochs}."""
    batches = data(subset, batch_size)
    found = {
        'd2l_ext.torch': partial(our_run, batches),
        'torch, contiguous': partial(plain_run, batches, contiguous),
        'torch, channels_last': partial(plain_run, batches, channels_last),
        'torch.compile': partial(plain_run, batches, compiled),
    }
    if GPU:
        found[f'{MANY} replicas'] = partial(many_run, batches)
    return found


def data(subset, batch_size):
    """Return the minibatches of training and of testing."""
    return d2l.load_data_fashion_mnist(batch_size, subset, DEVICE)


def our_run(data, num_epochs):
    """Train as this package does, and return the history."""
    net = d2l.lenet()
    trainer = torch.optim.SGD(net.parameters(), LR)
    return d2l.train(
        net, *data, num_epochs, nn.CrossEntropyLoss(), trainer, DEVICE,
        ConstantScheduler(LR), progress=False,
    )  # fmt: skip


def many_run(data, num_epochs, replicas=MANY):
    """Train many nets at once, and return their histories."""
    schedulers, seeds = [ConstantScheduler(LR)], range(replicas)
    loss = nn.CrossEntropyLoss()
    return d2l.train_many(
        d2l.lenet(), *data, num_epochs, loss, DEVICE, schedulers, seeds=seeds
    )


def plain_run(data, make, num_epochs):
    """Train in a loop written out, which reads its sums once an epoch."""
    net, (train_iter, test_iter) = make(), data
    trainer = torch.optim.SGD(net.parameters(), LR)
    for _ in range(num_epochs):
        sums = torch.zeros(2, device=DEVICE)
        for X, y in train_iter:
            trainer.zero_grad()
            y_hat = net(X)
            l = nn.functional.cross_entropy(y_hat, y)
            l.backward()
            trainer.step()
            with torch.no_grad():
                hits = (y_hat.argmax(1) == y).sum()
                sums += torch.stack([l * len(X), hits])
        with torch.no_grad():
            hits = sum((net(X).argmax(1) == y).sum() for X, y in test_iter)
        hits.item(), sums.tolist()


def contiguous():
    """Return a net in the layout that it comes with."""
    return d2l.lenet().to(DEVICE)


def channels_last():
    """Return a net in the other layout."""
    return contiguous().to(memory_format=torch.channels_last)


@functools.cache
def compiled(mode=None):
    """Return one compiled net for all repeats: `seconds_to_compile` readies it."""
    return torch.compile(channels_last(), dynamic=False, mode=mode)


def seconds_to_compile(subset):
    """Return the time that `torch.compile` takes for all shapes of minibatch."""
    whole_and_rest = []
    for part in data(subset, BATCH_SIZE):
        n = (len(part) - 1) * BATCH_SIZE
        whole_and_rest.append(
            [
                (part.X[rows], part.y[rows])
                for rows in (slice(BATCH_SIZE), slice(n, None))
            ]
        )
    start = time.perf_counter()
    plain_run(whole_and_rest, compiled, 1)
    return time.perf_counter() - start


def gemm_gflops(n=2048, repeats=9):
    """Return the rate of a product of two (n, n) matrices: the best of `repeats`."""
    A, B = torch.rand(2, n, n, device=DEVICE)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        (A @ B)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    return 2e-9 * n**3 / min(seconds)


def on():
    """Return the device, and of a CPU the instructions and threads that are used."""
    if DEVICE.type == 'cuda':
        return str(DEVICE)
    kernels = torch.backends.cpu.get_cpu_capability()
    return f'{DEVICE}, {kernels}, threads {torch.get_num_threads()}'


def peak_megabytes():
    """Return the most memory that tensors took on the GPU, None without one."""
    return torch.cuda.max_memory_allocated() / 2**20 if GPU else None
