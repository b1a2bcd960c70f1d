"""Run notebooks and store their outputs: pictures, no widgets, nothing of this machine.

    python -m d2l_ext.jupyter.execute [NOTEBOOK ...]

An explorer's stored output is its picture and a line of text (D2L_EXT_STATIC), which
every viewer can show, with a kernel or without. Prints how long each notebook took.
"""

import os
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = pathlib.Path(__file__).parents[2] / 'notebooks'


def execute(path: pathlib.Path) -> None:
    """Run the notebook at `path` from the top and write it back, whole or not at all."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name='python3',
        record_timing=False,
        coalesce_streams=True,  # one print may arrive in two pieces
        resources={'metadata': {'path': str(path.parent)}},
    )
    client.execute()
    notebook.metadata = {
        'kernelspec': notebook.metadata['kernelspec'],
        'language_info': {'name': 'python'},
    }
    temporary = path.with_suffix('.part')
    nbformat.write(notebook, temporary)
    temporary.replace(path)


if __name__ == '__main__':
    os.environ['D2L_EXT_STATIC'] = '1'
    chosen = [pathlib.Path(name) for name in sys.argv[1:]]
    for path in chosen or sorted(NOTEBOOKS.glob('*.ipynb')):
        start = time.perf_counter()
        execute(path.resolve())
        print(f'{path.name}: {time.perf_counter() - start:.0f} s', flush=True)
