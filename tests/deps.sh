#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install the Debian packages that building, the tests, the lab and the demo
# need. Asks for nothing; does nothing when all are there.
set -euo pipefail

packages=(
	# build
	gcc make pkg-config libc6-dev dpkg-dev git ca-certificates
	libxml2-dev libuv1-dev libcurl4-openssl-dev libssl-dev libjansson-dev
	libinih-dev uthash-dev libsqlite3-dev libpq-dev libsystemd-dev
	xsltproc docbook-xml docbook-xsl lynx mandoc
	# Kamailio
	kamailio kamailio-presence-modules kamailio-sqlite-modules
	kamailio-utils-modules kamailio-extra-modules kamailio-lua-modules
	kamailio-python3-modules kamailio-tls-modules
	# tests, lab, demo
	netbase libcriterion-dev libsofia-sip-ua-dev clang libclang-rt-dev
	clang-format sip-tester tshark tcpdump socat jq openssl procps iproute2
	postgresql imagemagick curl haproxy nginx-light libnginx-mod-stream
)

missing=()
for p in "${packages[@]}"; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
if [ ${#missing[@]} = 0 ]; then
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing; install them as root:" >&2
	echo "  apt-get install ${missing[*]}" >&2
	exit 1
fi

# Servers of the packages must not start on their own during installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' > $policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
log=$(mktemp)
echo "Installing ${#missing[@]} Debian packages (once, a few minutes; log: $log) ..."
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "The installation failed; the last lines are above. Check the network and the apt sources, then run this again." >&2
	exit 1
fi
rm -f "$log"
