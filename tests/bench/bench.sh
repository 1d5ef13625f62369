#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The speed table of the project: each line measured by turns with what it is
# compared to (A B A B ...), medians over the rounds, printed as a table with
# ratios. Called by `make bench`.
#   ROUNDS=3          how often each measurement is repeated
#   ONLY="small tls"  groups: message list calls small report bulk lmm latency
#                     memory tls fanout legs big slow store defer start; all when
#                     empty, but start: it fills a store with a million messages
#   BENCH_LAB=38      addresses 127.20.38.x
#   STORE=DIR         stores of the groups store and start: on which disk
#   PG=1              store: PostgreSQL too, with its usual settings
#   MESSAGES=1000000  start: so many of them
# Results: build/bench/results.tsv (every single run) and table.md.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
N=${BENCH_LAB:-38} ROUNDS=${ROUNDS:-3} ONLY=${ONLY:-}
CPM_BIN=${CPM_BIN:-$ROOT/build/gcc}
DIR=$ROOT/build/bench
STORE=${STORE:-$DIR}
OUT=$DIR/results.tsv
mkdir -p "$DIR"
. "$HERE/targets.sh"
ulimit -n "$(ulimit -Hn)"

started=()
up() {
	local t
	for t; do
		[[ " ${started[*]-} " = *" $t "* ]] && continue
		"${t}_up" || { echo "bench: $t cannot be started" >&2; return 1; }
		started+=("$t")
	done
}
down() {
	local t keep=() d
	for t in "${started[@]-}"; do
		[ -n "$t" ] || continue
		d=0
		[[ $# = 0 || " $* " = *" $t "* ]] && d=1
		if [ $d = 1 ]; then "${t}_down"; else keep+=("$t"); fi
	done
	started=("${keep[@]-}")
}
trap 'down' EXIT
trap 'exit 130' INT TERM

wanted() { [ -z "$ONLY" ] || [[ " $ONLY " = *" $1 "* ]]; }
say() { printf '%s\n' "$*" >&2; }

# One run: group, case, round, target, then the tool and its options. A line for
# each key=value pair it prints goes to the results.
run() {
	local group=$1 case=$2 round=$3 target=$4 line rc
	shift 4
	line=$("$@" 2> "$DIR/last.err")
	rc=$?
	if [ $rc != 0 ]; then
		say "  $group/$case $target: FAILED: $(tail -n 1 "$DIR/last.err") ${line:0:160}"
	fi
	local pair
	for pair in ${line:-ok=0}; do
		printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$group" "$case" "$target" "$round" \
			"${pair%%=*}" "${pair#*=}" >> "$OUT"
	done
	return 0
}

# msrp-load through a target: group case round target [tls] -- options
msrp() {
	local group=$1 case=$2 round=$3 target=$4 kind= port=$SINK_PORT pids
	shift 4
	if [ "$1" = tls ]; then
		kind=tls port=$SINK_TLS_PORT
		set -- "$@" --tls --cert "$DIR/tls.crt" --key "$DIR/tls.key"
		shift
	fi
	pids=$("${target}_pids")
	# shellcheck disable=SC2046
	run "$group" "$case" "$round" "$target" "$CPM_BIN/msrp-load" --gen $GEN \
		--sink $SINK:$port $("${target}_args" $kind) ${pids:+--pids $pids} "$@"
}

# Every case of a group by turns over all targets, ROUNDS times.
# by_turns GROUP "targets" "case|options" ...
by_turns() {
	local group=$1 targets=$2 r c t
	shift 2
	wanted "$group" || return 0
	# shellcheck disable=SC2086
	up $targets || return 0
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] $group, round $r of $ROUNDS"
		for c; do
			for t in $targets; do
				# shellcheck disable=SC2086
				msrp "$group" "${c%%|*}" $r "$t" ${c#*|}
			done
		done
	done
}

sip() { # group case round target command options
	local group=$1 case=$2 round=$3 target=$4
	shift 4
	# shellcheck disable=SC2046
	run "$group" "$case" "$round" "$target" "$CPM_BIN/sip-load" "$@" \
		$("${target}_args") --core $NET.10:5060 --pids "$("${target}_pids")"
}

group_message() {
	local r t
	wanted message || return 0
	for ALLOC in ${ALLOCS:-fm qm}; do
		up stock cpm || return 0
		for t in stock cpm; do # the first requests touch fresh memory
			sip warm-up message 0 $t message --count 20000
		done
		# twice as often: four workers on shared cores are the noisiest line
		for ((r = 1; r <= 2 * ROUNDS; r++)); do
			say "[$SECONDS s] message, memory manager $ALLOC, round $r of $((2 * ROUNDS))"
			for t in stock cpm; do
				sip message "-x $ALLOC, closed loop, 50 at once" $r $t message --count 10000
				sleep 0.5
			done
			[ $ALLOC = fm ] || continue
			for t in stock cpm; do
				sip message "-x $ALLOC, open loop, 3000/s" $r $t message --count 6000 --rate 3000
				sleep 1
			done
		done
		down stock cpm
	done
	ALLOC=fm
}

# One MESSAGE to a list: CPU for each recipient, beside tm's own requests in a
# loop of the script, and how long a worker was busy with one datagram.
group_list() {
	local r t c
	wanted list || return 0
	BUSY=1
	up stock cpm || return 0
	for t in stock cpm; do
		sip warm-up list 0 $t message --count 20000
	done
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] list, round $r of $ROUNDS"
		for t in stock cpm; do
			# shellcheck disable=SC2046
			sip list "no list: relayed" $r $t message --count 10000 $(gap_args $t)
			sleep 0.5
		done
		for c in 10 100 1000; do
			for t in stock cpm; do
				# shellcheck disable=SC2046
				sip list "lists of $c" $r $t list --recipients $c \
					--count $((10000 / c)) --outstanding 2 $(gap_args $t)
				sleep 0.5
			done
		done
	done
	down stock cpm
	BUSY=
}

group_calls() {
	local r
	wanted calls && up cpm || return 0
	sip warm-up calls 0 cpm calls --count 2000
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] calls, round $r of $ROUNDS"
		sleep 1
		sip calls "closed loop, 50 at once" $r cpm calls --count 4000
	done
	down cpm
}

# Memory: each run needs processes that have done nothing yet.
group_memory() {
	local t r
	wanted memory || return 0
	down haproxy nginx relay
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] memory, round $r of $ROUNDS"
		for t in haproxy nginx relay; do
			up $t || continue
			msrp memory "1000 sessions, one message each" $r $t \
				--sessions 1000 --count 1 --hold 300
			down $t
			up $t || continue
			msrp memory "1000 sessions under TLS" $r $t tls \
				--sessions 1000 --count 1 --hold 300
			down $t
		done
	done
	for t in haproxy nginx relay; do
		up $t || continue
		msrp memory "4000 sessions, one message each" 1 $t \
			--sessions 4000 --count 1 --hold 300 --timeout 20
		down $t
	done
}

