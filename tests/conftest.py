"""With D2L_EXT_STRICT=1, as in .ci/run, a skipped test is a failed one.

What is slow is marked here, in one place: `-m "not slow"` is the quick round.
"""

import importlib.util
import os

import pytest

# programs of their own, which make runs
programs = 'browser/plot', 'browser/speed', 'colab', 'matrix', 'matrix_cell'
collect_ignore = [f'{name}.py' for name in programs]
# libraries that are read back and that no extra installs: too large, or in the way of
# another; where one is missing its tests are no part of the suite
collect_ignore += [
    f'exchange/test_read_{library}.py'
    for library in ('fvcore', 'paddle', 'timm')
    if importlib.util.find_spec(library) is None
]

# Files that start browsers or Pythons, or train with a framework
SLOW_FILES = {
    'test_agreement_mxnet.py',
    'test_agreement_torch.py',
    'test_bench.py',
    'test_browser.py',
    'test_callbacks.py',
    'test_checkpoint.py',
    'test_finder.py',
    'test_hand.py',
    'test_messages.py',
    'test_mxnet.py',
    'test_notebook.py',
    'test_optimal.py',
    'test_pins.py',
    'test_range_test.py',
    'test_record.py',
    'test_replicas.py',
    'test_saved.py',
    'test_torch.py',
    'test_troubleshooting.py',
    'test_vision.py',
}

# Tests of two seconds and more on two cores
SLOW = {
    'test_a_broken_formula_turns_the_notebooks_red',
    'test_a_norm_is_that_of_the_mean_gradient_of_a_minibatch',
    'test_a_notebooks_functions_are_defined_in_the_code',
    'test_a_run_is_the_same_with_probes_in_it',
    'test_a_walk_raises_nothing_and_shows_no_error',
    'test_at_a_constant_rate_the_same_measure_sees_the_minibatchs_heat',
    'test_keras_plateau_is_keras',
    'test_mini_is_drawn_from_the_full_set',
    'test_mxnet_asked_and_trained',
    'test_one_wrong_convention_is_noticed',
    'test_ordinary_python_is_looked_up_where_jax_traces',
    'test_sharpness_is_the_eigenvalue_of_the_full_hessian_of_a_deeper_net',
    'test_strict_nbval_takes_a_live_run_for_a_static_one_and_sees_a_change',
    'test_the_code_gives_the_rates_of_every_update',
    'test_the_mean_of_one_set_of_weights_is_that_set',
    'test_the_optimizer_that_a_recipe_names_is_the_one_that_trains',
    'test_the_pages_of_the_package_need_no_framework',
    'test_the_papers_toy_is_sampled_within_the_error_of_a_thousand_chains',
    'test_the_recorded_answers_are_pytorchs',
    'test_the_suite_needs_no_module_of_unix',
    'test_the_table_is_true',
    'test_the_wheel_carries_modules_and_data',
    'test_torch_asked_and_trained',
    'test_two_processes_at_once',
    'test_types_are_right_where_the_library_differs',
    'test_what_has_no_torch_is_skipped_and_nothing_else',
    'test_without_pytorch_it_reads_on_from_the_recorded_answers',
    'test_without_pytorch_its_line_is_there_wherever_a_slider_stands',
}

# Tests with a goal in seconds: of the processor where one program is measured, which a
# busy machine hardly changes, of the clock where two talk to each other
SPEED = {
    'test_a_choice_that_changes_the_legend_is_quick_too',
    'test_a_kernel_that_trains_stays_free_to_answer',
    'test_a_move_is_quick_and_small_and_leaves_the_words',
    'test_a_move_stays_quick',
    'test_a_run_of_the_book_takes_milliseconds',
    'test_a_slider_is_answered_within_a_tenth_of_a_second',
    'test_a_slider_need_not_wait',
    'test_first_search_takes_under_three_seconds_with_all_imports',
    'test_it_loads_math_alone_in_less_than_10_ms',
    'test_mini_loads_in_a_tenth_of_a_second',
    'test_moving_the_lines_is_quick_and_small',
    'test_search_takes_under_a_second',
    'test_ten_thousand_points_take_20_ms',
    'test_the_table_needs_no_framework_and_no_second',
    'test_thousands_of_rates_take_milliseconds',
}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config, items):
    missing = [
        item
        for item in items
        if (foreign := item.get_closest_marker('foreign'))
        and importlib.util.find_spec(foreign.args[0]) is None
    ]
    config.hook.pytest_deselected(items=missing)
    items[:] = [item for item in items if item not in missing]
    for item in items:
        name = item.name.partition('[')[0]
        notebook = item.path.suffix == '.ipynb'
        if notebook or item.path.name in SLOW_FILES or name in SLOW:
            item.add_marker('slow')
        if name in SPEED:
            item.add_marker('speed')


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    if os.environ.get('D2L_EXT_STRICT') == '1' and report.skipped:
        if hasattr(report, 'wasxfail'):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else 'Skipped'
        report.longrepr = f'{reason}: not allowed with D2L_EXT_STRICT=1'
        report.outcome = 'failed'


# a module can be skipped as a whole while it is collected
pytest_collectreport = pytest_runtest_logreport
