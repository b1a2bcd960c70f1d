"""What JupyterLab is given, and what keeps the notebooks."""
