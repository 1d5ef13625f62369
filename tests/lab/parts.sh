# SPDX-License-Identifier: GPL-2.0-or-later
#
# The parts of the lab. Each part P has P_start (writes its configuration and
# spawns it) and P_ready (asks it; 0 when it answers). Sourced by `lab`, which
# sets the addresses and directories. The order is that of starting.
# relay2 and cpm2 are the second node (LAB_NODES=2).
PARTS=(core pg relay relay2 cpm cpm2 isf iwf)

# A program of this build; without it the part cannot start.
built() {
	[ -e "$CPM_BIN/$1" ] || { echo "lab $N: $CPM_BIN/$1 is missing; run 'make' first" >&2; return 1; }
}

# Linux lets two Kamailios listen on one UDP address; then each gets some of the
# requests, and neither knows.
free_address() { # ADDRESS
	[ -z "$(ss -Hlun "src $1:5060" 2>/dev/null)" ] || {
		echo "lab $N: $1:5060 is in use; is a lab $N running from another directory? Try LAB=$((N % 20 + 1))." >&2
		return 1
	}
}

# A Kamailio of this lab: its own process group, pid file, run-time directory
# and control socket; everything logged to standard error.
kamailio_spawn() {
	local part=$1 shm=$2
	mkdir -p "$RUN/$part"
	# left by one that was killed; as a zombie it would still count as running
	rm -f "$RUN/$part.ctl" "$RUN/$part.kamailio.pid"
	spawn "$part" kamailio -f "$CONF/$part.cfg" -P "$RUN/$part.kamailio.pid" \
		-Y "$RUN/$part" -x "$LAB_KAMAILIO_ALLOC" -m "$shm" -M 16 -DD -E
}

# SIP OPTIONS over UDP; the first line of the answer must be a 200. One write(2)
# is one datagram and one read(2) takes one, which is why this is dd.
sip_ping() {
	local ip=$1 answer
	exec 8<> "/dev/udp/$ip/5060" || return 1
	printf 'OPTIONS sip:%s:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK%s\r\nMax-Forwards: 5\r\nFrom: <sip:probe@cpm.test>;tag=%s\r\nTo: <sip:%s>\r\nCall-ID: probe-%s-%s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n' \
		"$ip" "$RANDOM$RANDOM$$" "$RANDOM" "$ip" "$$" "$RANDOM$RANDOM" |
		dd bs=65535 iflag=fullblock status=none >&8 2>/dev/null
	answer=$(timeout 0.5 dd bs=65535 count=1 status=none <&8 2>/dev/null | head -n 1)
	exec 8>&-
	[[ $answer = "SIP/2.0 200"* ]]
}

# The lines in front of each Kamailio configuration: which lab this is.
preamble() { # CONTROL-SOCKET [NAME VALUE]...
	echo "#!KAMAILIO"
	echo "# written by tests/lab/lab; changes are lost"
	set -- CORE_IP "$CORE_IP" PF_IP "$PF_IP" ISF_IP "$ISF_IP" PEER_IP "$PEER_IP" CTL_SOCK "$@"
	while [ $# -ge 2 ]; do
		printf '#!substdef "!%s!%s!g"\n' "$1" "$2"
		shift 2
	done
}

core_start() {
	free_address "$CORE_IP" || return 1
	local node2=$PF_IP reg=$PF_IP
	[ "$LAB_NODES" = 1 ] || node2=$NODE2_IP
	[ "$LAB_REG_NODE" = 1 ] || reg=$node2
	{
		preamble "$RUN/core.ctl" NODE2_IP "$node2" REG_IP "$reg"
		[[ " $LAB_TRIGGERS " != *" orig "* ]] || echo '#!define TRIGGER_ORIG'
		[[ " $LAB_TRIGGERS " != *" term "* ]] || echo '#!define TRIGGER_TERM'
		case $LAB_TRIGGER_BY in
		route) ;;
		param) echo '#!define TRIGGER_PARAM' ;;
		served-user) echo '#!define TRIGGER_SERVED' ;;
		*) echo "lab $N: LAB_TRIGGER_BY is route, param or served-user" >&2; return 1 ;;
		esac
		[ -z "$LAB_TRIGGER_AGAIN" ] || echo '#!define TRIGGER_AGAIN'
		[ "$LAB_CONTACTS" != usrloc ] || echo '#!define PF_REGISTRAR'
		[ "$LAB_THIRD_PARTY" = 0 ] || echo '#!define WITH_THIRD_PARTY'
		[ "$LAB_REGISTER_BODY" = 0 ] || echo '#!define REGISTER_BODY'
		[ "$LAB_REG_PARTIAL" != 0 ] || echo '#!define REG_FULL'
		[ -z "$LAB_REG_EXPIRES" ] || echo "#!define REG_EXPIRES $LAB_REG_EXPIRES"
		[ -z "$LAB_CORE_CFG_EXTRA" ] || printf '%s\n' "$LAB_CORE_CFG_EXTRA"
		echo "include_file \"$HERE/core.cfg\""
	} > "$CONF/core.cfg"
	kamailio_spawn core 64
}
core_ready() { sip_ping "$CORE_IP"; }

