#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kamailio-headers.sh DIR: headers, Makefiles and compiler defines of exactly
# the Kamailio that is installed, in DIR. Debian ships no kamailio-dev, so they
# come from the source package of the installed version. Done once; called by
# modules/modules.mk.
#
#   DIR/src/   the headers and Makefiles, with the package's patches applied
#   DIR/doc/   DocBook entities and style sheets, for the module's README
#   DIR/defs   the -D options Kamailio was compiled with, as a gcc @file
#
# Nothing under /etc/apt is touched: apt-get runs with the machine's own
# settings (proxies, keys, authentication), but with its own list of sources,
# made from the entries that offer kamailio by turning "deb" into "deb-src".
#
# KAMAILIO_SRC=/path uses a Kamailio source tree of yours instead: one that has
# been configured ("make cfg") with the options of the Kamailio that will run.
set -euo pipefail

dir=$1
fail() {
	printf '\nkamailio headers: %s\n' "$1" >&2
	shift
	[ $# = 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# Only the defines matter; paths and flavour are as in Debian's rules.
write_defs() { # write_defs TREE DIR
	local mk=$1/src/config.mak
	[ -e "$mk" ] || fail "$mk is missing." \
		"Run 'make cfg' in $1 with the options of the Kamailio that will run."
	{
		sed -n 's/^C_DEFS= *//p' "$mk"
		# among the compiler's options instead of the defines
		if grep -q '^CC_PMUTEX_OPTS=.*-DKSR_PTHREAD_MUTEX_SHARED' "$mk"; then echo -DKSR_PTHREAD_MUTEX_SHARED; fi
	} > "$2/defs.new"
	grep -q -- '-DVERSIONVAL=' "$2/defs.new" || fail "no defines in $mk." \
		"Kamailio's build system is not the one this script knows; please report the version."
	mv "$2/defs.new" "$2/defs"
}

[ ! -e "$dir/defs" ] || exit 0
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec 9> "$dir/lock"
flock 9
[ ! -e "$dir/defs" ] || exit 0

if [ -n "${KAMAILIO_SRC:-}" ]; then
	[ -e "$KAMAILIO_SRC/src/core/sr_module.h" ] || fail "KAMAILIO_SRC=$KAMAILIO_SRC is no Kamailio source tree."
	ln -sfn "$(cd "$KAMAILIO_SRC" && pwd)/src" "$dir/src"
	ln -sfn "$(cd "$KAMAILIO_SRC" && pwd)/doc" "$dir/doc"
	write_defs "$KAMAILIO_SRC" "$dir"
	exit 0
fi

version=$(dpkg-query -W -f '${source:Version}' kamailio 2> /dev/null) ||
	fail "the package kamailio is not installed." \
		"Install it with 'make deps' (root), or name a configured source tree: make KAMAILIO_SRC=/path"
upstream=${version#*:}
upstream=${upstream%-*}
for c in dpkg-source make gcc; do
	command -v $c > /dev/null || fail "$c is missing." "Install it with 'make deps' (root)."
done

w=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$w"' EXIT
started=$SECONDS
printf 'kamailio headers: fetching the source of kamailio %s (13 MB, once) ... ' "$version"

# The machine's package lists say who offers kamailio. A fresh image has none.
if [ -z "$(apt-cache madison kamailio 2> /dev/null)" ] && [ "$(id -u)" = 0 ]; then
	apt-get -q update > "$w/log" 2>&1 || true
fi
offers=$(apt-cache madison kamailio 2> /dev/null |
	sed -nE 's/.*\| *([^ ]+) ([^ /]+).*Packages *$/\1 \2/p' | sed -E 's,/+ , ,' | sort -u) || true
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SOURCESENTRY)' 'Created-By: Packages' 2> /dev/null |
	sed -E 's,/+ , ,' | sort -u > "$w/targets" || true
files=$(while read -r uri release entry; do
	if [ -z "$offers" ] || grep -qxF "$uri $release" <<< "$offers"; then echo "${entry%:*}"; fi
done < "$w/targets" | sort -u)
if [ -z "$files" ]; then # no lists at all: take what is configured
	files=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f \( -name '*.list' -o -name '*.sources' \) 2> /dev/null || true)
fi
[ -n "$files" ] || fail "apt has no sources." "See sources.list(5); then 'apt-get update'."

mkdir -p "$w/etc" "$w/lists/partial" "$w/cache/archives/partial"
n=0
while read -r f; do
	n=$((n + 1))
	case $f in
		*.sources) sed -E 's/^[Tt]ypes:.*/Types: deb-src/' "$f" > "$w/etc/$n.sources" ;;
		*) sed -nE 's/^[[:space:]]*deb(-src)?([[:space:]])/deb-src\2/p' "$f" | sort -u > "$w/etc/$n.list" ;;
	esac