# One large message to many, through SIP and MSRP; fresh processes each time.
group_legs() {
	local r n
	wanted legs || return 0
	down cpm
	export DIR NET CPM_BIN
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] legs, round $r of $ROUNDS"
		for n in 1 10 100; do
			up legs || return 0
			run legs "2 MB to $n" $r cpm "$HERE/legs.sh" $n 2000000
			down legs
		done
	done
}

group_big() {
	local t
	wanted big || return 0
	down haproxy nginx relay
	say "[$SECONDS s] big: one message of 1 GB"
	for t in haproxy nginx relay; do
		up $t || continue
		msrp big "1 GB, 64 KiB chunks" 1 $t --count 1 --size 1000000000 --chunk 65536 --window 64
		msrp big "1 GB, one chunk" 1 $t --count 1 --size 1000000000
	done
}

# Durable answers of the store, beside what the same disk syncs one by one.
group_store() {
	local r n pg
	wanted store || return 0
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] store, round $r of $ROUNDS"
		run store "the disk: write 4 KiB, fdatasync" $r disk "$CPM_BIN/store-bench" sync "$STORE" 3
		for n in 1 64 1000; do
			rm -rf "$STORE/bench-store"
			run store "$n in flight" $r sqlite "$CPM_BIN/store-bench" put "sqlite:$STORE/bench-store" $n 3
		done
		rm -rf "$STORE/bench-store"
		[ -n "${PG:-}" ] || continue
		pg=/tmp/cpm-pg-bench-$$-$r
		"$ROOT/tests/postgres" start $pg $$ || continue
		for n in 1 64 1000; do
			run store "$n in flight" $r postgresql "$CPM_BIN/store-bench" put "host=$pg user=relay dbname=postgres" $n 3
		done
		"$ROOT/tests/postgres" stop $pg
	done
}

