# SPDX-License-Identifier: GPL-2.0-or-later
#
# The load tools and `make bench`. ROUNDS=n sets how often each measurement is
# repeated, ONLY="small bulk" selects groups (tests/bench/bench.sh lists them).

BENCH_LOAD_SRC = $(wildcard tests/bench/load_*.c)
BENCH_LOAD_OBJ = $(BENCH_LOAD_SRC:%.c=$(B)/%.o)
BENCH_LIBS = -ljansson -lssl -lcrypto -lpthread

$(B)/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/msrp-load: $(BENCH_LOAD_OBJ)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)

-include $(BENCH_LOAD_OBJ:.o=.d)
