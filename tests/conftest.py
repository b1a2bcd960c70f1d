"""With D2L_EXT_STRICT=1, as in .ci/run, a skipped test is a failed one."""

import os

import pytest

# programs of their own, which make runs
collect_ignore = ['browser', 'colab.py', 'matrix.py', 'matrix_cell.py']


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
