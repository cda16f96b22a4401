# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
BIN := .venv/bin
DEMO := captures/scenarios/ndes-refused-template.pcap

.PHONY: help demo install test test-lowest check properties fuzz fuzz-native doubling golden bench bench-tshark bench-live fleet score faults captures captures-tls docs picture clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed  ## read a bundled capture: the first screen with verdict and fix, then the annotated timeline
	$(BIN)/scep-analyzer $(DEMO)
	@echo
	$(BIN)/scep-analyzer timeline --no-pager $(DEMO)
	@echo
	@mkdir -p build
	$(BIN)/scep-analyzer report --force $(DEMO) -o build/report.html
	@echo
	@echo "Next: $(BIN)/scep-analyzer YOUR.pcap            what happened, why, and what to do"
	@echo "      $(BIN)/scep-analyzer diagnose YOUR.pcap   causes with proof and fix, for a ticket"
	@echo "      $(BIN)/scep-analyzer report YOUR.pcap -o report.html   one page with diagrams; open it: xdg-open build/report.html"
	@echo "      $(BIN)/scep-analyzer --help               all commands; 'make install' puts the command on the PATH"

install: .venv/installed  ## put the command scep-analyzer on the PATH (~/.local/bin)
	mkdir -p $(HOME)/.local/bin
	ln -sf $(CURDIR)/$(BIN)/scep-analyzer $(HOME)/.local/bin/scep-analyzer
	@echo "installed: ~/.local/bin/scep-analyzer (put ~/.local/bin on your PATH if it is not)"

test: .venv/dev  ## run the tests; a skipped test says why, and what to install
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

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

docs: .venv/dev  ## write the generated parts of README.md, docs/ and captures/README.md again
	$(BIN)/python docs/generate.py

picture: .venv/dev  ## take the picture of the page in docs/how-to/report.md and README.md again, from the bundled capture (needs chromium)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group browser
	$(BIN)/python docs/report_picture.py

properties: .venv/dev  ## look for new counterexamples to the properties, for moments at which a signal or a kill does harm, and read the near misses too (takes some minutes)
	PROPERTY_DEPTH=$${PROPERTY_DEPTH:-30} $(BIN)/python -m pytest tests/properties tests/test_events.py tests/cli/test_signals.py tests/fleet/test_fleet.py tests/pasted/test_dumps.py tests/pasted/test_forms.py tests/wireshark/test_plugin.py

fuzz: .venv/dev  ## look for bytes that cause a traceback, or take over 2 s or 64 MB: FUZZ_SECONDS (60) for each target; useful inputs are kept in tests/fuzz/corpus
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	mkdir -p build/fuzz
	for target in capture frames segments http message; do \
	  $(BIN)/python -m tests.fuzz.run $$target -max_total_time=$${FUZZ_SECONDS:-60} -max_len=16384 -timeout=20 -print_final_stats=1 \
	    2>build/fuzz/$$target.log || { tail -40 build/fuzz/$$target.log; exit 1; }; \
	  grep -E "number_of_executed_units|new_units_added" build/fuzz/$$target.log; \
	  $(BIN)/python -m tests.fuzz.keep $$target; \
	done
	$(BIN)/python -m tests.fuzz.structured $${FUZZ_SECONDS:-60}

fuzz-native: .venv/dev  ## the compiled part, built with gcc's address and undefined-behavior sanitizers, against the Python that it stands for: FUZZ_SECONDS (60)
	mkdir -p build/fuzz/sanitized
	gcc -shared -fPIC -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DCOPY_RECORDS -Wall -Wextra -Werror \
	  -I$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('include'))") scep_analyzer/capture/*.c -o build/fuzz/sanitized/_stride.so
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
	  $(BIN)/python -m tests.fuzz.sanitized build/fuzz/sanitized/_stride.so $${FUZZ_SECONDS:-60} $${FUZZ_SEED:-}

doubling: .venv/dev  ## double hostile inputs four times; work that grows faster than their size is a finding (takes minutes)
	$(BIN)/python -m tests.hostile.doubling

golden: .venv/dev  ## accept the present output as the expected one: timeline, table of causes, findings of the rules (read the diff before committing)
	$(BIN)/python -m tests.render.accept
	$(BIN)/python -m tests.rules.accept
	$(BIN)/python -m tests.corpus.accept

bench: .venv/dev  ## measure start-up, whole runs and large captures (takes half an hour and 2 GB in build/); see docs/performance.md
	$(BIN)/python benchmarks/table.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/large.py

bench-tshark: .venv/dev  ## measure two ways of driving tshark (takes a minute); see docs/design.md
	$(BIN)/python benchmarks/tshark.py

bench-live: .venv/dev  ## capture 500 enrollments in a minute and measure an hour's memory (as root; needs Debian's scep, tshark, iproute2; takes two minutes)
	$(BIN)/python benchmarks/live.py

fleet: .venv/dev  ## read 2,000 captures made from the recipes by threads, processes and a Dask cluster of two workers on this machine; the tables must be the same, also where a worker is killed (takes five minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fleet]'
	$(BIN)/python benchmarks/fleet.py

score: .venv/dev  ## score the diagnosis over the corpus of faults and the healthy captures; see docs/diagnosis.md
	$(BIN)/python benchmarks/score.py $(CAPTURES)

faults: .venv/dev  ## build the captures of faults again from their recipes
	$(BIN)/python captures/faults/build.py

captures: .venv/dev  ## record the lab's captures again (as root; needs Debian's scep, certmonger, strongswan-pki, tcpdump, iproute2)
	$(BIN)/python captures/lab/record.py

captures-tls: .venv/dev  ## record the lab's captures over TLS again (as above, and Debian's nginx-light)
	$(BIN)/python captures/lab/https.py

clean:  ## remove what was built
	rm -rf build .venv .venv-lowest .mypy_cache .ruff_cache .pytest_cache dist

.venv/installed: pyproject.toml setup.py $(wildcard scep_analyzer/capture/*.[ch])
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	touch $@
