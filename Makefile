# make run    try it out: receives mail on 127.0.0.1 port 2525, Ctrl-C ends it
# make test   run every test
# make check  the checks of style, types and imports alone
# make man    the manual pages as man(1) reads them, in build/man
# make clean  remove what the other targets made, the home ./run excepted

# Deliveries run as somebody else when root runs us, so root takes an interpreter that others can start, too.
OTHERS_CAN = import os, sys; os.setgid(65534); os.setuid(65534); os.execv(sys.executable, [sys.executable, "-c", ""])
ifndef PYTHON
PYTHON := $(shell if [ "`id -u`" != 0 ] || python3 -c '$(OTHERS_CAN)' 2>/dev/null; \
	then command -v python3; else echo /usr/bin/python3; fi)
endif

VENV = .venv
# The versions hold for the tools that build the package, too.
PIP = PIP_CONSTRAINT=etc/pins.txt $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
SOURCE = --config-settings editable_mode=compat --editable
DECLARED = setup.cfg pyproject.toml etc/pins.txt
JOBS = 2

run: $(VENV)/installed
	@exec $(VENV)/bin/python -P -s -m qtwisted.admin.tryout run

test: $(VENV)/installed-tests
	@$(VENV)/bin/python -m test.kit.summary --jobs $(JOBS) test

check: $(VENV)/installed-tests
	@$(VENV)/bin/python -m test.kit.summary test.shape

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(DECLARED)
	$(PIP) $(SOURCE) .
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed
	$(PIP) $(SOURCE) '.[test]'
	@touch $@

man: $(VENV)/installed-tests
	@$(VENV)/bin/python docs/manpages.py build/man
	@echo "The manual pages are in build/man."

clean:
	rm -rf $(VENV) build qtwisted.egg-info _trial_temp* .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: run test check man clean
