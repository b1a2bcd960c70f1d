"""Ask PyTorch what notebook 13 asks it, and record the answers for those without it.

    python -m d2l_ext.jupyter.answers

Runs the notebook's cells here, without a kernel, and writes d2l_ext/experiments/answers/torch.json.
"""

import pathlib

import nbformat

from d2l_ext import mxnet  # noqa: F401 - first: MXNet needs its help on today's Python

NOTEBOOKS = pathlib.Path(__file__).parents[2] / 'notebooks'
NOTEBOOK = NOTEBOOKS / '13_pytorch_schedulers.ipynb'


def run():
    """Return what the notebook has defined when all its cells are run."""
    names = {}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells[2:]:
        if cell.cell_type == 'code':
            exec(cell.source, names)  # noqa: S102 - our own notebook
    return names


if __name__ == '__main__':
    pytorch = run()['pytorch']
    if not pytorch.module:
        raise SystemExit('PyTorch is not installed, so there is nobody to ask')
    pytorch.save()
    print(f'{pytorch}: {len(pytorch.answers)} answers in {pytorch.path}')
