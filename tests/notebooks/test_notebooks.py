"""What must hold of the stored notebooks; strict nbval runs and compares them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from d2l_ext.jupyter import stamp

FOLDER = pathlib.Path(__file__).parents[2] / 'notebooks'
PATHS = sorted(FOLDER.glob('*.ipynb'))
NUMBER = re.compile(r'(?<![\w.])\d+(?:,\d{3})*\.\d+')


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def is_live(cell):
    return 'nbval-ignore-output' in cell.metadata.get('tags', [])


def test_the_section_is_all_there():
    names = [
        'index',
        'toy_problem',
        'schedulers',
        'factor',
        'multi_factor',
        'cosine',
        'warmup',
    ]
    stems = [path.stem for path in PATHS]
    assert [f'{i:02}_{name}' for i, name in enumerate(names)] == stems[:7]


def test_all_notebooks_open_alike():
    setups = {nbformat.read(path, 4).cells[1].source for path in PATHS}
    assert len(setups) == 1
    # where they come from is the git remote's matter
    source = re.compile(r"(?<='D2L_EXT_SOURCE', ).*(?=\)$)", re.MULTILINE)
    assert source.sub("''", setups.pop()) == stamp.setup(None)


def test_the_fourth_code_cell_shows_something_at_the_latest(notebook):
    assert any(cell.outputs for cell in code(notebook)[:4])


def test_mxnet_s_helper_is_imported_before_mxnet(notebook):
    names = ' '.join(cell.source for cell in code(notebook))
    if 'from mxnet import' in names:
        helper = names.index('from d2l_ext import mxnet as d2l')
        assert helper < names.index('from mxnet import')


def test_it_opens_with_title_and_question(notebook):
    first = notebook.cells[0]
    assert first.cell_type == 'markdown'
    assert first.source.startswith('# ')
    assert '?**' in first.source


def test_it_was_run_from_the_top_without_errors(notebook):
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {out.output_type for cell in code(notebook) for out in cell.outputs}
    assert 'error' not in kinds
    assert not any(
        out.get('name') == 'stderr' for cell in code(notebook) for out in cell.outputs
    )


def test_cells_are_short(notebook):
    assert max(len(cell.source.splitlines()) for cell in code(notebook)) <= 14


def test_only_runs_and_hands_go_uncompared(notebook):
    for cell in code(notebook):
        assert set(cell.metadata.get('tags', [])) <= {'nbval-ignore-output'}
        trains = 'd2l.train(' in cell.source and 'progress=False' not in cell.source
        by_hand = 'HandSetRate(' in cell.source or 'd2l.range_test(' in cell.source
        assert is_live(cell) == (trains or by_hand)


def test_every_explorer_has_a_task_and_a_picture_that_stays(notebook):
    text = ''
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            text = cell.source
        elif re.search(r'^(Explorer|Atlas|HandSetRate)\(', cell.source, re.MULTILINE):
            assert '**Task.**' in text
            assert any('image/png' in out.get('data', {}) for out in cell.outputs)


def test_outputs_hold_pictures_not_widgets(notebook):
    assert set(notebook.metadata) == {'kernelspec', 'language_info'}
    assert notebook.metadata.kernelspec.name == 'python3'
    kinds = {
        kind
        for cell in code(notebook)
        for out in cell.outputs
        for kind in out.get('data', {})
    }
    assert kinds <= {'image/png', 'text/plain', 'text/html', 'text/markdown'}
    assert 'image/png' in kinds


def test_no_number_in_the_text_that_no_compared_cell_shows(notebook):
    shown = ''
    for cell in code(notebook):
        if not is_live(cell):
            shown += cell.source + ''.join(
                out.get('text', '') + out.get('data', {}).get('text/plain', '')
                for out in cell.outputs
            )
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            for number in NUMBER.findall(
                re.sub(r'\]\([^)]*\)|\$[^$]*\$', '', cell.source)
            ):
                assert number in shown, f'{number} is in the text alone'


@pytest.mark.parametrize(
    ('old', 'new', 'passes'),
    [
        ('', '', True),
        ('(1 + math.cos(math.pi * t /', '(1 - math.cos(math.pi * t /', False),
        ('t / self.warmup_steps)', 't / (self.warmup_steps + 1))', False),
    ],
)
def test_a_broken_formula_turns_the_notebooks_red(old, new, passes, tmp_path):
    package = tmp_path / 'd2l_ext'
    shutil.copytree(FOLDER.parent / 'd2l_ext', package)
    source = (package / 'schedulers.py').read_text()
    assert old in source
    (package / 'schedulers.py').write_text(source.replace(old, new, 1))
    shutil.copy(PATHS[0], tmp_path)
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider']
    command += ['-o', 'addopts=', '--nbval', '--nbval-current-env']
    run = subprocess.run(
        [*command, f'--rootdir={tmp_path}', PATHS[0].name],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
    )
    assert run.returncode == (0 if passes else 1), run.stdout
    if not passes:
        assert 'Cell outputs differ' in run.stdout
