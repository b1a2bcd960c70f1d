"""What of a notebook an explorer needs."""

import nbformat

from tests.site.built import slices


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_an_explorer_comes_with_what_it_depends_on_and_no_more():
    (item,) = slices.slices(
        notebook(
            'import math, numpy\nfrom a import b, c',
            'x = 1\ny = 2\nprint(y)',
            'def show(lr):\n    return b(lr, x)\n\nExplorer(show, lr=math.pi)',
        )
    )
    assert item.key == 'show' and item.cell == 2
    assert item.statements == [
        'import math',
        'from a import b',
        'x = 1',
        'def show(lr):\n    return b(lr, x)',
    ]
    assert item.expression == 'Explorer(show, lr=math.pi)'


def test_the_last_value_before_the_explorer_counts():
    (item,) = slices.slices(
        notebook(
            'x = 1',
            'def show(lr):\n    return x',
            'x = 2',
            'Explorer(show)',
            'x = 3',
        )
    )
    assert item.statements == ['def show(lr):\n    return x', 'x = 2']


def test_a_statement_that_fills_a_dictionary_belongs_to_it():
    (item,) = slices.slices(
        notebook(
            'paths = {}\nfor name in ("a", "b"):\n    paths[name] = len(name)',
            'def show():\n    return paths',
            'Explorer(show)',
        )
    )
    assert len(item.statements) == 3


def test_magics_do_not_stop_the_slicing_and_an_atlas_is_named_by_its_family():
    (item,) = slices.slices(
        notebook('%pip install -q d2l_ext', "Atlas('warmup', steps=5)")
    )
    assert item.key == 'atlas-warmup' and not item.statements


def test_what_is_no_explorer_is_left_alone():
    assert not slices.slices(notebook('Explorer', 'print(1)', 'x = Explorer(print)'))


def test_what_a_run_by_hand_trains_with_is_left_out():
    (item,) = slices.slices(
        notebook(
            'from d2l_ext import mxnet as d2l\nnet = d2l.lenet()\nlr = 0.3',
            'def steps(scheduler):\n    return d2l.train_steps(net, scheduler)\n\n'
            'HandSetRate(steps, lr)',
        )
    )
    assert item.key == 'handsetrate-steps'
    assert item.statements == [
        'lr = 0.3',
        'def steps(scheduler):\n    return d2l.train_steps(net, scheduler)',
    ]
