# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
BIN := .venv/bin
DEMO := captures/scenarios/ndes-refused-template.pcap

.PHONY: help demo install test test-lowest check properties fuzz golden bench bench-tshark bench-live score faults captures captures-tls docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed  ## read a bundled capture: the verdict first, then the annotated timeline
	$(BIN)/scep-analyzer $(DEMO)
	@echo
	$(BIN)/scep-analyzer timeline --no-pager $(DEMO)
	@echo
	@echo "Next: $(BIN)/scep-analyzer YOUR.pcap            the answer first: what happened, why, what to do"
	@echo "      $(BIN)/scep-analyzer diagnose YOUR.pcap   causes with proof and fix, for a ticket"
	@echo "      $(BIN)/scep-analyzer --help               all commands; 'make install' puts it on the PATH"

install: .venv/installed  ## put the command scep-analyzer on the PATH (~/.local/bin)
	mkdir -p $(HOME)/.local/bin
	ln -sf $(CURDIR)/$(BIN)/scep-analyzer $(HOME)/.local/bin/scep-analyzer
	@echo "installed: ~/.local/bin/scep-analyzer (put ~/.local/bin on your PATH if it is not)"

test: .venv/dev  ## run the tests; what is skipped says why and what to install
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-lowest: pyproject.toml  ## run the tests with the lowest versions of the dependencies that pyproject.toml allows
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet uv
	VIRTUAL_ENV=$(CURDIR)/.venv-lowest .venv-lowest/bin/uv pip install --quiet --group test
	VIRTUAL_ENV=$(CURDIR)/.venv-lowest .venv-lowest/bin/uv pip install --quiet --resolution lowest-direct -e .
	.venv-lowest/bin/python -m pytest

check: .venv/dev  ## lint, types, layers, generated documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: .venv/dev  ## write the generated parts of README.md, docs/ and captures/README.md anew
	$(BIN)/python docs/generate.py

properties: .venv/dev  ## look for new counterexamples to the properties, some minutes long
	PROPERTY_DEPTH=$${PROPERTY_DEPTH:-30} $(BIN)/python -m pytest tests/properties

fuzz: .venv/dev  ## look for bytes that give a traceback: FUZZ_SECONDS (60) for each target; what it learns is kept in tests/fuzz/corpus
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	mkdir -p build/fuzz
	for target in capture frames segments http message; do \
	  $(BIN)/python -m tests.fuzz.run $$target -max_total_time=$${FUZZ_SECONDS:-60} -max_len=16384 -timeout=20 -print_final_stats=1 \
	    2>build/fuzz/$$target.log || { tail -40 build/fuzz/$$target.log; exit 1; }; \
	  grep -E "number_of_executed_units|new_units_added" build/fuzz/$$target.log; \
	  $(BIN)/python -m tests.fuzz.keep $$target; \
	done

golden: .venv/dev  ## accept the present output as the expected one: the timeline's, the table of causes, what rules say (read the diff before committing)
	$(BIN)/python -m tests.render.accept
	$(BIN)/python -m tests.rules.accept
	$(BIN)/python -m tests.corpus.accept

bench: .venv/dev  ## measure start-up, whole runs and large captures (half an hour; 2 GB in build/); see docs/performance.md
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/large.py

bench-tshark: .venv/dev  ## measure two ways of driving tshark (a minute); see docs/design.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python benchmarks/tshark.py

bench-live: .venv/dev  ## capture 500 enrollments in a minute, and an hour's memory (root; Debian's scep, tshark, iproute2; two minutes)
	$(BIN)/python benchmarks/live.py

score: .venv/dev  ## score the diagnosis over the corpus of faults and the healthy captures; see docs/diagnosis.md
	$(BIN)/python benchmarks/score.py $(CAPTURES)

faults: .venv/dev  ## build the captures of faults anew from their recipes
	$(BIN)/python captures/faults/build.py

captures: .venv/dev  ## record the lab's captures anew (root, Debian's scep, certmonger, strongswan-pki, tcpdump, iproute2)
	$(BIN)/python captures/lab/record.py

captures-tls: .venv/dev  ## record the lab's captures over TLS anew (as above, and Debian's nginx-light)
	$(BIN)/python captures/lab/https.py

clean:  ## remove what was built
	rm -rf build .venv .venv-lowest .mypy_cache .ruff_cache .pytest_cache dist

.venv/installed: pyproject.toml setup.py scep_analyzer/capture/_stride.c
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	touch $@
