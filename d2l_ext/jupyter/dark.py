"""A server extension that has stored pictures dark in JupyterLab's dark theme.

    jupyter lab --custom-css --ServerApp.jpserver_extensions=d2l_ext.jupyter.dark=True

An explorer brings its style with it, but a notebook that was only opened shows what was
stored, and JupyterLab drops a stored style unless it trusts the notebook. So the page
of JupyterLab itself has to bring it: `--custom-css` has it ask for `custom.css`, which
is looked for in the reader's own folder first, and then in `settings`.
"""

from pathlib import Path

SETTING = 'static_custom_path'
FOLDER = Path(__file__).with_name('settings')


def _jupyter_server_extension_points():
    return [{'module': __name__}]


def _load_jupyter_server_extension(app) -> None:
    """Have the server look for `custom.css` in our folder as well."""
    folders = app.web_app.settings.get(SETTING)
    if isinstance(folders, list):
        folders.append(str(FOLDER))  # JupyterLab's handler holds this very list
    else:
        app.log.warning(
            f'{__name__} does nothing: this Jupyter Server has no list {SETTING}, '
            f'but {folders!r}. In a dark theme pictures are white until they live.'
        )
