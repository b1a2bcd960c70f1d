"""The boundary view against the libraries' own objects, asked and stepped."""

import numpy as np
import pytest

from d2l_ext.install import finder
from d2l_ext.panels.boundary import boundary_panels
from d2l_ext.schedulers import FactorScheduler, MultiFactorScheduler

steps = MultiFactorScheduler([15, 30], 0.5, 0.5)


def shown(panel, name):
    """Return {t: rate} of a line, which is flat from t - 0.5 to t + 0.5."""
    x, y = panel.lines[name]
    assert (np.diff(x)[::2] == 1).all() and (y[::2] == y[1::2]).all()
    return dict(zip((x[::2] + 0.5).astype(int).tolist(), y[::2].tolist()))


@pytest.mark.parametrize('at', [15, 30])
def test_mxnet_asked_and_trained(at):
    finder.install()
    lr_scheduler = pytest.importorskip('mxnet').lr_scheduler
    asked, trained = (shown(panel, 'MXNet') for panel in boundary_panels(steps, at))
    make = lr_scheduler.MultiFactorScheduler
    theirs = make(step=[15, 30], factor=0.5, base_lr=0.5)
    assert asked == {t: theirs(t) for t in range(at - 3, at + 4)}
    theirs = make(step=[15, 30], factor=0.5, base_lr=0.5)
    # its trainer counts an update before it asks for the rate
    assert trained == {t: theirs(t + 1) for t in range(at - 3, at + 4)}


@pytest.mark.parametrize('at', [15, 30])
def test_torch_asked_and_trained(at):
    torch = pytest.importorskip('torch')
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [15, 30], 0.5)
    theirs = {}
    for t in range(at + 4):
        theirs[t] = optimizer.param_groups[0]['lr']
        optimizer.step()
        scheduler.step()
    theirs = {t: theirs[t] for t in range(at - 3, at + 4)}
    assert [shown(panel, 'PyTorch') for panel in boundary_panels(steps, at)] == [
        theirs,
        theirs,
    ]


def test_the_three_counts():
    for panel, firsts in zip(boundary_panels(steps, 15), [(14, 15, 16), (14, 15, 15)]):
        for name, first in zip(('timm', 'PyTorch', 'MXNet'), firsts):
            rates = shown(panel, name)
            assert min(t for t, lr in rates.items() if lr == 0.25) == first
            assert f'{first} ({name})' in panel.note
        assert panel.verticals == {'milestone': 15}


def test_near_the_start():
    asked, trained = boundary_panels(FactorScheduler(0.5, 0, 1.0), at=1)
    assert shown(asked, 'MXNet') == {0: 1, 1: 1, 2: 0.5, 3: 0.25, 4: 0.125}
    assert shown(trained, 'MXNet') == shown(trained, 'PyTorch')
    for arguments in (0,), (1.5,), (15, 0):
        with pytest.raises(ValueError, match=r'must be a whole number >= 1, got'):
            boundary_panels(steps, *arguments)
