"""Every explorer in every notebook: a long random walk over its controls."""

import ast
import pathlib
import re
import symtable

import nbformat
import numpy as np
import pytest

pytest.importorskip('ipywidgets')
pytest.importorskip('matplotlib')

from d2l_ext.explorers.controls import Choice, Points, Slider, Snap, Switch

FOLDER = pathlib.Path(__file__).parents[2] / 'notebooks'
STEPS = 10_000
CLASSES = {'Explorer', 'Atlas'}


def statements(path):
    """Return the top-level statements of a notebook's code cells."""
    notebook = nbformat.read(path, as_version=4)
    return [
        statement
        for cell in notebook.cells
        if cell.cell_type == 'code'
        for statement in ast.parse(cell.source.replace('    %pip', '    # %pip')).body
    ]


def explorer_call(statement):
    """Return the call that creates an explorer, if the statement is one."""
    call = getattr(statement, 'value', None)
    if isinstance(call, ast.Call) and getattr(call.func, 'id', '') in CLASSES:
        return call
    return None


def all_explorers():
    """Return {name: (statements before, call, after)} of all explorers there are."""
    explorers = {}
    for path in sorted(FOLDER.glob('*.ipynb')):
        whole = statements(path)
        for i, statement in enumerate(whole):
            call = explorer_call(statement)
            if call:
                call.keywords = [k for k in call.keywords if k.arg != 'train']
                name = f'{path.stem} {len(explorers)}'
                explorers[name] = whole[:i], call, whole[i + 1 :]
    return explorers


def names(statements, test):
    """Return the names in statements, functions' too, whose symbol passes a test."""
    source = ast.unparse(ast.Module(statements, []))
    tables, found = [symtable.symtable(source, 'notebook', 'exec')], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {s.get_name() for s in table.get_symbols() if test(s, table)}
    return found


def bound(statements):
    """Return the names that statements of a notebook bind in it."""
    return names(statements, lambda s, in_: in_.get_type() == 'module' and is_bound(s))


def is_bound(symbol):
    return symbol.is_assigned() or symbol.is_imported()


def looked_up(before, call):
    """Return the notebook's names that an explorer's functions look up when called."""
    functions = {s.name: s for s in before if isinstance(s, ast.FunctionDef)}
    todo, found = [ast.Expr(call)], set()
    while todo:
        asked = names([todo.pop()], lambda s, in_: s.is_global())
        todo += [functions[name] for name in asked - found if name in functions]
        found |= asked
    return found & bound(before)


def explorer(before, call, _):
    """Return the explorer, after the statements alone that it needs."""
    needed, count, binds = [call], 0, [(s, bound([s])) for s in before]
    while len(needed) > count:
        count = len(needed)
        nodes = [node for statement in needed for node in ast.walk(statement)]
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        needed = [s for s, bound_by in binds if bound_by & names] + [call]
    space = {}
    exec(compile(ast.Module(needed[:-1], []), 'notebook', 'exec'), space)  # noqa: S102
    return eval(compile(ast.Expression(call), 'notebook', 'eval'), space)


EXPLORERS = all_explorers()


def random_value(control, rng):
    """Return a value that a reader could set the control to, the ends often."""
    if isinstance(control, Points):
        # each at a time of its own
        n = int(rng.integers(1, control.most + 1))
        places = rng.choice(control.t.positions + 1, n, replace=False)
        times = sorted(control.t.at(int(place)) for place in places)
        return [(t, random_value(control.lr, rng)) for t in times]
    if isinstance(control, Switch):
        return bool(rng.integers(2))
    if isinstance(control, Choice) and not isinstance(control, Snap):
        return [*control.options.values()][rng.integers(len(control.options))]
    if rng.random() < 0.1:
        return control.at(int(rng.choice([0, control.positions])))
    return control.at(int(rng.integers(control.positions + 1)))


def test_no_explorer_is_left_out():
    written = re.compile(r'^(?:Explorer|Atlas)\(', re.MULTILINE)
    cells = [
        cell.source
        for path in FOLDER.glob('*.ipynb')
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == 'code'
    ]
    assert len(EXPLORERS) == sum(len(written.findall(cell)) for cell in cells) > 20


@pytest.mark.parametrize('name', EXPLORERS)
def test_a_later_cell_leaves_what_the_explorer_looks_up(name):
    before, call, after = EXPLORERS[name]
    changed = looked_up(before, call) & bound(after)
    assert not changed, 'its slider would answer differently after Run All'


@pytest.mark.parametrize('name', EXPLORERS)
def test_a_walk_raises_nothing_and_shows_no_error(name):
    shown, rng = explorer(*EXPLORERS[name]), np.random.default_rng(0)
    values, seen = shown.values, set()
    for step in range(STEPS // len(EXPLORERS) + 1):
        # a walk: one control after the other
        moved = rng.choice([*shown.controls])
        values[moved] = random_value(shown.controls[moved], rng)
        if repr(values) not in seen:
            seen.add(repr(values))
            try:
                shown.function(**values)
            except Exception as error:
                raise AssertionError(f'{shown!r} at {values}') from error
        if step % 20 == 0:
            shown.set(**values)
            assert 'Error:' not in shown.sentence
            faded = shown.svg.startswith('<div style="opacity')
            assert not faded, shown.sentence


def test_12_takes_no_temperature_but_those_that_it_sampled_at():
    before, call, _ = next(
        found for name, found in EXPLORERS.items() if name.startswith('12_')
    )
    space = {'numpy': np, 'Snap': Snap, 'Slider': Slider}
    [sampled] = [s for s in before if 'temperatures' in bound([s])]
    exec(ast.unparse(sampled), space)  # noqa: S102
    [asked] = [word.value for word in call.keywords if word.arg == 'temperature']
    control = eval(ast.unparse(asked), space)
    for wanted in (0.1, 0.3, 0.5, 1.7):  # each a number that a reader may type
        assert control.check(wanted) in space['temperatures']
