#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Measures the store of deferred messages. Called by `make bench-store` and
# `make store-million`.
#   STORE=DIR   on this disk (default build/bench)
#   PG=1        PostgreSQL too, fsync and all
#   SECONDS_EACH=3, ROUNDS=3
set -eu
what=$1 bin=$2 n=${3:-}
top=${STORE:-build/bench}
mkdir -p "$top"
dir=$(cd "$top" && pwd)/store.$$
trap 'rm -rf "$dir"' EXIT
each=${SECONDS_EACH:-3}

case $what in
acks)
	for round in $(seq "${ROUNDS:-3}"); do
		rm -rf "$dir" && mkdir -p "$dir"
		"$bin" sync "$dir" "$each"
		for flight in 1 16 64; do
			rm -rf "$dir/sqlite"
			"$bin" put "sqlite:$dir/sqlite" $flight "$each"
		done
		if [ -n "${PG:-}" ]; then
			pg=/tmp/cpm-pg-bench-$$
			tests/postgres start $pg $$
			for flight in 1 16 64; do
				"$bin" put "host=$pg user=relay dbname=postgres" $flight "$each"
			done
			tests/postgres stop $pg
			sleep 2
		fi
	done ;;
million)
	mkdir -p "$dir"
	"$bin" fill "sqlite:$dir/sqlite" "$n"
	"$bin" open "sqlite:$dir/sqlite" ;;
esac