# The script's flavour.
cpm_script() {
	case $LAB_SCRIPT in
	native) ;;
	steps) echo '#!define CPM_BY_STEPS' ;;
	lua) printf '#!define CPM_KEMI\n#!define CPM_LUA\n#!substdef "!CPM_SCRIPT!%s!g"\n' "$ROOT/kamailio-cfg/cpm.lua" ;;
	python) printf '#!define CPM_KEMI\n#!define CPM_PYTHON\n#!substdef "!CPM_SCRIPT!%s!g"\n' "$ROOT/kamailio-cfg/cpm.py" ;;
	*) echo "lab $N: LAB_SCRIPT is native, steps, lua or python" >&2; return 1 ;;
	esac
}
cpm_main() {
	case $LAB_SCRIPT in
	lua|python) echo "include_file \"$ROOT/kamailio-cfg/kamailio-kemi.cfg\"" ;;
	*) echo "include_file \"$ROOT/kamailio-cfg/kamailio.cfg\"" ;;
	esac
}

# Parameters of deferred messages.
cpm_deferral() {
	printf 'modparam("cpm", "%s", %s)\n' fork_wait "$LAB_FORK_WAIT" push_settle "$LAB_SETTLE_MS" \
		push_retries "\"$LAB_RETRIES\"" push_permanent "$LAB_PERMANENT" push_lease "$LAB_LEASE_MS" \
		defer_lifetime "$LAB_LIFETIME" defer_notify "\"$LAB_NOTIFY\"" direct_delivery "$LAB_DIRECT" \
		imdn_route "\"<sip:mark@$CORE_IP:5060;lr;d=orig>\""
}

