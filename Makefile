# make run     try it out: SMTP on 127.0.0.1 port 2525, QMTP on port 2209, Ctrl-C ends it
# make test    run every test
# make style   the checks of style, types and imports alone
# make reliability   power cuts, kills and failing system calls at full length, for an hour
#
# make it man  build everything for an installation, and the manual pages (may fetch packages)
# make setup   install into the home that etc/conf-qmail names (fetches nothing); as root, or with DESTDIR
# make check   print what is wrong with the installation, and nothing if all is well
# make config  make the control files of a new installation
#
# make docs    make the guide as HTML, in build/html
# make deb     build the Debian package, in build/ (needs debhelper and python3-venv)
# make clean   remove what the other targets made, the home ./run excepted
#
# For make setup: DESTDIR=DIR installs below DIR; MANDIR=DIR puts the manual pages there; CHOWN=no leaves owners alone;
# CREATE_USERS=yes creates users and groups. For make config: ME=mail.example.org is the name of this host; without it
# the name is found in the DNS.

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

BUILD = build
QMAIL = $(shell head -n 1 etc/conf-qmail)
BUILT_FROM = $(shell find qtwisted twisted etc docs -type f ! -name '*.pyc' ! -path 'docs/man/*' ! -path 'docs/formats/*') README.rst setup.cfg
# What is imported is what is to be installed, and not what lies in the directory somebody happens to be in.
OURS = PYTHONPATH=$(CURDIR) $(VENV)/bin/python -P -s -m
SETUP = $(if $(DESTDIR),--destdir "$(DESTDIR)") $(if $(MANDIR),--mandir "$(MANDIR)") \
	$(if $(filter no,$(CHOWN)),--no-chown) $(if $(filter yes,$(CREATE_USERS)),--create-users)

run: $(VENV)/installed
	@exec $(VENV)/bin/python -P -s -m qtwisted.admin.tryout run

test: $(VENV)/installed-tests
	@$(VENV)/bin/python -m test.kit.summary --jobs $(JOBS) test

style: $(VENV)/installed-tests
	@$(VENV)/bin/python -m test.kit.summary test.shape

reliability: $(VENV)/installed-tests
	@QTWISTED_RELIABILITY=1 $(VENV)/bin/python -m test.kit.summary test.crash test.whole.test_kill

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python $(DECLARED)
	$(PIP) $(SOURCE) .
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed
	$(PIP) $(SOURCE) '.[test]'
	@touch $@

$(VENV)/installed-man: $(VENV)/installed
	$(PIP) docutils
	@touch $@

it: $(BUILD)/it

man: $(BUILD)/man/made

$(BUILD)/it: $(VENV)/installed $(BUILT_FROM)
	@mkdir -p $(BUILD)
	@$(OURS) qtwisted.admin.install.collecting . $(BUILD)
	@touch $@

$(BUILD)/man/made: $(VENV)/installed-man docs/manpages.py $(wildcard docs/man/*.rst docs/formats/*.rst)
	@rm -rf $(BUILD)/man
	@$(VENV)/bin/python docs/manpages.py $(BUILD)/man
	@touch $@

setup: it man
	@$(OURS) qtwisted.admin.install.setup $(SETUP) $(BUILD)

check:
	@test -e "$(QMAIL)/bin/instcheck" || { echo "There is no $(QMAIL)/bin/instcheck; begin with: make setup" >&2; exit 1; }
	@"$(QMAIL)/bin/instcheck" "$(QMAIL)"

config:
	@$(if $(ME),"$(QMAIL)/bin/config-fast" "$(ME)","$(QMAIL)/bin/config")

docs: $(VENV)/installed-tests
	@$(VENV)/bin/python -m sphinx -q -W --keep-going -b html docs build/html
	@echo "The guide is in build/html/index.html."

deb:
	@etc/deb.sh

clean:
	rm -rf $(VENV) build SYSDEPS qtwisted.egg-info _trial_temp* .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: run test style reliability it man setup check config docs deb clean
