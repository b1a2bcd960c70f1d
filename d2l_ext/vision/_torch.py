"""One worker of `vision.py` in PyTorch: a ResNet, its images, several processes.

`torchrun` starts the workers and tells each its number; gradients are averaged over
them by `DistributedDataParallel`, through gloo on CPUs and NCCL on GPUs.
"""

import contextlib
import math
import os

import numpy
import torch
from PIL import Image
from torch import distributed, nn

from d2l_ext.training._torch import Learner
from d2l_ext.vision import recordio, worker
from d2l_ext.vision.job import MEAN, STD, order

BLOCKS = {'resnet18': ('basic', (2, 2, 2, 2)), 'resnet50': ('deep', (3, 4, 6, 3))}


class Block(nn.Module):
    """A residual block: `kind` 'basic' is 3x3, 3x3; 'deep' 1x1, 3x3, 1x1 and 4 times
    as many channels. The 3x3 convolution in the middle has the stride.

    Source: He et al. (2016); the stride's place: Gross and Wilber (2016).
    """

    def __init__(self, kind, inputs, channels, stride):
        super().__init__()
        if kind == 'basic':
            shapes = [(channels, 3, stride), (channels, 3, 1)]
        else:
            shapes = [(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]
        layers, n = [], inputs
        for outputs, size, step in shapes:
            layers += [*_convolution(n, outputs, size, step), nn.ReLU(inplace=True)]
            n = outputs
        self.residual = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Identity()
        if stride != 1 or n != inputs:
            self.shortcut = nn.Sequential(*_convolution(inputs, n, 1, stride))

    def forward(self, X):
        return torch.relu(self.residual(X) + self.shortcut(X))


def resnet(name, classes, width=64):
    """Return ResNet-18 or ResNet-50: (n, 3, size, size) to (n, classes).

    >>> sum(p.numel() for p in resnet('resnet50', 1000).parameters())
    25557032

    Source: He et al. (2016).
    """
    kind, depths = BLOCKS[name]
    layers = [*_convolution(3, width, 7, 2), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, 2, padding=1))
    inputs = width
    for stage, depth in enumerate(depths):
        for i in range(depth):
            stride = 2 if stage and i == 0 else 1
            layers.append(Block(kind, inputs, width << stage, stride))
            inputs = (width << stage) * (1 if kind == 'basic' else 4)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
    net = nn.Sequential(*layers, *head)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode='fan_out')
    return net


def _convolution(inputs, outputs, size, stride):
    convolution = nn.Conv2d(
        inputs, outputs, size, stride, padding=size // 2, bias=False
    )
    return convolution, nn.BatchNorm2d(outputs)


def random_crop(image, size, min_area, rng):
    """Return a random part of a Pillow image, at random mirrored, as `size` x `size`.

    Its area is a share in [min_area, 1], its shape between 3:4 and 4:3. What does not
    fit in ten tries is the whole. Source: Szegedy et al. (2015).
    """
    width, height = image.size
    box = 0, 0, width, height
    for _ in range(10):
        area = width * height * rng.uniform(min_area, 1)
        shape = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            x, y = rng.integers(width - w + 1), rng.integers(height - h + 1)
            box = x, y, x + w, y + h
            break
    part = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    mirror = Image.Transpose.FLIP_LEFT_RIGHT
    return part.transpose(mirror) if rng.random() < 0.5 else part


def middle_crop(image, size):
    """Return the middle of a Pillow image, 7/8 of its shorter side, `size` x `size`."""
    side = min(image.size) * 7 / 8
    x, y = ((length - side) / 2 for length in image.size)
    box = x, y, x + side, y + side
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


class Examples(torch.utils.data.Dataset):
    """Images as (uint8 of shape (3, size, size), label): crops at random in an epoch,
    from the seed, the epoch and the image's number; from the middle without one."""

    def __init__(self, images, job, epoch=None):
        self.images, self.job, self.epoch = images, job, epoch

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, label = self.images[i]
        if self.epoch is None:
            image = middle_crop(image, self.job.size)
        else:
            rng = numpy.random.default_rng([self.job.seed, self.epoch, i])
            image = random_crop(image, self.job.size, self.job.min_area, rng)
        return torch.from_numpy(numpy.array(image)).permute(2, 0, 1), label


