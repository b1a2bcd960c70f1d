"""Settings for JupyterLab, and programs that run and stamp the notebooks."""
