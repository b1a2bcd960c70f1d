#!/bin/sh
# nbconvert's page of a notebook says that a picture has no description where it has one.
#
# Guess: a PNG displayed with metadata {'image/png': {'alt': ...}}, as IPython's Image and
#   many projects store it, has that text as its alt in `jupyter nbconvert --to html`:
#   nbconvert learned to read it in 2019, and warns of pictures without since 2023.
# Behaviour: the template `classic` reads it. The default, `lab`, reads the width beside
#   it, not alt: it writes "No description has been provided for this image", and warns
#   that the text is missing, which stands in the notebook.
# Versions: nbconvert 7.17.2, nbformat 5.11.1, Python 3.11, Linux x86_64.
# Source: share/jupyter/nbconvert/templates/lab/base.html.j2, block data_png, beside
#   classic/base.html.j2; exporters/html.py, from_notebook_node.
# Output seen: the two lines that are compared at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q 'nbconvert==7.17.2' 'nbformat==5.11.1'
"$folder/venv/bin/python" - > "$folder/seen" 2> "$folder/log" <<'PY'
import re
import nbconvert, nbformat.v4 as v4

pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=='
output = v4.new_output('display_data', data={'image/png': pixel},
                       metadata={'image/png': {'alt': 'A falling curve', 'width': 700}})
notebook = v4.new_notebook(cells=[v4.new_code_cell('', outputs=[output])])
for name in 'classic', 'lab':
    page, _ = nbconvert.HTMLExporter(template_name=name).from_notebook_node(notebook)
    print(name, *re.findall(r'<img alt="([^"]*)"[^>]* width="700"', page))
PY
cat "$folder/seen"
grep -qx 'classic A falling curve' "$folder/seen"
grep -qx 'lab No description has been provided for this image' "$folder/seen"
