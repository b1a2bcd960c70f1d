"""What of a notebook an explorer needs: its statements, word for word."""

import ast
import re
import symtable
from collections.abc import Iterator
from typing import NamedTuple

import nbformat

EXPLORERS = 'Explorer', 'Atlas', 'HandSetRate'
# It is handed a function that trains, which no page can call
_NEVER_CALLS = {'HandSetRate'}
_MAGIC = re.compile(r'^(\s*)[%!].*$', re.MULTILINE)
# What runs where it stands; the body of a function runs when it is called
_AT_ONCE = {'listcomp', 'genexpr', 'setcomp', 'dictcomp'}


class Slice(NamedTuple):
    """An explorer of a notebook, in the cell with this index, and what comes before it.

    `key`: the name of its function, or `atlas-` and that of its family of recordings.
    """

    cell: int
    key: str
    statements: list[str]
    expression: str


class _Statement(NamedTuple):
    cell: int
    node: ast.stmt
    source: str
    binds: set[str]
    now: set[str]
    later: set[str]


def slices(notebook: nbformat.NotebookNode) -> list[Slice]:
    """Return each explorer of a notebook with the statements that it depends on.

    A name is looked up where the statement stands, or, in the body of a function, where
    the explorer stands. Of an import of several names, only those used are left.
    """
    rows = [*_statements(notebook)]
    slices: list[Slice] = []
    for at, row in enumerate(rows):
        call = row.node.value if isinstance(row.node, ast.Expr) else None
        kind = getattr(getattr(call, 'func', None), 'id', '')
        if not isinstance(call, ast.Call) or kind not in EXPLORERS:
            continue
        needed, todo = set(), [at]
        while todo:
            asking = todo.pop()
            names = [(name, asking) for name in rows[asking].now]
            if kind not in _NEVER_CALLS:
                names += [(name, at) for name in rows[asking].later]
            for name, before in names:
                i = _last_bound(name, rows[:before])
                if i is not None and i not in needed:
                    needed.add(i)
                    todo.append(i)
        used = set().union(*(rows[i].now | rows[i].later for i in (*needed, at)))
        statements = [_trimmed(rows[i], used) for i in sorted(needed)]
        key = re.sub(r'\W+', '_', ast.unparse(call.args[0])).strip('_')
        if kind != 'Explorer':
            key = f'{kind.lower()}-{key}'
        slices.append(Slice(row.cell, key, statements, row.source))
    return slices


def _last_bound(name: str, rows: list[_Statement]) -> int | None:
    return next((i for i in reversed(range(len(rows))) if name in rows[i].binds), None)


def _statements(notebook: nbformat.NotebookNode) -> Iterator[_Statement]:
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != 'code':
            continue
        source = _MAGIC.sub(r'\1pass', cell.source)
        lines = source.split('\n')
        for node in ast.parse(source).body:
            decorators = getattr(node, 'decorator_list', [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            text = '\n'.join(lines[first - 1 : node.end_lineno])
            binds, now, later = _names(text)
            # `names[key] = ...` and `names.x = ...` change what `names` is
            for part in ast.walk(node):
                if isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(
                    part.ctx, ast.Store
                ):
                    binds |= {getattr(part.value, 'id', '')} & now
            yield _Statement(i, node, text, binds, now, later)


def _names(source: str) -> tuple[set[str], set[str], set[str]]:
    """Return the global names that code binds, uses at once, and uses when called."""
    binds: set[str] = set()
    now: set[str] = set()
    later: set[str] = set()

    def walk(table: symtable.SymbolTable, at_once: bool, outermost: bool) -> None:
        for symbol in table.get_symbols():
            if outermost and (symbol.is_assigned() or symbol.is_imported()):
                binds.add(symbol.get_name())
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                (now if at_once else later).add(symbol.get_name())
        for child in table.get_children():
            runs = child.get_type() == 'class' or child.get_name() in _AT_ONCE
            walk(child, at_once and runs, False)

    walk(symtable.symtable(source, 'cell', 'exec'), True, True)
    return binds, now, later


def _trimmed(statement: _Statement, used: set[str]) -> str:
    (node,) = ast.parse(statement.source).body
    if not isinstance(node, (ast.Import, ast.ImportFrom)):
        return statement.source
    node.names = [
        alias
        for alias in node.names
        if (alias.asname or alias.name).partition('.')[0] in used
    ]
    return ast.unparse(node)