done <<< "$files"
cat > "$w/apt.conf" <<- END
	#clear APT::Update;
	#clear DPkg;
	Dir::Etc::SourceList "/dev/null";
	Dir::Etc::SourceParts "$w/etc";
	Dir::State::Lists "$w/lists";
	Dir::Cache "$w/cache";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Acquire::Retries "3";
END
apt() {
	local cmd=$1
	shift
	"apt-$cmd" -q -c "$w/apt.conf" "$@"
}

apt get update >> "$w/log" 2>&1 || true
# This very version, else another revision of the same upstream release: the
# core's headers and the version that the loader checks are those of upstream.
offered=$(apt cache showsrc kamailio 2> /dev/null | sed -n 's/^Version: //p' | sort -Vu) || true
pick=$(grep -xF "$version" <<< "$offered" || grep -E "^([0-9]+:)?${upstream//./\\.}-" <<< "$offered" | tail -n 1 || true)
if [ -z "$pick" ]; then
	tail -n 5 "$w/log" >&2
	fail "no source package for the installed kamailio $version." \
		"The apt sources offer: $(echo ${offered:-nothing}) (looked in $(echo $files))" \
		"If a newer kamailio is offered, upgrade: apt-get update && apt-get install kamailio" \
		"If the network is the cause, repair it and run this again; proxies are taken from apt's configuration." \
		"Or give a configured source tree of that version: make KAMAILIO_SRC=/path"
fi
cd "$w"
if ! apt get source --download-only --only-source "kamailio=$pick" >> "$w/log" 2>&1 ||
	! dpkg-source --no-check -x kamailio_*.dsc tree >> "$w/log" 2>&1; then
	tail -n 10 "$w/log" >&2
	fail "fetching the source of kamailio $pick failed; apt's last lines are above." \
		"Check the network and free disk space (100 MB), then run this again."
fi
cd tree
[ -e src/Makefile.defs ] || fail "kamailio $pick is built with CMake; only releases with Makefiles (up to 6.0) are supported."
# This one depends on the machine that compiles (is libssl-dev there?); what
# counts is how the installed modules were compiled.
tm=$(dpkg -L kamailio | sed -n '/\/tm\.so$/p')
mutex=0
if grep -aq TLS_PTHREAD_MUTEX_SHARED "$tm"; then mutex=1; fi
if ! make -s -C src cfg-defs LIBSSL_SET_MUTEX_SHARED=$mutex quiet=verbose CC=gcc prefix=/usr cfg_target=/etc/kamailio/ FLAVOUR=kamailio >> "$w/log" 2>&1; then
	tail -n 10 "$w/log" >&2
	fail "Kamailio's own 'make cfg-defs' failed; its last lines are above."
fi
rm -rf "$dir/src" "$dir/doc"
find src doc/docbook \( -name '*.h' -o -name 'Makefile*' -o -name '*.mak' -o -path 'doc/docbook/*' \) -type f -print0 |
	tar --null -T - -cf - | tar -xf - -C "$dir"
write_defs "$w/tree" "$dir"
echo "$((SECONDS - started)) s"
