#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fails when a link of a page leads to a file or a heading that is not there, or
# a page says `make X` without such a target. Called by `make docs-check`.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() { echo "$*" >&2; bad=1; }

# Headings as they are linked to: lower case, blanks to hyphens, nothing but letters left.
anchors() {
	awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ +/, ""); print tolower($0) }' "$1" |
		sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}
# and one of Kamailio's own
targets=$(sed -nE 's/^([a-z0-9-]+)::?( .*)?$/\1/p' Makefile ./*/*.mk ./*/*/*.mk)$'\nmodules'
# What is within backticks, or a line of an example.
made() {
	awk '/^```/ { code = !code } code && /^make / { print $2 } !code { while(match($0, /`make [a-z0-9-]+/)) {
		print substr($0, RSTART + 6, RLENGTH - 6); $0 = substr($0, RSTART + RLENGTH) } }' "$1" | grep -E '^[a-z0-9-]+$' | sort -u
}

for page in $(git ls-files '*.md'); do
	for link in $(grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -v '^https\?:' | sort -u); do
		file=${link%%#*} anchor=
		[[ $link != *#* ]] || anchor=${link#*#}
		file=${file:+$(dirname "$page")/$file}
		file=${file:-$page}
		if [ ! -e "$file" ]; then
			complain "$page: there is no $link"
		elif [ -n "$anchor" ] && ! anchors "$file" | grep -qx -- "$anchor"; then
			complain "$page: no heading for $link"
		fi
	done
	for target in $(made "$page"); do
		grep -qx -- "$target" <<< "$targets" || complain "$page: there is no target '$target'"
	done
done
[ $bad = 0 ] && echo "docs-check: links and targets are there"
exit $bad
