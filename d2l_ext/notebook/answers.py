"""Ask the frameworks what the notebooks ask them; record the answers for the others.

    python -m d2l_ext.notebook.answers

Runs the notebooks' cells here, without a kernel, and writes the answers where
`d2l_ext.notebook.Recorded` and `d2l_ext.experiments.replay` read them: the folder
d2l_ext/experiments/answers.
"""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import nbformat

from d2l_ext.experiments import replay
from d2l_ext.notebook.show import Recorded
from d2l_ext.training._files import write_whole

NOTEBOOKS = pathlib.Path(__file__).parents[2] / 'notebooks'


def run(notebook: pathlib.Path) -> dict[str, Any]:
    """Return what a notebook has defined when all its cells are run."""
    names: dict[str, Any] = {}
    _title, _setup, *cells = nbformat.read(notebook, as_version=4).cells
    for cell in cells:
        if cell.cell_type == 'code':
            exec(cell.source, names)  # noqa: S102 - our own notebook
    return names


def merged(recorded: list[Recorded]) -> dict[str, Any]:
    """Return the answers of several notebooks together.

    Raises ValueError where two notebooks got different answers to the same call.
    """
    answers: dict[str, Any] = {}
    for one in recorded:
        for call, answer in one.answers.items():
            if answers.setdefault(call, answer) != answer:
                raise ValueError(f'two notebooks define {call}: rename one of them')
    return answers


def listening(range_test: Callable, tests: dict[str, Any]) -> Callable:
    """Return a backend's `range_test` that also notes in `tests` what it answers."""

    def noted(net, train_iter, loss, trainer, device, *how, **named):
        test = range_test(net, train_iter, loss, trainer, device, *how, **named)
        call = replay.range_test_call('lenet', train_iter.batch_size, *how, **named)
        losses = [float(f'{loss:.7g}') for loss in test.losses]
        tests[call] = [losses, test.status]
        return test

    return noted


def main() -> None:
    """Ask all, and record what they answer; leave with a sentence if one is missing."""
    from d2l_ext import mxnet

    os.environ['MPLBACKEND'] = 'agg'
    recorded: dict[str, list[Recorded]] = {}
    tests: dict[str, Any] = {}
    mxnet.range_test = listening(mxnet.range_test, tests)  # type: ignore[assignment]
    for notebook in sorted(NOTEBOOKS.glob('*.ipynb')):
        text = notebook.read_text('utf-8')
        if 'Recorded(' in text or 'd2l.range_test(' in text:
            for value in run(notebook).values():
                if isinstance(value, Recorded):
                    recorded.setdefault(value.framework, []).append(value)
    for framework, several in recorded.items():
        if not all(one.module for one in several):
            raise SystemExit(f'{framework} is not here, so there is nobody to ask')
        last = several[-1]
        last.answers = merged(several)
        last.save()
        print(f'{last}: {len(last.answers)} answers in {last.path}')
    write_whole(replay.RANGE_TESTS, f'{json.dumps(tests)}\n')
    print(f'{len(tests)} range tests in {replay.RANGE_TESTS}')


if __name__ == '__main__':
    main()