# Large messages for people who are away: stored before the last chunk is
# answered. Each run into an empty store.
group_defer() {
	local r c
	wanted defer || return 0
	down relay
	for ((r = 1; r <= ROUNDS; r++)); do
		say "[$SECONDS s] defer, round $r of $ROUNDS"
		for c in "1000 x 20 KB|20000" "1000 x 200 KB|200000"; do
			up relay || return 0
			msrp defer "${c%|*}, to a recipient" $r relay --sessions 1000 --count 1 --size ${c#*|} --timeout 60
			msrp defer "${c%|*}, into the store" $r relay --defer --sessions 1000 --count 1 --size ${c#*|} --timeout 60
			down relay
		done
	done
}

group_start() {
	[[ " $ONLY " = *" start "* ]] || return 0
	say "[$SECONDS s] start with ${MESSAGES:-1000000} stored messages"
	run start "${MESSAGES:-1000000} messages" 1 relay "$HERE/start.sh" "$CPM_BIN" "$STORE" "${MESSAGES:-1000000}"
}

printf 'group\tcase\ttarget\tround\tkey\tvalue\n' > "$OUT"
certificate
group_message
group_list
group_calls
relays=${BENCH_TARGETS:-direct haproxy nginx relay}
by_turns small "$relays" \
	"1 session|--sessions 1 --count 60000" \
	"100 sessions|--sessions 100 --count 1000" \
	"1000 sessions|--sessions 1000 --count 60 --window 4"
by_turns report "$relays" \
	"100 sessions, success reports|--sessions 100 --count 600 --report"
by_turns bulk "$relays" \
	"100 MiB, 8 KiB chunks|--count 1 --size 104857600 --chunk 8192 --window 64" \
	"100 MiB, 64 KiB chunks|--count 1 --size 104857600 --chunk 65536 --window 64" \
	"100 MiB, one chunk|--count 1 --size 104857600"
by_turns lmm "$relays" \
	"100 x 1 MB, one chunk|--sessions 100 --count 1 --size 1000000" \
	"1000 x 20 KB, one chunk|--sessions 1000 --count 1 --size 20000"
by_turns latency "$relays" \
	"500/s on 10 sessions|--sessions 10 --count 150 --rate 500" \
	"5000/s on 10 sessions|--sessions 10 --count 1000 --rate 5000"
by_turns tls "haproxy nginx relay" \
	"small, 100 sessions|tls --sessions 100 --count 1200" \
	"100 MiB, 8 KiB chunks|tls --count 1 --size 104857600 --chunk 8192 --window 64" \
	"100 MiB, 64 KiB chunks|tls --count 1 --size 104857600 --chunk 65536 --window 64"
by_turns fanout relay \
	"small, 100 sessions, 1 recipient|--sessions 100 --count 500" \
	"small, 100 sessions, 4 recipients|--sessions 100 --count 500 --legs 4" \
	"100 MiB, 64 KiB chunks, 1 recipient|--count 1 --size 104857600 --chunk 65536 --window 64" \
	"100 MiB, 64 KiB chunks, 4 recipients|--count 1 --size 104857600 --chunk 65536 --window 64 --legs 4"
group_memory
group_legs
group_big
# A slow recipient, and what it does to others in the same relay.
group_slow() {
	local t slow
	local args="--count 1 --size 104857600 --chunk 65536 --window 64 --slow 20"
	wanted slow || return 0
	say "[$SECONDS s] slow: the recipient reads 20 MB/s"
	for t in haproxy nginx relay; do
		up $t || continue
		# shellcheck disable=SC2086
		msrp slow "100 MiB, reader at 20 MB/s" 1 $t $args
	done
	up relay || return 0
	# shellcheck disable=SC2086
	msrp beside "slow" 1 relay $args &
	slow=$!
	sleep 0.5
	SINK_PORT=$((SINK_PORT + 2)) msrp slow "quick sessions beside it, 500/s" 1 relay \
		--sessions 10 --count 150 --rate 500
	wait $slow
}
group_slow
group_store
group_defer
group_start
down
"$HERE/table.sh" "$OUT" > "$DIR/table.md"
cat "$DIR/table.md"
say "[$SECONDS s] all runs: ${OUT#"$ROOT"/}; this table: build/bench/table.md"
! awk -F'\t' '$5 == "ok" && $6 == 0 { bad++ } END { exit !bad }' "$OUT"