class Worker(worker.Worker):
    """One process of a run, with a device of its own."""

    backend = 'torch'

    def __init__(self, job):
        self.job = job
        self.rank = int(os.environ.get('RANK', '0'))
        self.world = int(os.environ.get('WORLD_SIZE', '1'))
        local = int(os.environ.get('LOCAL_RANK', '0'))
        cuda = torch.cuda.is_available()
        self.device = torch.device('cuda', local) if cuda else torch.device('cpu')
        job.share(self.world)
        self.train_images, self.test_images = (
            recordio.images(job.train),
            recordio.images(job.test),
        )
        self.images = len(self.train_images)
        torch.manual_seed(job.seed)
        self.net = resnet(job.net, job.classes, job.width)
        self.net.to(self.device, memory_format=torch.channels_last)
        self.trainer = torch.optim.SGD(
            self.net.parameters(),
            job.base_lr,
            momentum=job.momentum,
            weight_decay=job.wd,
            nesterov=job.momentum > 0,
        )
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=job.precision == 'float16'
        )
        self.sums = torch.zeros(2, device=self.device, dtype=torch.float64)
        self.mean, self.std = (
            torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (MEAN, STD)
        )
        self.learner = Learner(self.net, None, self.trainer, self.device)
        self.parallel = self.net

    def __enter__(self):
        if self.world > 1:
            cuda = self.device.type == 'cuda'
            if cuda:
                torch.cuda.set_device(self.device)
            distributed.init_process_group('nccl' if cuda else 'gloo')
            self.parallel = nn.parallel.DistributedDataParallel(
                self.net, device_ids=[self.device] if cuda else None
            )
        return self

    def __exit__(self, *exception):
        self.parallel = self.net
        if self.world > 1:
            distributed.destroy_process_group()

    def batches(self, epoch):
        """Yield (X, y) of this worker's passes in an epoch."""
        rows = order(self.job, epoch, self.images, self.rank, self.world)
        return iter(
            self._loader(Examples(self.train_images, self.job, epoch), rows.tolist())
        )

    def update(self, passes, lr):
        for group in self.trainer.param_groups:
            group['lr'] = lr
        self.parallel.train()
        count = self.job.accumulate
        for i in range(count):
            waits = self.world > 1 and i < count - 1
            with self.parallel.no_sync() if waits else contextlib.nullcontext():
                loss = self._loss(*next(passes))
                self.scaler.scale(loss / count).backward()
        self.scaler.step(self.trainer)
        self.scaler.update()
        self.trainer.zero_grad()
        return lambda: None

    def applied_lr(self):
        return self.trainer.param_groups[0]['lr']

    def totals(self):
        totals = self.sums.tolist()
        self.sums.zero_()
        return self.summed(totals)

    def accuracy(self, test_iter=None):
        if self.world > 1:  # each has its own means and variances: worker 0's count
            for buffer in self.net.buffers():
                distributed.broadcast(buffer, 0)
        mine = list(range(self.rank, len(self.test_images), self.world))
        n = self.job.share(self.world)
        rows = [mine[i : i + n] for i in range(0, len(mine), n)]
        self.net.eval()
        hits = torch.zeros((), device=self.device, dtype=torch.int64)
        with torch.no_grad(), self._cast():
            for X, y in self._loader(Examples(self.test_images, self.job), rows):
                hits += (self.net(self._scaled(X)).argmax(1) == y.to(self.device)).sum()
        return self.summed([hits.item()])[0] / len(self.test_images)

    def summed(self, numbers):
        # kept: a thread of gloo that had to free it could wait for Python for ever,
        # while Python, at the end, waits for the thread
        self.total = torch.tensor(numbers, device=self.device, dtype=torch.float64)
        if self.world > 1:
            distributed.all_reduce(self.total)
        return self.total.tolist()

    def state(self):
        scaler = {f'scaler.{k}': v for k, v in self.scaler.state_dict().items()}
        return self.learner.state() | {k: numpy.asarray(v) for k, v in scaler.items()}

    def load_state(self, arrays):
        scaler = self.scaler.state_dict()
        for name, value in scaler.items():
            scaler[name] = type(value)(arrays[f'scaler.{name}'])
        self.scaler.load_state_dict(scaler)
        self.learner.load_state(arrays)

    def environment(self):
        return self.learner.environment() | {'threads': torch.get_num_threads()}

    def _loader(self, examples, rows):
        cuda = self.device.type == 'cuda'
        workers = min(self.job.num_workers, len(rows))
        return torch.utils.data.DataLoader(
            examples, batch_sampler=rows, num_workers=workers, pin_memory=cuda
        )

    def _scaled(self, X):
        X = X.to(self.device, non_blocking=True).float()
        X = (X - self.mean) / self.std
        return X.contiguous(memory_format=torch.channels_last)

    def _cast(self):
        kind = getattr(torch, self.job.precision)
        enabled = kind != torch.float32
        return torch.autocast(self.device.type, kind if enabled else None, enabled)

    def _loss(self, X, y):
        y = y.to(self.device, non_blocking=True)
        with self._cast():
            y_hat = self.parallel(self._scaled(X))
            loss = nn.functional.cross_entropy(y_hat, y)
        hits = (y_hat.detach().argmax(1) == y).sum()
        self.sums += torch.stack([loss.detach().double() * len(y), hits.double()])
        return loss
