# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing that was acknowledged is lost: lost power, full and broken disks,
# killed daemons. Built as VARIANT=crash, which has the named points of the
# store (msrp-relay/store/store_point.h).

CRASH_SRC = $(filter-out tests/crash/shim_%,$(wildcard tests/crash/*.c)) $(RELAY_TESTED) $(PROTO_PLAIN_SRC)
CRASH_OBJ = $(CRASH_SRC:%.c=$(B)/test/%.o)
SHIM_SRC = $(wildcard tests/crash/shim_*.c)

$(B)/crash-store: $(CRASH_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) -o $@ $^ $(filter-out -lcriterion,$(TEST_LIBS))
$(B)/crash-shim.so: $(SHIM_SRC) $(wildcard tests/crash/*.h)
	@mkdir -p $(@D)
	$(QLD)$(CC) $(CFLAGS_ALL) -U_FORTIFY_SOURCE -fPIC -shared -o $@ $(SHIM_SRC)
-include $(CRASH_OBJ:.o=.d)

KILL_SRC = $(wildcard tests/crash/kill/*.c)
KILL_OBJ = $(KILL_SRC:%.c=$(B)/test/%.o)
$(B)/crash-kill: $(KILL_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) -o $@ $^ $(filter-out -lcriterion,$(TEST_LIBS))
-include $(KILL_OBJ:.o=.d)

CRASH_STORE = build/crash/crash-store
# Of the random choices, printed by every run; a SEED repeats them.
SEED ?=

# Power cuts; so many of them with synchronous=NORMAL, which must lose something.
CUTS ?= 10000
NORMAL_CUTS ?= 400

.PHONY: crash crash-programs crash-power crash-disk
crash-programs:
	@$(MAKE) --no-print-directory VARIANT=crash -j2 $(addprefix build/crash/,crash-store crash-shim.so crash-kill msrp-relay)

crash-power: crash-programs ## the SQLite store on a disk that loses its power (CUTS=10000)
	@$(CRASH_STORE) power $(CUTS) $(or $(SEED),1)
	@$(CRASH_STORE) power-normal $(NORMAL_CUTS) $(or $(SEED),1) 2>/dev/null

# Every STRIDE-th operation fails.
STRIDE ?= 1
crash-disk: crash-programs ## the SQLite store on a disk that is full or broken at the n-th write
	@$(CRASH_STORE) disk $(STRIDE) $(or $(SEED),1)

# The daemon is killed N times with each store, or with STORE=postgresql alone.
N ?= 200
crash: crash-programs ## SIGKILL of the daemon at random and at every named point of the store (N=200)
	@tests/crash/run $(N) '$(STORE)' '$(SEED)'
