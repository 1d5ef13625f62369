#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# results.tsv of bench.sh as Markdown: medians over the rounds, and for each
# goal of the design how it stands. Ratios are medians of each round's own.
set -eu
echo "$(date -u +%F), $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
	"Linux $(uname -r), commit $(git -C "$(dirname "$0")" rev-parse --short HEAD 2>/dev/null || echo unknown)"
awk -F'\t' '
function median(list,    a, n, i, j, t) {
	n = split(list, a, " ")
	if(n == 0) return ""
	for(i = 2; i <= n; i++)
		for(j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) {
			t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
		}
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
function add(name, v) { values[name] = values[name] " " v }
function med(g, c, t, k) { return median(values[g SUBSEP c SUBSEP t SUBSEP k]) }
# median over the rounds of t1 / t2
function ratio(g, c, t1, t2, k,    r, list, a, b) {
	for(r = 1; r <= rounds; r++) {
		a = one[g, c, t1, r, k]; b = one[g, c, t2, r, k]
		if(a != "" && b + 0 > 0) list = list " " a / b
	}
	return median(list)
}
# the same target in two cases
function across(g, c1, c2, t, k,    r, list) {
	for(r = 1; r <= rounds; r++)
		if(one[g, c2, t, r, k] + 0 > 0 && one[g, c1, t, r, k] != "")
			list = list " " one[g, c1, t, r, k] / one[g, c2, t, r, k]
	return median(list)
}
function further(c,    one_leg, four) {
	one_leg = med("fanout", c "1 recipient", "relay", "cpu")
	four = med("fanout", c "4 recipients", "relay", "cpu")
	return one_leg + 0 > 0 ? (four - one_leg) / 3 / one_leg : ""
}
function further_leg(k, n,    first, all) {
	first = med("legs", "2 MB to 1", "cpm", k)
	all = med("legs", "2 MB to " n, "cpm", k)
	return first + 0 > 0 && all != "" ? (all - first) / (n - 1) / first : ""
}
function show(v, f) { return v == "" ? "-" : sprintf(f, v) }
function row(g, c, t, base,    i, s, k) {
	s = "| " c " | " t " |"
	for(i = 1; i <= ncol[g]; i++) {
		k = col[g, i]
		s = s " " show(bad[g, c, t] ? "" : med(g, c, t, k), fmt[g, i]) " |"
	}
	if(base != "" && t != base && t != "direct")
		s = s " " show(bad[g, c, t] || bad[g, c, base] ? "" : ratio(g, c, t, base, key[g]), "%.2fx") " |"
	else if(base != "")
		s = s " |"
	print s (bad[g, c, t] ? " failed" : "")
}
function columns(g, spec,    n, a, b, i) {
	n = split(spec, a, ";")
	ncol[g] = n
	for(i = 1; i <= n; i++) {
		split(a[i], b, ",")
		title[g, i] = b[1]; col[g, i] = b[2]; fmt[g, i] = b[3]
	}
}
function goal(what, is, limit, less) {
	if(is == "") { printf "| %s | %s%s | not measured | |\n", what, less ? "<= " : ">= ", limit; return }
	printf "| %s | %s%s | %.3g | %s |\n", what, less ? "<= " : ">= ", limit, is,
			(less ? is <= limit : is >= limit) ? "reached" : "**missed**"
}
$1 != "group" {
	if($5 == "ok" && $6 == 0) bad[$1, $2, $3] = 1
	add($1 SUBSEP $2 SUBSEP $3 SUBSEP $5, $6)
	one[$1, $2, $3, $4, $5] = $6
	if($4 + 0 > rounds) rounds = $4 + 0
	if(!(($1, $2) in seen)) { seen[$1, $2] = 1; cases[$1] = cases[$1] "\t" $2 }
	if(!(($1, $3) in seent)) { seent[$1, $3] = 1; targets[$1] = targets[$1] "\t" $3 }
}
END {
	ng = split("message list calls small report bulk lmm latency tls fanout legs memory big slow store defer start", groups, " ")
	name["message"] = "MESSAGE through every check, and stock t_relay of the same message"
	name["list"] = "One MESSAGE to a list, for each recipient; stock: t_request from the script"
	name["calls"] = "Large-message calls: INVITE, 200, ACK, BYE, 200 on both legs, session in the relay"
	name["small"] = "Small MSRP messages, 1 KiB in CPIM, closed loop"
	name["report"] = "The same with success reports"
	name["bulk"] = "One message of 100 MiB"
	name["lmm"] = "Large Message Mode: one message in one chunk on each session"
	name["latency"] = "Latency, open loop, from the intended time to the last byte checked"
	name["tls"] = "TLS on both sides"
	name["fanout"] = "Fan-out in the relay: one sender, each further recipient"
	name["legs"] = "One large message to 1, 10 and 100 recipients: INVITEs, 2 MB to each, BYEs"
	name["memory"] = "Memory, both connections of each session open, fresh process"
	name["big"] = "One message of 1 GB"
	name["slow"] = "Slow recipient"
	name["store"] = "Deferred messages of 1 KiB: durable answers, and the same disk alone"
	name["defer"] = "Large messages for people who are away, beside the same relayed"
	name["start"] = "Start of the daemon on a full store"
	columns("message", "msg/s,rate,%.0f;CPU us,cpu_us,%.1f;p50 ms,p50_ms,%.2f;p99 ms,p99_ms,%.1f;retransmitted,retransmitted,%d")
	columns("list", "recipients/s,rate,%.0f;CPU us,cpu_us,%.1f;longest CPU ms,busy_cpu_ms,%.2f;longest ms,busy_wall_ms,%.2f;over 5 ms,busy_over_5ms,%d;sent again,uas_again,%d")
	columns("calls", "calls/s,rate,%.0f;CPU us,cpu_us,%.0f;failed,failed,%d;p50 ms,p50_ms,%.1f;p99 ms,p99_ms,%.1f;retransmitted,retransmitted,%d")
	columns("small", "msg/s,rate,%.0f;CPU s/10k,cpu10k,%.4f")
	columns("report", "msg/s,rate,%.0f;CPU s/10k,cpu10k,%.4f")
	columns("bulk", "MB/s,MBs,%.0f;CPU s/GB,cpuGB,%.3f;RSS + kB,rss_grow_kb,%.0f")
	columns("lmm", "msg/s,rate,%.0f;MB/s,MBs,%.0f;CPU s/GB,cpuGB,%.3f;CPU s/10k,cpu10k,%.3f;RSS + kB,rss_grow_kb,%.0f")
	columns("latency", "p50 us,p50_us,%.0f;p90 us,p90_us,%.0f;p99 us,p99_us,%.0f")
	columns("tls", "msg/s,rate,%.0f;MB/s,MBs,%.0f;CPU s/10k,cpu10k,%.4f;CPU s/GB,cpuGB,%.3f")
	columns("fanout", "deliveries/s,rate,%.0f;MB/s,MBs,%.0f;CPU s,cpu,%.4f")
	columns("legs", "Kamailio CPU ms/leg,kam_leg_ms,%.2f;relay CPU ms/leg,relay_leg_ms,%.2f;relay CPU s/GB,relay_cpuGB,%.2f;relay RSS + kB,relay_rss_kb,%d;Kamailio shm + kB,kam_shm_kb,%d;sender ms,sender_ms,%d;all ms,all_ms,%d")
	columns("memory", "idle PSS kB,pss_idle_kb,%.0f;PSS kB/session,pss_session_kb,%.2f;set-up ms,setup_ms,%.0f")
	columns("big", "MB/s,MBs,%.0f;CPU s/GB,cpuGB,%.3f;RSS + kB,rss_grow_kb,%.0f")
	columns("slow", "MB/s,MBs,%.1f;CPU s/GB,cpuGB,%.3f;RSS + kB,rss_grow_kb,%.0f;p50 us,p50_us,%.0f;p99 us,p99_us,%.0f")
	columns("store", "answers/s,per_second,%.0f;commits or syncs/s,commits,%.0f;in a commit,puts_per_commit,%.1f;ms for a commit,ms_per_commit,%.2f")
	columns("defer", "msg/s,rate,%.0f;MB/s,MBs,%.0f;CPU s/10k,cpu10k,%.3f;RSS + kB,rss_grow_kb,%.0f")
	columns("start", "ms to the first answer,start_ms,%d;ms for 100 lines of the list,list_ms,%d;RSS kB,rss_kb,%d;on disk MB,disk_mb,%d;s to fill,fill_seconds,%.0f")
	base["message"] = "stock"; key["message"] = "cpu_us"
	base["list"] = "stock"; key["list"] = "cpu_us"
	base["small"] = base["report"] = "haproxy"; key["small"] = key["report"] = "cpu10k"
	base["bulk"] = base["lmm"] = base["big"] = base["slow"] = "haproxy"
	key["bulk"] = key["lmm"] = key["big"] = key["slow"] = "cpuGB"
	base["latency"] = "nginx"; key["latency"] = "p50_us"
	base["tls"] = "nginx"; key["tls"] = "cpuGB"
	base["memory"] = "haproxy"; key["memory"] = "pss_session_kb"
	for(i = 1; i <= ng; i++) {
		g = groups[i]
		if(!(g in cases)) continue
		printf "\n### %s\n\n| | |", name[g]
		for(k = 1; k <= ncol[g]; k++) printf " %s |", title[g, k]
		if(base[g] != "") {
			k = key[g] == "p50_us" ? "p50" : key[g] == "pss_session_kb" ? "memory" : "CPU"
			printf " %s : %s |", k, base[g]
		}
		printf "\n|---|---|"
		for(k = 1; k <= ncol[g] + (base[g] != ""); k++) printf "---|"
		printf "\n"
		nc = split(substr(cases[g], 2), cs, "\t")
		nt = split(substr(targets[g], 2), ts, "\t")
		for(c = 1; c <= nc; c++)
			for(t = 1; t <= nt; t++)
				if((g SUBSEP cs[c] SUBSEP ts[t] SUBSEP "ok") in values)
					row(g, cs[c], ts[t], base[g])
	}
	print "\n### Goals\n\n| goal | limit | measured | |\n|---|---|---|---|"
	goal("MESSAGE: CPU against t_relay", ratio("message", "-x fm, closed loop, 50 at once", "cpm", "stock", "cpu_us"), 1.25, 1)
	goal("list of 100: CPU of a recipient against t_request", ratio("list", "lists of 100", "cpm", "stock", "cpu_us"), 1.5, 1)
	goal("list of 100: CPU of a recipient against a relayed MESSAGE", across("list", "lists of 100", "no list: relayed", "cpm", "cpu_us"), 1, 1)
	goal("list of 1,000: longest work of a SIP worker, ms", med("list", "lists of 1000", "cpm", "busy_cpu_ms"), 5, 1)
	goal("large-message calls per second", med("calls", "closed loop, 50 at once", "cpm", "rate"), 1000, 0)
	goal("large-message calls failed", med("calls", "closed loop, 50 at once", "cpm", "failed"), 0, 1)
	goal("small messages, 100 sessions: CPU s/10k", med("small", "100 sessions", "relay", "cpu10k"), 0.07, 1)
	goal("small messages, 1000 sessions: CPU s/10k", med("small", "1000 sessions", "relay", "cpu10k"), 0.09, 1)
	goal("small messages with reports: CPU s/10k", med("report", "100 sessions, success reports", "relay", "cpu10k"), 0.11, 1)
	goal("100 MiB, 8 KiB chunks: CPU s/GB", med("bulk", "100 MiB, 8 KiB chunks", "relay", "cpuGB"), 1.2, 1)
	goal("100 MiB, 64 KiB chunks: CPU s/GB", med("bulk", "100 MiB, 64 KiB chunks", "relay", "cpuGB"), 0.8, 1)
	goal("100 MiB, one chunk: CPU s/GB", med("bulk", "100 MiB, one chunk", "relay", "cpuGB"), 0.8, 1)
	goal("100 x 1 MB in one chunk: MB/s", med("lmm", "100 x 1 MB, one chunk", "relay", "MBs"), 700, 0)
	goal("1000 x 20 KB in one chunk: CPU s/10k", med("lmm", "1000 x 20 KB, one chunk", "relay", "cpu10k"), 0.6, 1)
	goal("latency p50 at 500/s against nginx", ratio("latency", "500/s on 10 sessions", "relay", "nginx", "p50_us"), 1.3, 1)
	goal("latency p99 at 500/s against nginx", ratio("latency", "500/s on 10 sessions", "relay", "nginx", "p99_us"), 1.5, 1)
	goal("fan-out, small: further recipient against the first", further("small, 100 sessions, "), 0.5, 1)
	goal("fan-out, 100 MiB: further recipient against the first", further("100 MiB, 64 KiB chunks, "), 0.5, 1)
	goal("2 MB to 100: relay CPU of a further leg against the first", further_leg("relay_ms", 100), 0.5, 1)
	goal("2 MB to 100: Kamailio CPU of a further leg against the first", further_leg("kam_ms", 100), 0.5, 1)
	goal("2 MB to 100: RSS growth of the relay, kB", med("legs", "2 MB to 100", "cpm", "relay_rss_kb"), 8192, 1)
	goal("memory of a session: PSS kB", med("memory", "1000 sessions, one message each", "relay", "pss_session_kb"), 8, 1)
	goal("idle PSS kB", med("memory", "1000 sessions, one message each", "relay", "pss_idle_kb"), 6000, 1)
	goal("RSS growth for 1 GB, 64 KiB chunks: kB", med("big", "1 GB, 64 KiB chunks", "relay", "rss_grow_kb"), 2048, 1)
	goal("RSS growth for 1 GB, one chunk: kB", med("big", "1 GB, one chunk", "relay", "rss_grow_kb"), 2048, 1)
	goal("RSS growth, slow recipient: kB", med("slow", "100 MiB, reader at 20 MB/s", "relay", "rss_grow_kb"), 2048, 1)
	# 20,000, or half of what a slower disk syncs with 32 in each
	syncs = med("store", "the disk: write 4 KiB, fdatasync", "disk", "commits")
	least = syncs * 16 < 20000 ? syncs * 16 : 20000
	goal("store: durable answers/s with 64 in flight", med("store", "64 in flight", "sqlite", "per_second"), least, 0)
	goal("1,000 large messages of 20 KB stored at once: RSS growth, kB", med("defer", "1000 x 20 KB, into the store", "relay", "rss_grow_kb"), 65536, 1)
	goal("start with 1,000,000 messages: ms to the first answer", med("start", "1000000 messages", "relay", "start_ms"), 5000, 1)
	goal("start with 1,000,000 messages: RSS kB", med("start", "1000000 messages", "relay", "rss_kb"), 204800, 1)
	goal("TLS small messages: CPU against nginx", ratio("tls", "small, 100 sessions", "relay", "nginx", "cpu10k"), 1.5, 1)
	goal("TLS 8 KiB chunks: CPU against nginx", ratio("tls", "100 MiB, 8 KiB chunks", "relay", "nginx", "cpuGB"), 1.5, 1)
	goal("TLS 64 KiB chunks: CPU against nginx", ratio("tls", "100 MiB, 64 KiB chunks", "relay", "nginx", "cpuGB"), 1.5, 1)
}' "$1"
