# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unit tests, end-to-end tests, fuzzers and the conformance table. The parts
# below tests/ that have their own rules come last.
#   tests/unit/test_*.c  one file for each unit; all land in unit-tests
#   tests/e2e/*.c        end-to-end tests over the lab; all land in e2e-tests
#   tests/fuzz/fuzz_*.c  one libFuzzer program each, seeds in tests/fuzz/corpus

TEST_PKGS = jansson libuv openssl inih libsystemd libxml-2.0 sqlite3 libpq
TEST_CFLAGS = $(CFLAGS_ALL) -pthread -I. -Imodules/cpm/proto -Imsrp-relay -Itests -Itests/msrp -Itests/client \
	$(shell pkg-config --cflags $(TEST_PKGS) criterion 2>/dev/null | sed 's/-I/-isystem /g')
TEST_LIBS = $(shell pkg-config --libs $(TEST_PKGS) criterion 2>/dev/null) -pthread

# Everything of the relay that has no main() of its own.
RELAY_TESTED = $(filter-out msrp-relay/main.c msrp-relay/relayctl/% msrp-relay/relayctl.c, \
	$(wildcard msrp-relay/*.c msrp-relay/*/*.c))
UNIT_SRC = $(wildcard tests/unit/*.c) $(PROTO_SRC) modules/cpm/cpm_link_reqs.c $(wildcard tests/msrp/*.c) $(RELAY_TESTED) tests/results.c $(CLIENT_PURE)
# The parts of the client without SIP or output.
CLIENT_PURE = $(addprefix tests/client/,cl_body.c cl_cpim.c cl_match.c cl_reply.c cl_sdp.c)
E2E_SRC = $(wildcard tests/e2e/*.c) tests/results.c
UNIT_OBJ = $(UNIT_SRC:%.c=$(B)/test/%.o)
E2E_OBJ = $(E2E_SRC:%.c=$(B)/test/%.o)

.PHONY: unit-tests e2e-tests test-unit test-e2e programs

unit-tests: $(B)/unit-tests
e2e-tests: $(B)/e2e-tests

$(B)/unit-tests: $(UNIT_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) -o $@ $^ $(TEST_LIBS)
$(B)/e2e-tests: $(E2E_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) -o $@ $^ $(TEST_LIBS)

$(B)/test/%.o: %.c $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	$(QCC)$(CC) $(TEST_CFLAGS) -MMD -MP -c $< -o $@

-include $(UNIT_OBJ:.o=.d) $(E2E_OBJ:.o=.d)

# What the end-to-end tests run besides the module.
programs: all $(B)/cpm-client $(B)/msrp-load

test: deps ## build, unit tests, end-to-end tests in the lab, conformance table
	@$(MAKE) --no-print-directory -j2 programs unit-tests e2e-tests
	@tests/run unit e2e; rc=$$?; tests/conformance/report -s build/results || rc=1; cat build/results/failed.txt; exit $$rc

test-unit: unit-tests ## unit tests alone
	@tests/run unit
test-e2e: programs e2e-tests ## end-to-end tests alone (TESTS=suite/test-glob)
	@tests/run e2e

conformance: ## which clause of the specification is proven by which test
	@tests/conformance/report build/results

asan: deps ## unit and end-to-end tests, daemon and client under ASan and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan -j2 programs unit-tests e2e-tests
	@$(MAKE) --no-print-directory VARIANT=asan asan-run
.PHONY: asan-run
asan-run:
	@tests/run unit e2e

# ---- fuzzing: always clang, whatever VARIANT says ---------------------------
FUZZ_B = build/fuzz
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN = $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(FUZZ_B)/fuzz-%)
FUZZ_LIB_SRC = $(PROTO_SRC) $(wildcard msrp-relay/msrp/*.c) msrp-relay/http/http_request.c
FUZZ_LIB_OBJ = $(FUZZ_LIB_SRC:%.c=$(FUZZ_B)/%.o)
FUZZ_SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_CFLAGS = $(filter-out $(SAN),$(TEST_CFLAGS)) $(FUZZ_SAN)
T ?= 60

.PHONY: fuzz fuzzers
fuzzers: $(FUZZ_BIN)
fuzz: deps ## every fuzzer in turn, T=60 seconds in all
	@$(MAKE) --no-print-directory -j2 fuzzers
	@tests/fuzz/run $(T) $(FUZZ_BIN)

$(FUZZ_B)/%.o: %.c $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
$(FUZZ_B)/libfuzzed.a: $(FUZZ_LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^
$(FUZZ_B)/fuzz-%: $(FUZZ_B)/tests/fuzz/fuzz_%.o $(FUZZ_B)/libfuzzed.a
	clang $(FUZZ_SAN) -fsanitize=fuzzer -o $@ $^ $(filter-out -lcriterion,$(TEST_LIBS))
.PRECIOUS: $(FUZZ_B)/%.o
-include $(FUZZ_LIB_OBJ:.o=.d) $(FUZZ_SRC:%.c=$(FUZZ_B)/%.d)

-include tests/client/client.mk tests/lab/lab.mk tests/demo/demo.mk tests/bench/bench.mk tests/crash/crash.mk
