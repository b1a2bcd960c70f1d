"""One worker of `vision.py` in MXNet: Gluon's ResNets and `ImageRecordIter`.

A worker drives all GPUs of its machine. With `kvstore` 'device' it is alone; with
'dist_sync' the parameter server sums the gradients of the workers that `dmlc.py`
started, and each makes the update by itself: a server would keep the optimizer it was
sent at first, and the rates set after that would never reach it.
"""

import os
import pathlib

from d2l_ext import mxnet as d2l  # first: MXNet needs its help on today's Python
from d2l_ext.training._mxnet_trainer import flat
from d2l_ext.vision import worker
from d2l_ext.vision.job import MEAN, STD
from d2l_ext.vision.recordio import Records

import mxnet as mx  # isort: skip
from mxnet import autograd, gluon, nd  # isort: skip
from mxnet.gluon.model_zoo.vision import resnet  # isort: skip


def resnet_v1(name, classes, width=64):
    """Return Gluon's ResNet-18 or ResNet-50, `width` channels in its first stage."""
    kind, depths, channels = resnet.resnet_spec[int(name.removeprefix('resnet'))]
    channels = [n * width // 64 for n in channels]
    block = resnet.resnet_block_versions[0][kind]
    return resnet.ResNetV1(block, depths, channels, classes=classes)


class Worker(worker.Worker):
    """One process of a run; it drives all GPUs of its machine.

    Raises ValueError for what MXNet cannot do here.
    """

    backend = 'mxnet'

    def __init__(self, job):
        gpus = mx.context.num_gpus() if d2l.try_gpu().device_type == 'gpu' else 0
        self.devices = [mx.gpu(i) for i in range(gpus)] or [mx.cpu()]
        if job.precision == 'bfloat16' or (job.precision == 'float16' and not gpus):
            raise ValueError(
                f'precision must be float32, or float16 on a GPU, with MXNet 1.9.1, '
                f'got {job.precision!r}: use float32 or --backend torch'
            )
        if pathlib.Path(job.train).is_dir() or pathlib.Path(job.test).is_dir():
            raise ValueError(
                f'train and test must be RecordIO files for MXNet, got {job.train!r}: '
                'python -m d2l_ext.vision.recordio folder IMAGES OUT.rec writes one'
            )
        if job.kvstore == 'dist_sync' and 'DMLC_ROLE' not in os.environ:
            raise ValueError(
                "kvstore 'dist_sync' needs a scheduler and servers: start the command "
                'with python -m d2l_ext.vision.launch'
            )
        self.job, self.kvstore, self.keys = job, mx.kv.create(job.kvstore), {}
        self.rank, self.world = self.kvstore.rank, self.kvstore.num_workers
        self.per_device = job.share(self.world * len(self.devices))
        self.images, self.tests = len(Records(job.train)), len(Records(job.test))
        mx.random.seed(job.seed)
        self.net = resnet_v1(job.net, job.classes, job.width)
        # as He et al. (2015): twice the variance that keeps a linear net's
        xavier = mx.init.Xavier('gaussian', 'out', magnitude=2)
        self.net.initialize(xavier, ctx=self.devices)
        self.net.cast(job.precision)
        for device in self.devices:  # layers see their shapes, weights are drawn
            self.net(nd.zeros((1, 3, job.size, job.size), device, job.precision))
        self.net.hybridize(static_alloc=True, static_shape=True)
        self.parameters = list(self.net.collect_params().values())
        if job.accumulate > 1:
            for parameter in self.parameters:
                if parameter.grad_req == 'write':
                    parameter.grad_req = 'add'
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        options = {'learning_rate': job.base_lr, 'momentum': job.momentum, 'wd': job.wd}
        self.trainer = gluon.Trainer(
            self.net.collect_params(),
            'nag' if job.momentum else 'sgd',
            options | {'multi_precision': job.precision == 'float16'},
            kvstore=None if self.world > 1 else self.kvstore,
            update_on_kvstore=False,
        )
        # tells the store of the weights now: it copies them, and during an update would
        # undo what a layer of batch normalisation has just learned of its images
        self.trainer.allreduce_grads()
        self.sums = [nd.zeros(2, device) for device in self.devices]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        nd.waitall()

    def batches(self, epoch):
        """Yield (Xs, ys) of this worker's passes in an epoch, one array per device."""
        reader = self._reader(
            self.job.train,
            shuffle=True,
            seed=self.job.seed * 1000 + epoch,
            seed_aug=self.job.seed * 1000 + epoch,
            random_resized_crop=True,
            min_random_area=self.job.min_area,
            max_random_area=1,
            min_aspect_ratio=3 / 4,
            max_aspect_ratio=4 / 3,
            rand_mirror=True,
        )
        while True:  # the parts of two workers may differ by an image
            for batch in reader:
                yield self._split(batch)
            reader.reset()

    def update(self, passes, lr):
        self.trainer.set_learning_rate(lr)
        for _ in range(self.job.accumulate):
            for X, y, sums in zip(*next(passes), self.sums, strict=True):
                with autograd.record():
                    y_hat = self.net(X).astype('float32')
                    l = self.loss(y_hat, y)
                l.backward()
                hits = (y_hat.argmax(axis=1) == y).sum()
                sums += nd.concat(l.sum(), hits, dim=0)
        if self.world > 1:
            self._sum_gradients()
        self.trainer.step(self.job.batch_size)
        if self.job.accumulate > 1:
            self.net.collect_params().zero_grad()
        return nd.waitall

    def applied_lr(self):
        return self.trainer.learning_rate

    def totals(self):
        totals = sum(sums.asnumpy() for sums in self.sums).tolist()
        for sums in self.sums:
            sums[:] = 0
        return self.summed(totals)

    def accuracy(self, test_iter=None):
        self._agree()
        hits = 0
        for batch in self._reader(self.job.test, resize=self.job.size * 8 // 7):
            Xs, ys = self._split(batch)
            hit = [
                self.net(X).argmax(axis=1).astype('float32') == y
                for X, y in zip(Xs, ys, strict=True)
            ]
            right = nd.concat(*(h.as_in_context(mx.cpu()) for h in hit), dim=0)
            hits += int(right[: len(right) - batch.pad].sum().asscalar())
        return self.summed([hits])[0] / self.tests

    def summed(self, numbers):
        if self.world == 1:
            return list(numbers)
        return self._sum(nd.array(numbers, dtype='float64')).asnumpy().tolist()

    def state(self):
        first = self.devices[0]
        arrays = {
            f'weight.{i}': p.data(first).asnumpy()
            for i, p in enumerate(self.parameters)
        }
        for i, memory in self.trainer._updaters[0].states.items():
            for j, array in enumerate(flat(memory)):
                arrays[f'memory.{i}.{j}'] = array.asnumpy()
        return arrays

    def load_state(self, arrays):
        for i, parameter in enumerate(self.parameters):
            weight = arrays[f'weight.{i}']
            parameter.set_data(nd.array(weight, dtype=weight.dtype))
        optimizer = self.trainer.optimizer
        trained = {
            int(name.split('.')[1]) for name in arrays if name.startswith('memory.')
        }
        for device, updater in zip(self.devices, self.trainer._updaters, strict=True):
            for i in trained:
                weight = self.trainer._params[i].data(device)
                memory = optimizer.create_state_multi_precision(i, weight)
                for j, array in enumerate(flat(memory)):
                    array[:] = nd.array(arrays[f'memory.{i}.{j}'], device)
                updater.states[i], updater.states_synced[i] = memory, True

    def environment(self):
        return {'mxnet': mx.__version__, 'device': ', '.join(map(str, self.devices))}

    def _reader(self, path, **options):
        index = str(pathlib.Path(path).with_suffix('.idx'))
        colours = zip('rgb', MEAN, STD, strict=True)
        for colour, mean, std in colours:
            options |= {f'mean_{colour}': mean, f'std_{colour}': std}
        return mx.io.ImageRecordIter(
            path_imgrec=path,
            path_imgidx=index,
            data_shape=(3, self.job.size, self.job.size),
            batch_size=self.per_device * len(self.devices),
            num_parts=self.world,
            part_index=self.rank,
            preprocess_threads=self.job.num_workers or 1,
            verbose=False,
            **options,
        )

    def _split(self, batch):
        arrays = batch.data[0].astype(self.job.precision), batch.label[0]
        return [gluon.utils.split_and_load(array, self.devices) for array in arrays]

    def _agree(self):
        """Take the mean, over workers and devices, of what they did not learn alike."""
        nd.waitall()  # no array knows that backward writes these
        for parameter in self.parameters:
            if parameter.grad_req == 'null':  # batch normalisation's mean and variance
                mine = [
                    array.as_in_context(mx.cpu()) for array in parameter.list_data()
                ]
                total = sum(mine[1:], mine[0])
                if self.world > 1:
                    total = self._sum(total)
                parameter.set_data(total / (len(mine) * self.world))

    def _sum_gradients(self):
        """Put the sum over workers and devices in the place of every gradient."""
        learnt = [p for p in self.parameters if p.grad_req != 'null']
        total = 0
        for device in self.devices:
            parts = [p.grad(device).reshape(-1).astype('float32') for p in learnt]
            total = total + nd.concat(*parts, dim=0).copyto(mx.cpu())
        total, begin = self._sum(total), 0
        for parameter in learnt:
            end = begin + parameter.data(self.devices[0]).size
            for gradient in parameter.list_grad():
                part = total[begin:end].reshape(gradient.shape)
                gradient[:] = part.as_in_context(gradient.context)
            begin = end

    def _sum(self, array):
        # numbers, as the trainer's: it has counted its weights from 0
        kind = array.dtype, array.size
        if kind not in self.keys:
            self.keys[kind] = 1_000_000 + len(self.keys)
            self.kvstore.init(self.keys[kind], nd.zeros_like(array))
        key = self.keys[kind]
        out = nd.zeros_like(array)
        # pull would write into the very array that was pushed
        self.kvstore.push(key, array.copy())
        self.kvstore.pull(key, out=out)
        out.wait_to_read()  # or the next push of this key could be there before
        return out
