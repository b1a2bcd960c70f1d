"""Ask PyTorch what notebook 13 asks it, and record the answers for those without it.

    python -m d2l_ext.jupyter.answers

Runs the notebook's cells here, without a kernel, and writes the answers where
`d2l_ext.notebook.Recorded` reads them: d2l_ext/experiments/answers/torch.json.
"""

import pathlib
from typing import Any

import nbformat

NOTEBOOKS = pathlib.Path(__file__).parents[2] / 'notebooks'
NOTEBOOK = NOTEBOOKS / '13_pytorch_schedulers.ipynb'


def run() -> dict[str, Any]:
    """Return what the notebook has defined when all its cells are run."""
    names: dict[str, Any] = {}
    _title, _setup, *cells = nbformat.read(NOTEBOOK, as_version=4).cells
    for cell in cells:
        if cell.cell_type == 'code':
            exec(cell.source, names)  # noqa: S102 - our own notebook
    return names


if __name__ == '__main__':
    pytorch = run()['pytorch']
    if not pytorch.module:
        raise SystemExit('PyTorch is not installed, so there is nobody to ask')
    pytorch.save()
    print(f'{pytorch}: {len(pytorch.answers)} answers in {pytorch.path}')
