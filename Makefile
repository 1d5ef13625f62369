# SPDX-License-Identifier: GPL-2.0-or-later
#
# OMA CPM Participating Function: cpm.so for Kamailio and the msrp-relay daemon.
# `make help` lists the targets. Each part keeps its own rules:
#   modules/modules.mk  msrp-relay/relay.mk  tests/tests.mk

SHELL = /bin/bash
.DEFAULT_GOAL = all
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION = 0.1.0

# VARIANT: gcc (default), clang, asan, crash (with the points at which the crash
# tests kill the daemon; never for operation). Each has its own build directory.
VARIANT ?= gcc
B = build/$(VARIANT)

ifeq ($(VARIANT),asan)
CC = clang
SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(VARIANT),clang)
CC = clang
else
CC = gcc
endif
ifeq ($(VARIANT),crash)
POINTS = -DCRASH_POINTS
endif

WARN = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT ?= -O2 -g
CSTD = -std=gnu11
CFLAGS_ALL = $(CSTD) $(OPT) $(WARN) -D_GNU_SOURCE -DCPM_VERSION='"$(VERSION)"' $(SAN) $(POINTS) $(CFLAGS)
# One short line for each file; V=1 shows the commands.
QCC = $(if $(V),,@echo 'CC  $<';)
QLD = $(if $(V),,@echo 'LD  $@';)
PROTO = modules/cpm/proto
PROTO_SRC = $(wildcard $(PROTO)/*.c)
# The same for programs that read no XML.
PROTO_PLAIN_SRC = $(filter-out $(PROTO)/rlist.c $(PROTO)/xmldoc.c $(PROTO)/reginfo.c $(PROTO)/regstate.c,$(PROTO_SRC))

PREFIX ?= /usr
DESTDIR ?=

# Where the lab and the tests find the programs of this variant.
export CPM_BIN = $(CURDIR)/$(B)

.PHONY: all help deps install test demo lab-up lab-down conformance fuzz asan \
	bench format format-check clean

all: ## build cpm.so, msrp-relay and msrp-relayctl

# A system that lacks a package: say so before a compiler does. `make demo` and
# `make test` install by themselves.
deps: ## install the Debian packages that building, tests and demo need (root)
	@bash tests/deps.sh

# Each part adds its files (DESTDIR, PREFIX).
install: all ## install the module, the daemon and its manual under DESTDIR and PREFIX

include modules/modules.mk
include msrp-relay/relay.mk
include tests/tests.mk

help: ## this list
	@echo "VARIANT=gcc|clang|asan|crash chooses the compiler; PREFIX and DESTDIR are for install."
	@grep -hE '^[a-z0-9-]+::?.*##' $(MAKEFILE_LIST) | sed -E 's/::?.*## /\t/' | sort | expand -t 16

FORMAT_FILES = $(shell git ls-files '*.c' '*.h')
format: ## clang-format over the tree
	clang-format -i $(FORMAT_FILES)
format-check: ## fail when a file is not formatted
	@clang-format --dry-run -Werror $(FORMAT_FILES) && echo "format: $(words $(FORMAT_FILES)) files are in order"

clean: ## remove what was built
	rm -rf build modules/cpm/cpm.so msrp-relay/msrp-relay msrp-relay/msrp-relayctl
