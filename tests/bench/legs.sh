#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One large message to so many recipients, through the whole lab with the
# project's client on both sides; one line of key=value pairs: CPU of Kamailio
# and of the relay, for each leg, and how far their memory went up. Called by
# bench.sh, which has started the lab (targets.sh: legs_up) afresh.
#   legs.sh LEGS BYTES
set -u
LEGS=$1 BYTES=$2
: "${DIR:?}" "${NET:?}" "${CPM_BIN:?}"
receiver=
WORK=$DIR/legs.$$
mkdir -p "$WORK/in"
trap '[ -z "$receiver" ] || kill $receiver 2> /dev/null; rm -rf "$WORK"' EXIT

# ns on CPU of all threads of these processes
cpu() {
	local p
	for p in ${1//,/ }; do cat /proc/"$p"/task/*/schedstat; done 2> /dev/null |
		awk '{ s += $1 } END { printf "%d\n", s }'
}
kb() { awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/status"; }
shm() { # of kamcmd core.shmmem, bytes
	kamcmd -s "unix:$DIR/lab/run/cpm.ctl" core.shmmem b | awk -v k="$1:" '$1 == k { print $2 }'
}
pids() { # of a part, comma separated
	local p list
	list=$(cat "$DIR/lab/run/$1.pid")
	for p in $(pgrep -P "$list"); do list+=,$p; done
	echo "$list"
}

head -c "$BYTES" /dev/urandom > "$WORK/message"
to=()
for ((i = 1; i <= LEGS; i++)); do to+=(--to "sip:user$i@$NET.60"); done
timeout 60 "$CPM_BIN/cpm-client" receive --user peer --domain cpm.test --no-register --no-imdn \
	--local "$NET.60:5060" --out "$WORK/in" --count "$LEGS" > "$WORK/receive" 2> "$WORK/receive.err" &
receiver=$!
for ((i = 0; i < 100; i++)); do
	grep -q listening "$WORK/receive" && break
	sleep 0.05
done
kam=$(pids cpm) relay=$(cat "$DIR/lab/run/relay.pid")
cpu_kam=$(cpu "$kam") cpu_relay=$(cpu "$relay") rss=$(kb "$relay" VmRSS) used=$(shm used)
t0=$(date +%s%N)
timeout 60 "$CPM_BIN/cpm-client" send --user alice --password alice-secret --domain cpm.test \
	--proxy "$NET.10" --local "$NET.201" --exploder sip:exploder@cpm.test "${to[@]}" \
	--mode large --file "$WORK/message" --type image/jpeg > "$WORK/send" 2> "$WORK/send.err"
sent=$?
t1=$(date +%s%N)
wait $receiver # with --count it ends by itself
t2=$(date +%s%N)
receiver=
sleep 1 # what the last BYE leaves behind
cpu_kam=$(($(cpu "$kam") - cpu_kam)) cpu_relay=$(($(cpu "$relay") - cpu_relay))
intact=0 sum=$(sha256sum < "$WORK/message")
for f in "$WORK"/in/*; do
	[ -f "$f" ] && [ "$(sha256sum < "$f")" = "$sum" ] && intact=$((intact + 1))
done
awk -v ok=$((sent == 0 && intact == LEGS)) -v legs=$LEGS -v intact=$intact -v kam=$cpu_kam \
	-v relay=$cpu_relay -v sender=$((t1 - t0)) -v all=$((t2 - t0)) -v bytes=$BYTES \
	-v rss=$(($(kb "$relay" VmHWM) - rss)) -v shm=$(($(shm max_used) - used)) 'BEGIN {
	printf "ok=%d legs=%d intact=%d", ok, legs, intact
	printf " kam_ms=%.2f relay_ms=%.2f kam_leg_ms=%.3f relay_leg_ms=%.3f", kam / 1e6, relay / 1e6,
		kam / 1e6 / legs, relay / 1e6 / legs
	printf " relay_cpuGB=%.3f sender_ms=%.0f all_ms=%.0f", relay / legs / bytes, sender / 1e6, all / 1e6
	printf " relay_rss_kb=%d kam_shm_kb=%d kam_shm_leg_kb=%.1f\n", rss, shm / 1024, shm / 1024 / legs
}'
[ $sent = 0 ] && [ $intact = "$LEGS" ] || {
	tail -n 2 "$WORK/send" "$WORK/send.err" "$WORK/receive.err" >&2
	exit 1
}
