#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-module.sh CPM_SO KAM_DIR: what must be true of a cpm.so that is handed
# to an operator. Called by `make check-module` and the CI.
#   - Kamailio's loader will take it: version and compile flags equal tm.so's
#   - no libuv, libcurl or OpenSSL inside: with tls.so loaded they crash SIP workers
#   - nothing undefined: the installed Kamailio loads it and accepts its parameters
#   - no banned function
#   - the folder builds as a module of a Kamailio source tree, too
set -euo pipefail
so=$1 kam=$2
bad() { echo "check-module: $*" >&2; exit 1; }
w=$(mktemp -d)
trap 'rm -rf "$w"' EXIT

modules=$(dirname "$(dpkg -L kamailio | grep -m1 '/tm\.so$')")
marks() { strings -a "$1" | grep -E '^USE_TCP|^kamailio [0-9]' | sort -u; }
[ -n "$(marks "$so")" ] || bad "$so carries no version"
[ "$(marks "$so")" = "$(marks "$modules/tm.so")" ] || {
	printf '%s\n%s\n' "$modules/tm.so: $(marks "$modules/tm.so")" "$so: $(marks "$so")" >&2
	bad "version or compile flags differ"
}

if readelf -d "$so" | grep -E 'NEEDED.*lib(uv|curl|ssl|crypto)'; then bad "a library that must not be linked"; fi
nm -D --undefined-only "$so" | awk '{print $2}' | sed 's/@.*//' > "$w/undefined"
if grep -E '^(uv_|curl_|SSL_|EVP_|CRYPTO_)' "$w/undefined"; then bad "calls into libuv, libcurl or OpenSSL"; fi
if grep -xE '(__)?(v?sprintf|strcpy|strcat|strtok|atoi|alloca|system|gets)(_chk)?' "$w/undefined"; then bad "a banned function"; fi

cat > "$w/check.cfg" <<- END
	#!KAMAILIO
	listen=udp:127.0.0.1:5999
	loadmodule "$modules/tm.so"
	loadmodule "$modules/pv.so"
	loadmodule "$modules/rr.so"
	loadmodule "$modules/sl.so"
	loadmodule "$(realpath "$so")"
	modparam("cpm", "contact", "sip:cpm@127.0.0.1:5999")
	modparam("cpm", "relay_socket", "/nonexistent/relay.sock")
	request_route { exit; }
END
kamailio -c -f "$w/check.cfg" > "$w/log" 2>&1 || { grep -E 'ERROR|CRITICAL' "$w/log" >&2; bad "kamailio does not load it"; }

mkdir -p "$w/tree/src/modules"
for f in "$kam"/src/Makefile* "$kam"/src/*.mak "$kam/src/core" "$kam/src/lib"; do
	[ ! -e "$f" ] || ln -s "$(realpath "$f")" "$w/tree/src/"
done
for m in "$kam"/src/modules/*; do ln -s "$(realpath "$m")" "$w/tree/src/modules/"; done
rm -f "$w/tree/src/modules/cpm"
cp -r modules/cpm "$w/tree/src/modules/cpm"
find "$w/tree/src/modules/cpm" -name '*.so' -delete
make -s -C "$w/tree/src/modules/cpm" > "$w/log" 2>&1 || { tail "$w/log" >&2; bad "the in-tree build fails"; }
[ "$(marks "$w/tree/src/modules/cpm/cpm.so")" = "$(marks "$modules/tm.so")" ] ||
	bad "built in-tree, version or flags differ from tm.so's"
echo "check-module: $so fits $(marks "$so" | grep "^kamailio") and needs only $(readelf -d "$so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | xargs)"
