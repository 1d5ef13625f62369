#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fails when the module has a parameter, default, function, RPC command, statistic,
# event route or reason of refusal that its DocBook does not name, or the
# other way round. Called by `make docs-check`.
set -euo pipefail
cd "$(dirname "$0")/cpm"
doc=doc/cpm_admin.xml bad=0

compare() { # compare WHAT [WHERE]: names in the code on fd 3, in the document on fd 4
	local d
	d=$(diff <(sort -u <&3) <(sort -u <&4)) || { printf '%s, code (<) against %s (>):\n%s\n' "$1" "${2:-$doc}" "$d" >&2; bad=1; }
}
compare parameters 3< <(sed -nE 's/.*\{"([a-z_]+)", PARAM_.*/\1/p' cpm_conf.c) \
	4< <(sed -nE 's/.*<section id="cpm\.p\.([a-z_]+)">.*/\1/p' $doc)
# Where the code has a value, the document says the same one.
compare "defaults of parameters" \
	3< <(sed -nE 's/^\t\t\.([a-z_]+) = (str_init\("(.*)"\)|([0-9]+)),/\1 \3\4/p' cpm_conf.c) \
	4< <(awk -F'"' '/<section id="cpm\.p\./ { sub(/^cpm\.p\./, "", $2); name = $2 }
		/Default value is "[^"]+"\./ { print name, $2; next }
		/Default value is [0-9]+/ { split($0, word, " "); sub(/\.$/, "", word[4]); if(word[4] != 0) print name, word[4] }' $doc)
compare functions 3< <(sed -nE 's/.*\{"(cpm_[a-z_]+)", w_.*/\1/p' cpm_mod.c) \
	4< <(sed -nE 's/.*<section id="cpm\.f\.([a-z_]+)">.*/\1/p' $doc)
# Lua and Python have what the native script has.
compare "functions" "the exports for KEMI" 3< <(sed -nE 's/.*\{"cpm_([a-z_]+)", w_.*/\1/p' cpm_mod.c) \
	4< <(sed -nE -e 's/^\tKEMI\(([a-z_]+)\),/\1/p' -e 's/.*str_init\("cpm"\), str_init\("([a-z_]+)"\).*/\1/p' cpm_mod.c)
compare "RPC commands" 3< <(grep -oE '"cpm\.[a-z_]+", rpc_' cpm_rpc.c | cut -d'"' -f2) \
	4< <(sed -nE 's/.*<section id="(cpm)\.rpc\.([a-z_]+)">.*/\1.\2/p' $doc)
compare "event routes" 3< <(grep -oE '"cpm:[a-z-]+"' cpm_evroute.c | tr -d '"') \
	4< <(sed -nE 's/.*<section id="(cpm)\.evr\.([a-z-]+)">.*/\1:\2/p' $doc)
compare statistics \
	3< <(tr -d '\n' < cpm_stats.c | grep -oE '(STAT\(CPM_STAT_[A-Z_]+,|\{NULL,)[[:space:]]*"[a-z_]+"' | cut -d'"' -f2) \
	4< <(sed -n '/<title>Statistics/,/<\/section>/p' $doc | sed -nE 's/.*<listitem><para><emphasis>([a-z_]+)<.*/\1/p')
compare "reasons of refusal" 3< <(sed -nE 's/.*\{"([a-z0-9-]+)", [0-9]{3}, ".*/\1/p' cpm_reject.c) \
	4< <(sed -nE 's/.*<listitem><para><emphasis>"([a-z0-9-]+)"<.*/\1/p' $doc)
# Every file has its line in the architecture, and what where.md names is there.
compare "files" "docs/architecture.md" 3< <(ls cpm_*.c | sed 's/\.c$//') \
	4< <(sed -n '/^| files of/,/^$/p' ../../docs/architecture.md | grep -oE '`cpm_[a-z0-9_]+`' | tr -d '`')
for file in $(sed -n '/^|/s/[|,;]/ /gp' ../../docs/where.md | grep -oE ' [a-z0-9_./-]+(\.(c|cfg|lua|py)|/) ' | sort -u); do
	[ -e "../../$file" ] || [ -e "$file" ] || [ -e "../../tests/e2e/$file" ] ||
		{ echo "docs/where.md: there is no $file" >&2; bad=1; }
done
[ $bad = 0 ] && echo "docs-check: all of cpm is documented"
exit $bad