# The PF: the operator's own configuration with the lab's values.
cpm_start() { cpm_node cpm relay "$PF_IP"; }
cpm2_start() { cpm_node cpm2 relay2 "$NODE2_IP"; }
cpm_node() { # PART RELAY ADDRESS
	local part=$1 relay=$2 PF_IP=$3 n=${1#cpm}
	built cpm.so && free_address "$PF_IP" || return 1
	{
		CORE_IP=$LAB_TRUSTED preamble "$RUN/$part.ctl" PF_URI "sip:$PF_IP:5060" RELAY_SOCK "$RUN/$relay.sock" \
			RELAY_OWNER "pf$N${n:+-$n}" CPM_SO "$CPM_BIN/cpm.so" MSRP_TRANSPORT "$LAB_MSRP_TRANSPORT" \
			EXPLODER_URI sip:exploder@cpm.test DEFERRED_URI sip:deferred@cpm.test ISF_URI "sip:$ISF_IP:5060" ISF_MODE "$LAB_ISF_MODE" \
			CORE_URI "sip:$CORE_IP:5060"
		echo '#!define CPM_VALUES'
		cpm_script || return 1
		case $LAB_CONTACTS in
		none|reg) ;;
		usrloc) echo '#!define CPM_REGISTRAR' ;;
		*) echo "lab $N: LAB_CONTACTS is reg, usrloc or none" >&2; return 1 ;;
		esac
		echo "#!define RING_TIMEOUT $LAB_RING_MS"
		echo "#!define RING_SPARE $LAB_RING_SPARE_MS"
		echo "#!define MAX_RECIPIENTS $LAB_MAX_RECIPIENTS"
		echo "#!define INTERWORKING $LAB_INTERWORKING"
		echo "children=$LAB_CPM_CHILDREN"
		echo 'tcp_children=2'
		cpm_main
		[ "$LAB_CONTACTS" != none ] || echo 'modparam("cpm", "contacts", "none")'
		echo 'modparam("cpm", "msrp_idle", 10000)'
		cpm_deferral
		echo "modparam(\"cpm\", \"exploder_answer\", \"$LAB_EXPLODER_ANSWER\")"
		# mallory may not use CPM, nor she nor bob be anonymous
		echo 'event_route[htable:mod-init] {'
		echo '	$sht(cpm_rules=>sip:mallory@cpm.test) = "authorised=0;anonymity=0";'
		echo '	$sht(cpm_rules=>sip:bob@cpm.test) = "anonymity=0;list_anonymity=0";'
		echo '}'
		[ -z "$LAB_CPM_CFG_EXTRA" ] || printf '%s\n' "$LAB_CPM_CFG_EXTRA"
	} > "$CONF/$part.cfg"
	kamailio_spawn "$part" "$LAB_CPM_SHM"
}
cpm_ready() { sip_ping "$PF_IP"; }
cpm2_ready() { sip_ping "$NODE2_IP"; }

relay_start() { relay_node relay "$PF_IP" "$LAB_DIR/spool"; }
relay2_start() { relay_node relay2 "$NODE2_IP" "$LAB_DIR/spool2"; }
relay_node() { # PART ADDRESS SPOOL
	local part=$1 ip=$2 spool=$3
	built msrp-relay || return 1
	[ -s "$CONF/$part.pem" ] || relay_certificate "$part" "$ip" || return 1
	{
		echo "# written by tests/lab/lab; changes are lost"
		cat <<-END
		listen_address = $ip
		listen_port = 2855
		tls_port = 2955
		tls_certificate = $CONF/$part.pem
		tls_key = $CONF/$part.key
		workers = 2
		max_message_bytes = 100MiB
		inactivity_timeout = 10s
		control_socket = $RUN/$part.sock
		http_address = $ip
		http_port = 9090
		END
		[[ $LAB_RELAY_CONF_EXTRA = *spool_dir* ]] || echo "spool_dir = $spool"
		# `down` does not wait for sessions that a test has left open
		[[ $LAB_RELAY_CONF_EXTRA = *drain_timeout* ]] || echo 'drain_timeout = 2s'
		relay_store "$part" || return 1
		[ -z "$LAB_RELAY_CONF_EXTRA" ] || printf '%s\n' "$LAB_RELAY_CONF_EXTRA"
	} > "$CONF/$part.conf"
	spawn "$part" "$CPM_BIN/msrp-relay" -f -c "$CONF/$part.conf"
}
# Where deferred messages are kept.
relay_store() { # PART
	local n=${1#relay}
	[[ $LAB_NODES = 1 || $LAB_STORE = postgresql ]] ||
		{ echo "lab $N: LAB_NODES=2 needs LAB_STORE=postgresql" >&2; return 1; }
	case $LAB_STORE in
	none) ;;
	sqlite) mkdir -p "$LAB_DIR/store" ;;
	postgresql) printf 'store_url = host=%s user=cpm dbname=postgres\nstore_node = pf%s%s\n' "$PG_DIR" "$N" "${n:+-$n}" ;;
	*) echo "lab $N: LAB_STORE is sqlite, postgresql or none" >&2; return 1 ;;
	esac
	echo "store = $LAB_STORE"
	[[ $LAB_RELAY_CONF_EXTRA = *store_dir* ]] || echo "store_dir = $LAB_DIR/store"
	[[ $LAB_RELAY_CONF_EXTRA = *defer_lifetime* ]] || echo 'defer_lifetime = 604800'
	[[ $LAB_RELAY_CONF_EXTRA = *defer_lifetime_max* ]] || echo 'defer_lifetime_max = 2592000'
}
relay_ready() {
	curl -fsS -m 1 -o /dev/null "http://$PF_IP:9090/readyz"
}
relay2_ready() {
	curl -fsS -m 1 -o /dev/null "http://$NODE2_IP:9090/readyz"
}
relay_certificate() { # PART ADDRESS
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj "/CN=pf.cpm.test" -addext "subjectAltName=IP:$2" \
		-keyout "$CONF/$1.key" -out "$CONF/$1.pem" 2> "$LOG/openssl.log" ||
		{ cat "$LOG/openssl.log" >&2; return 1; }
}

