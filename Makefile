# make lab    python -m d2l_ext lab: everything into .venv, the notebooks in JupyterLab
# make test   python -m d2l_ext test: the test tools too, and every check
# make test ARGS='-m "not slow"'    the quick round, under two minutes
# make site   the notebooks as a web page, alive and offline, into site/build
# make api    pages of the package from its docstrings, into build/api
# make torch  add PyTorch, the second backend (its tests are skipped without it)
# make peers  add PyTorch, Keras, Optax, Ignite and transformers, to run the code that
#             explorers write for them
# make conda  make the conda environment d2l_ext, with MXNet and d2l in it
# make test-matrix    what MXNet computes, on every Python found and several NumPy
# make test-colab     the notebooks as Colab meets them, one by one
# make test-browser   every explorer against the clock, in JupyterLab in Chromium
# make stamp          write the git remote's address into the notebooks
# make bench | make notebooks    measure | execute the notebooks and store their outputs
#
# make lab ARGS='--no-browser --port 8899'    arguments for JupyterLab
# make lab PYTHON=python3.13                  another Python, if there is no .venv yet
# make test-matrix PYTHONS='python3.11 /path/to/python3.13'

PYTHON = python3
PYTHONS = python3.11 python3.12 python3.13 python3.14 python3.15
CONDA = conda
ARGS =
# every public module: d2l_ext.plan d2l_ext.panels.panel ...
MODULES = $(subst /,.,$(basename $(wildcard d2l_ext/[a-z]*.py d2l_ext/*/[a-z]*.py)))
BIN = .venv/bin

.NOTPARALLEL:
.PHONY: lab test site api torch peers conda test-matrix test-colab test-browser stamp bench \
	notebooks

lab test:
	@$(PYTHON) -m d2l_ext $@ $(ARGS)

site: .venv/.lab
	$(BIN)/python site/build.py $(ARGS)

api: .venv/.test
	rm -rf build/api
	$(BIN)/python -m pdoc -o build/api d2l_ext $(MODULES) \
		$$(for backend in mxnet torch; do \
			$(BIN)/python -c "import d2l_ext.$$backend" 2> /dev/null || \
			echo "!d2l_ext.$$backend"; done)

torch: .venv/.torch

peers: .venv/.peers

conda:
	$(CONDA) env list | grep -q '^d2l_ext ' || $(CONDA) env create -f environment.yml
	$(CONDA) run -n d2l_ext python -m d2l_ext.install

test-matrix: .venv/.lab
	$(BIN)/python tests/matrix.py $(PYTHONS)

test-colab: .venv/.test
	$(BIN)/python tests/colab.py $(PYTHONS)

test-browser: .venv/.test
	$(BIN)/python -m tests.browser.speed $(ARGS)

stamp: .venv/.lab
	$(BIN)/python -m d2l_ext.jupyter.stamp

bench: .venv/.torch
	$(BIN)/python -m benchmarks $(ARGS)

notebooks: .venv/.lab
	$(BIN)/python -m d2l_ext.jupyter.execute $(ARGS)

# a stamp per set of extras, which `setup` leaves
.venv/.lab: EXTRAS = lab
.venv/.test: EXTRAS = lab test
.venv/.torch: EXTRAS = lab torch
.venv/.peers: EXTRAS = lab torch peers
.venv/.lab .venv/.test .venv/.torch .venv/.peers: pyproject.toml constraints.txt
	@$(PYTHON) -m d2l_ext setup $(EXTRAS)
