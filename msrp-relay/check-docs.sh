#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fails when the daemon has an option, default, statistic, operator's command or
# method that its manual pages, its commented configuration file or the control
# protocol do not name, or the other way round. Called by `make docs-check`.
set -euo pipefail
cd "$(dirname "$0")"
bad=0

compare() { # compare WHAT WHERE: lines of the code on fd 3, of the document on fd 4
	local d
	d=$(diff <(sort -u <&3) <(sort -u <&4)) || { printf '%s, code (<) against %s (>):\n%s\n' "$1" "$2" "$d" >&2; bad=1; }
}

# option=default, as it is in the table
options() {
	tr -d '\n' < conf/conf_table.c | grep -oE '\{"[a-z_]+", CONF_[A-Z]+, AT\([a-z_.]+\),[[:space:]]*"[^"]*"' |
		sed -E 's/\{"([a-z_]+)".*"([^"]*)"$/\1=\2/'
}
compare options etc/msrp-relay.conf 3< <(options) 4< <(sed -nE 's/^#([a-z_]+) = ?(.*)$/\1=\2/p' etc/msrp-relay.conf)
# The manual page: "Default X", "Default: in words" or nothing where it is empty.
compare options doc/msrp-relay.conf.5 3< <(options) 4< <(awk '
	function done() { if(name != "") print name "=" value; name = value = "" }
	/^\.El/ { done() }
	/^\.It Cm/ { done(); name = $3; next }
	name != "" && ($1 == "Default" || $1 == "Default:") {
		if(NF == 1) { getline; $1 = "" }
		if($1 != "Default:") { value = $2; sub(/[.:]$/, "", value) }
	}' doc/msrp-relay.conf.5)

statistics() {
	sed -nE 's/^\tSTAT\(([a-z0-9_]+),.*/\1/p' stats/stats.h
	sed -nE 's/^\tSTAT\(([a-z0-9_]+),.*/deferred_\1/p' store/store.h
	sed -nE -e 's/^\tgauge\(f, "([a-z_]+)".*/\1/p' -e 's/^\t\t\t("# HELP " STATS_PREFIX )?"([a-z_]+) [A-Z].*/\2/p' stats/stats_out.c
}
compare statistics doc/msrp-relay.8 3< <(statistics) 4< <(sed -n '/^\.Sh MONITORING/,/^\.Sh FILES/p' doc/msrp-relay.8 |
	sed -nE 's/^\.It Cm ([a-z0-9_]+)$/\1/p')

compare "operator's commands" doc/msrp-relayctl.1 \
	3< <(sed -nE 's/^\t\t\{"([a-z-]+( [a-z]+)?)", ".*/\1/p' relayctl/main.c) \
	4< <(sed -nE -e 's/^\.It Cm ([a-z-]+( [a-z]+)?).*/\1/p' -e 's/^\.Cm (session (list|show))$/\1/p' doc/msrp-relayctl.1)
# Headings, "deferred.hold, release" in short, and rows of the operator's table.
compare methods docs/control-protocol.md 3< <(sed -nE 's/^\t\t\{"([a-z.]+)", ctl_.*/\1/p' ctl/ctl_dispatch.c) \
	4< <(awk '/^## (Errors|Events)/ { skip = 1 } /^## Operator/ { skip = 0; table = 1; next } /^## / && !/Operator/ { table = 0 }
		/^##+ [a-z]/ { gsub(/,/, ""); for(i = 2; i <= NF; i++) if($i ~ /\./) print $i; else if(i > 2 && $2 ~ /^deferred/) print "deferred." $i; else if($i == "hello") print $i }
		table && /^\| [a-z.]+ \|/ && $2 != "method" { print $2 }' ../docs/control-protocol.md | grep -vE '^deferred\.(with|a|message)$')
[ $bad = 0 ] && echo "docs-check: all of msrp-relay is documented"
exit $bad
