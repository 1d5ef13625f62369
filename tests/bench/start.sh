#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fills a store with so many messages and starts the daemon on it: time until it
# has answered the first command, time of 100 lines of the list, resident memory
# ten seconds later. Prints one line of key=value pairs. Called by bench.sh.
#   start.sh BIN-DIR DIRECTORY MESSAGES
set -eu
bin=$1 dir=$2/start.$$ n=$3
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
ms() { echo $(($(date +%s%N) / 1000000)); }

fill=$("$bin/store-bench" fill "sqlite:$dir/store" "$n")
cat > "$dir/relay.conf" <<END
listen_address = 127.0.0.1
listen_port = 28551
spool_dir = $dir/spool
store_dir = $dir/store
control_socket = $dir/sock
http_port = 0
log_level = warning
END
start=$(ms)
"$bin/msrp-relay" -f -c "$dir/relay.conf" >&2 &
pid=$!
until "$bin/msrp-relayctl" -s "$dir/sock" ping > /dev/null 2>&1; do
	kill -0 $pid
	sleep 0.005
done
ready=$(ms)
"$bin/msrp-relayctl" -s "$dir/sock" deferred list -n 100 > /dev/null
list=$(ms)
sleep 10
rss=$(awk '/^VmRSS/ { print $2 }' /proc/$pid/status)
kill $pid
wait $pid
echo "ok=1 start_ms=$((ready - start)) list_ms=$((list - ready)) rss_kb=$rss disk_mb=$(du -sm "$dir/store" | cut -f1) $(tr ' ' '\n' <<< "$fill" | grep seconds= | sed s/^/fill_/)"
