"""What must hold of the stored notebooks; strict nbval runs and compares them."""

import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from d2l_ext.experiments import RECIPES
from d2l_ext.jupyter import stamp

FOLDER = pathlib.Path(__file__).parents[2] / 'notebooks'
PATHS = sorted(FOLDER.glob('*.ipynb'))
NUMBER = re.compile(r'(?<![\w.])\d+(?:,\d{3})*\.\d+')
EXPLORER = re.compile(r'^(Explorer|Atlas|HandSetRate)\(', re.MULTILINE)
DRAWING = re.compile(r'plots\.images\(|\bPanel\(|(recorded|band|consequence)_panels\(')
# what a reader cannot know from the book's earlier chapters
TERMS = (
    'scheduler',
    'epoch',
    'seed',
    'overfitting',
    'noisy quadratic',
    'curvature',
    'condition number',
    'expected loss',
    'stability line',
    'noise floor',
    'warmup',
    'full set',
    'mini set',
    'as printed',
    'as meant',
    'standard error',
    'polynomial decay',
    'confidence interval',
    'ramp',
    'peak',
    'cold',
    'roughness',
    'hash',
    'sharpness',
    'top-1 error',
    'posterior',
    'prior',
    'chain',
    'anneal',
    'WSD',
    'iterates',
)


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


def test_mxnet_is_named_where_its_answers_are_recorded_and_nowhere_else(notebook):
    for cell in code(notebook):
        if '%pip' in cell.source:
            continue
        for node in ast.parse(cell.source).body:
            recorded = 'mxnet' in map(ast.unparse, getattr(node, 'decorator_list', ()))
            text = ast.unparse(node)
            assert recorded or not re.search(r'(import|from) [\w.]*mxnet\b', text), text


@pytest.mark.parametrize('epochs', [0, 2])
def test_what_follows_a_run_runs_where_the_run_was_stopped(notebook, epochs):
    from d2l_ext import schedulers
    from d2l_ext.training import History

    recipe = {'num_epochs': 30, 'batches_per_epoch': 94}
    curves = [[0.5] * epochs] * 3
    stopped = History(recipe, *curves, [0.3] * (94 * epochs + 1), 'stopped')
    cells = code(notebook)
    for run, behind in zip(cells, cells[1:]):
        if 'history = d2l.train(' in run.source:
            space = {**vars(schedulers), 'history': stopped}
            exec(behind.source, space)  # noqa: S102


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
        # which framework is here, and the code of its net
        which = 'd2l = backend()' in cell.source or 'Source(d2l.' in cell.source
        assert is_live(cell) == (trains or by_hand or which)


def test_every_explorer_has_a_task_and_a_picture_that_stays(notebook):
    text = ''
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            text = cell.source
        elif EXPLORER.search(cell.source):
            assert '**Task.**' in text
            assert any('image/png' in out.get('data', {}) for out in cell.outputs)


def test_every_explorer_s_answer_is_folded_and_nothing_else_tells_it(notebook):
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == 'code' and EXPLORER.search(cell.source):
            behind = notebook.cells[i + 1]
            assert behind.cell_type == 'markdown', 'code comes between task and answer'
            first, answer, rest = re.split('</?details>', behind.source, maxsplit=2)
            assert '<summary><b>What you may have found</b></summary>' in answer
            # 02 says there what its first curves are
            assert not first.strip() or 'HandSetRate(' in cell.source
            # the numbers behind it stand at the end, and so does what prints them
            following = notebook.cells[i + 2 : i + 3]
            assert rest or not any(cell.cell_type == 'code' for cell in following)


def test_what_sets_up_or_draws_is_folded(notebook):
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == 'code' and (
            i in (1, 2) or EXPLORER.search(cell.source) or DRAWING.search(cell.source)
        ):
            assert cell.metadata.get('jupyter') == {'source_hidden': True}, cell.id
            assert cell.metadata.get('cellView') == 'form', cell.id  # Colab's


def test_the_first_picture_comes_in_the_first_third(notebook):
    has_picture = [
        any('image/png' in out.get('data', {}) for out in cell.get('outputs', []))
        for cell in notebook.cells
    ]
    assert has_picture.index(True) <= len(notebook.cells) / 3


def first_mention(term, sources):
    """Return whether the first mention of a term, headings aside, is marked as such."""
    for source in sources:
        text = re.sub(r'^(#|\|).*$', '', source, flags=re.MULTILINE)
        mention = re.search(rf'(\*?)\b{term}\b(\.?\*?)', text, re.IGNORECASE)
        if mention:
            return all(mention.groups())
    return False


@pytest.mark.parametrize('term', TERMS)
def test_a_term_is_explained_where_a_new_student_first_meets_it(term):
    sources = [
        cell.source
        for path in PATHS
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == 'markdown'
    ]
    assert first_mention(term, sources)


def test_the_first_explorer_of_13_comes_in_its_first_sixth():
    cells = nbformat.read(FOLDER / '13_pytorch_schedulers.ipynb', as_version=4).cells
    at = next(i for i, cell in enumerate(cells) if EXPLORER.search(cell.source))
    assert at <= len(cells) / 6


def test_the_results_speak_in_words_and_fit():
    results = nbformat.read(FOLDER / '07_results.ipynb', as_version=4)
    shown = [
        out.get('text') or out.get('data', {}).get('text/plain', '')
        for cell in code(results)
        for out in cell.outputs
    ]
    for text in shown:
        assert not set(re.findall(r'\w+_\w+', text)) & {*RECIPES}
    tables = [text for text in shown if text.startswith(('claim', 'schedule'))]
    assert len(tables) == 3
    assert all(len(line) <= 88 for text in tables for line in text.splitlines())


def test_the_results_say_the_rule_before_they_use_it():
    results = nbformat.read(FOLDER / '07_results.ipynb', as_version=4)
    said = [
        cell.source + ''.join(out.get('text', '') for out in cell.get('outputs', []))
        for cell in results.cells
    ]
    first = next(text for text in said if 'confirmed' in text)
    assert first.startswith('## The rule')


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


def test_nothing_wraps_in_a_window_960_pixels_wide(notebook):
    """So many letters of each kind fit into a line there, in JupyterLab's own fonts."""
    for cell in notebook.cells:
        texts = [(99, cell.source)] if cell.cell_type == 'code' else []
        if cell.cell_type == 'markdown':
            texts += [
                (83, text) for text in re.findall('```(.*?)```', cell.source, re.DOTALL)
            ]
        for out in cell.get('outputs', []):
            data = out.get('data', {})
            texts.append((83, data.get('text/markdown', '')))
            if set(data) <= {'text/plain'}:
                texts.append((98, out.get('text', '') + data.get('text/plain', '')))
        for fits, text in texts:
            for line in text.splitlines():
                assert len(line) <= fits, line


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
