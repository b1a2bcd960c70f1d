"""A name that a backend lacks is the book's: handed on, or the book's is named."""

import importlib
import sys
import types

import pytest

from d2l_ext.training.backend import from_book

# Of `d2l` in the book's section: those that the companion has not
THEIRS = (
    *('plot', 'set_figsize', 'show_images', 'Animator', 'Accumulator', 'Timer'),
    *('accuracy', 'evaluate_accuracy_gpu', 'train_ch6'),
)


@pytest.fixture
def book(monkeypatch):
    """A package `d2l` whose module for a framework has two of the names."""
    module = types.ModuleType('d2l.mxnet')
    module.plot, module.try_gpu = 'the plot of the book', None
    monkeypatch.setitem(sys.modules, 'd2l', types.ModuleType('d2l'))
    monkeypatch.setitem(sys.modules, 'd2l.mxnet', module)


@pytest.mark.usefixtures('book')
def test_a_name_of_the_book_is_handed_on_and_another_one_is_said_to_be_nowhere():
    ask = from_book('mxnet')
    assert ask('plot') == 'the plot of the book'
    with pytest.raises(AttributeError, match=r"nor has the book's d2l\.mxnet$"):
        ask('plto')


@pytest.mark.parametrize('error', [ImportError, OSError, AttributeError])
def test_a_book_that_cannot_be_imported_is_named_with_the_remedy(monkeypatch, error):
    def fails(name):
        raise error('no torchvision')

    monkeypatch.setattr(importlib, 'import_module', fails)
    monkeypatch.delitem(sys.modules, 'd2l.mxnet', raising=False)
    with pytest.raises(AttributeError) as raised:
        from_book('mxnet')('plot')
    for words in (
        "d2l_ext.mxnet has no 'plot'",
        'd2l.mxnet',
        'no torchvision',
        'run `',
    ):
        assert words in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize('framework', ['mxnet', 'torch'])
def test_the_books_next_line_works_or_says_why_not(framework):
    ours = pytest.importorskip(f'd2l_ext.{framework}', exc_type=ImportError)
    try:
        theirs = importlib.import_module(f'd2l.{framework}')
    except (ImportError, OSError, AttributeError):
        theirs = None
    for name in THEIRS:
        assert name not in vars(ours), 'it is the companion that has it'
        if theirs:
            assert getattr(ours, name) is getattr(theirs, name)
        else:
            with pytest.raises(AttributeError, match=f'd2l.{framework}'):
                getattr(ours, name)
    assert not hasattr(ours, '__wrapped__')