# PostgreSQL for the store, where LAB_STORE asks for it: a cluster of the lab's own
# on a Unix socket in $PG_DIR, which its user can reach wherever the lab is; cluster_name
# says whose it is. It keeps what was committed when a process is
# killed; only a power failure would need its fsync, which is off.
pg_start() {
	local bin user=$(id -un) as=() i
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
	[ -x "$bin/initdb" ] || { echo "lab $N: PostgreSQL is not installed (tests/deps.sh)" >&2; return 1; }
	# its programs refuse to run as root
	if [ "$(id -u)" = 0 ]; then
		user=postgres
		as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	fi
	if [ ! -s "$PG_DIR/data/PG_VERSION" ]; then
		rm -rf "$PG_DIR"
		mkdir -p "$PG_DIR" && chown "$user" "$PG_DIR" || return 1
		(cd "$PG_DIR" && "${as[@]}" "$bin/initdb" -D "$PG_DIR/data" -U cpm -A trust -E UTF8 \
			--locale=C --no-sync --no-instructions) > "$LOG/initdb.log" 2>&1 ||
			{ cat "$LOG/initdb.log" >&2; return 1; }
	fi
	rm -f "$PG_DIR/data/postmaster.pid"
	(cd "$PG_DIR" && spawn pg "${as[@]}" "$bin/postgres" -D "$PG_DIR/data" -k "$PG_DIR" \
		-c listen_addresses= -c "cluster_name=$LAB_DIR/pg" -c fsync=off -c max_connections=20 -c shared_buffers=16MB) || return 1
	# the relay makes its tables when it starts
	for ((i = 0; i < 200; i++)); do
		pg_ready && return 0
		sleep 0.05
	done
	echo "lab $N: PostgreSQL does not answer; read $LOG/pg.log" >&2
	return 1
}
pg_ready() { pg_isready -q -h "$PG_DIR" -U cpm -d postgres; }

# The gateway to legacy networks (ISF/IWF).
isf_start() {
	free_address "$ISF_IP" || return 1
	{
		preamble "$RUN/isf.ctl"
		[ -z "$LAB_ISF_CODE" ] || echo "#!define ISF_CODE $LAB_ISF_CODE"
		[ -z "$LAB_ISF_CFG_EXTRA" ] || printf '%s\n' "$LAB_ISF_CFG_EXTRA"
		echo "include_file \"$HERE/isf.cfg\""
	} > "$CONF/isf.cfg"
	kamailio_spawn isf 32
}
isf_ready() { sip_ping "$ISF_IP"; }

# The gateway's MSRP side: takes large messages (passive) and files them.
iwf_start() {
	built cpm-client || return 1
	mkdir -p "$LAB_DIR/iwf"
	spawn iwf "$CPM_BIN/cpm-client" receive --no-register --user isf --domain cpm.test \
		--local "$ISF_IP:5062" --setup passive --no-imdn --out "$LAB_DIR/iwf"
}
iwf_ready() { (: < "/dev/tcp/$ISF_IP/5062") 2> /dev/null; }

pcap_start() {
	spawn pcap tcpdump -i lo -s 0 -B 32768 -U -Z root -w "$LAB_DIR/lab.pcap" "net $NET.0/24"
}
pcap_ready() { grep -q 'listening on' "$LOG/pcap.log"; }
