#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Deferred pager messages go out: USERS=1000 users who have 3 each register at
# RATE=300 a second, with the usual settle time; then 100 users one after the
# other, without it. A PF in a lab, as registrar of its users; push-load is the
# rest of the world. Called by `make bench-push`.
#   BENCH_LAB=38      addresses 127.20.38.x
#   SHM=256           MB of shared memory: 1024 for USERS=10000
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
N=${BENCH_LAB:-38}
: "${CPM_BIN:=$ROOT/build/gcc}"
export CPM_BIN LAB_WITHOUT="core isf" LAB_CONTACTS=usrloc LAB_NOTIFY=none LAB_CPM_CHILDREN=4 \
	LAB_CPM_SHM=${SHM:-256} LAB_KAMAILIO_ALLOC=fm LAB_DIR=$ROOT/build/bench/push-lab
mkdir -p "$ROOT/build/bench"
trap '"$ROOT/tests/lab/lab" "$N" down > /dev/null 2>&1' EXIT
rc=0

shm() { kamcmd -s "unix:$LAB_DIR/run/cpm.ctl" core.shmmem b | awk -v k="$1:" '$1 == k { print $2 }'; }

one() { # settle time, then push-load's USERS EACH RATE
	local before
	export LAB_SETTLE_MS=$1
	"$ROOT/tests/lab/lab" "$N" up > "$ROOT/build/bench/push-lab.log" 2>&1 || {
		tail -n 20 "$ROOT/build/bench/push-lab.log" >&2
		exit 1
	}
	before=$(shm used)
	shift
	timeout 300 "$CPM_BIN/push-load" 127.20.$N.20 127.20.$N.10 "$@" | tr '\n' ' '
	[ "${PIPESTATUS[0]}" = 0 ] || rc=1
	sleep 6 # tm forgets what is done
	echo "shm_max_kb=$((($(shm max_used) - before) / 1024)) shm_left_kb=$((($(shm used) - before) / 1024))"
	"$ROOT/tests/lab/lab" "$N" down > /dev/null 2>&1
}

one 2000 "${USERS:-1000}" 3 "${RATE:-300}"
one 0 100 1 0
exit $rc
