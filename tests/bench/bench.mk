# SPDX-License-Identifier: GPL-2.0-or-later
#
# The load tools and `make bench`. ROUNDS=n sets how often each measurement is
# repeated, ONLY="small bulk" selects groups (tests/bench/bench.sh lists them,
# and what else can be set).

BENCH_MSRP_SRC = $(wildcard tests/bench/load_*.c)
BENCH_SIP_SRC = $(wildcard tests/bench/sip_*.c) tests/bench/load_proc.c \
	tests/bench/load_content.c
BENCH_MSRP_OBJ = $(BENCH_MSRP_SRC:%.c=$(B)/%.o)
BENCH_SIP_OBJ = $(BENCH_SIP_SRC:%.c=$(B)/%.o)
BENCH_LIBS = -ljansson -lssl -lcrypto -lpthread

ROUNDS ?= 3
ONLY ?=

$(B)/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/msrp-load: $(BENCH_MSRP_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)
$(B)/sip-load: $(BENCH_SIP_OBJ)
	$(QLD)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/tests/bench/store_bench.o: tests/bench/store_bench.c
	@mkdir -p $(@D)
	$(QCC)$(CC) $(CFLAGS_ALL) $(RELAY_INC) $(RELAY_PKG_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/store-bench: $(B)/tests/bench/store_bench.o $(filter-out %/msrp-relay/main.o,$(RELAY_OBJ))
	$(QLD)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(RELAY_LIBS)

# USERS=1000, RATE=300 registrations a second
.PHONY: bench-push
bench-push: programs $(B)/push-load ## deferred messages go out: 1,000 users register together; REGISTER to delivery
	@CPM_BIN=$(CURDIR)/$(B) tests/bench/push.sh
$(B)/push-load: tests/bench/push_load.c
	$(QLD)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $<

# preloaded into a Kamailio
$(B)/gap.so: tests/bench/gap.c tests/bench/gap.h
	$(QLD)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -fPIC -shared -o $@ $< -ldl

-include $(B)/tests/bench/store_bench.d $(BENCH_MSRP_OBJ:.o=.d) $(BENCH_SIP_OBJ:.o=.d)

bench: deps ## speed table as ratios (ROUNDS=3, ONLY="small bulk lmm ...", tests/bench/bench.sh)
	@$(MAKE) --no-print-directory all $(B)/msrp-load $(B)/sip-load $(B)/store-bench $(B)/gap.so
	@ROUNDS=$(ROUNDS) ONLY="$(ONLY)" CPM_BIN=$(CURDIR)/$(B) tests/bench/bench.sh
