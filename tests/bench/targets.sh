# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the benchmarks measure: each target T has T_up, T_down and T_pids (its
# processes, comma separated). All run as plain processes with one worker each
# on 127.20.$N.x, state below $DIR. Sourced by bench.sh.

NET=127.20.$N
GEN=$NET.100 SINK=$NET.101
SINK_PORT=4000 SINK_TLS_PORT=4001

# A process and its descendants, comma separated.
tree() {
	local p list=$1
	for p in $(pgrep -P "$1"); do
		list+=,$(tree "$p")
	done
	echo "$list"
}

wait_port() { # host port
	local i
	for ((i = 0; i < 100; i++)); do
		(exec 7<> "/dev/tcp/$1/$2") 2> /dev/null && return 0
		sleep 0.05
	done
	echo "bench: nobody listens on $1:$2" >&2
	return 1
}

# Ends the process whose number is in the file, and waits for it.
end() {
	local pid i
	pid=$(cat "$1" 2> /dev/null) || return 0
	kill "$pid" 2> /dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.05
	done
	kill -KILL "$pid" 2> /dev/null
	rm -f "$1"
}

certificate() {
	[ -s "$DIR/tls.pem" ] && return 0
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=bench" \
		-keyout "$DIR/tls.key" -out "$DIR/tls.crt" 2> /dev/null
	cat "$DIR/tls.crt" "$DIR/tls.key" > "$DIR/tls.pem"
}

haproxy_up() {
	cat > "$DIR/haproxy.cfg" <<-END
	global
	    maxconn 9500
	    nbthread 1
	defaults
	    mode tcp
	    timeout connect 5s
	    timeout client 300s
	    timeout server 300s
	    maxconn 9000
	    option tcp-smart-accept
	listen plain
	    bind $NET.61:5000
	    server sink $SINK:$SINK_PORT
	listen tls
	    bind $NET.61:5443 ssl crt $DIR/tls.pem
	    server sink $SINK:$SINK_TLS_PORT ssl verify none
	END
	haproxy -f "$DIR/haproxy.cfg" -db >> "$DIR/haproxy.log" 2>&1 &
	echo $! > "$DIR/haproxy.pid"
	wait_port $NET.61 5000
}
haproxy_down() { end "$DIR/haproxy.pid"; }
haproxy_pids() { tree "$(cat "$DIR/haproxy.pid")"; }
haproxy_args() { echo "--via $NET.61:$([ "${1-}" = tls ] && echo 5443 || echo 5000)"; }

nginx_up() {
	cat > "$DIR/nginx.conf" <<-END
	load_module /usr/lib/nginx/modules/ngx_stream_module.so;
	daemon off;
	worker_processes 1;
	worker_rlimit_nofile 20000;
	pid $DIR/nginx-own.pid;
	error_log $DIR/nginx.log error;
	events { worker_connections 19000; }
	stream {
	    proxy_timeout 300s;
	    server {
	        listen $NET.62:5000;
	        proxy_pass $SINK:$SINK_PORT;
	    }
	    server {
	        listen $NET.62:5443 ssl;
	        ssl_certificate $DIR/tls.crt;
	        ssl_certificate_key $DIR/tls.key;
	        proxy_ssl on;
	        proxy_pass $SINK:$SINK_TLS_PORT;
	    }
	}
	END
	nginx -c "$DIR/nginx.conf" -e "$DIR/nginx.log" >> "$DIR/nginx.log" 2>&1 &
	echo $! > "$DIR/nginx.pid"
	wait_port $NET.62 5000
}
nginx_down() { end "$DIR/nginx.pid"; }
nginx_pids() { tree "$(cat "$DIR/nginx.pid")"; }
nginx_args() { echo "--via $NET.62:$([ "${1-}" = tls ] && echo 5443 || echo 5000)"; }

relay_up() {
	rm -rf "$DIR/store"
	cat > "$DIR/relay.conf" <<-END
	listen_address = $NET.63
	listen_port = 2855
	tls_port = 2955
	tls_certificate = $DIR/tls.crt
	tls_key = $DIR/tls.key
	workers = 1
	max_message_bytes = 4GiB
	spool_dir = $DIR/spool
	spool_max_bytes = 100GiB
	store_dir = $DIR/store
	control_socket = $DIR/relay.sock
	http_port = 0
	log_level = warning
	END
	"$CPM_BIN/msrp-relay" -f -c "$DIR/relay.conf" >> "$DIR/relay.log" 2>&1 &
	echo $! > "$DIR/relay.pid"
	wait_port $NET.63 2855
}
relay_down() { end "$DIR/relay.pid"; }
relay_pids() { tree "$(cat "$DIR/relay.pid")"; }
relay_args() { echo "--control $DIR/relay.sock"; }

direct_up() { :; }
direct_down() { :; }
direct_pids() { :; }
direct_args() { :; }

# Measure how long the workers of a Kamailio are busy with one datagram: what to
# preload, with an empty file for it to write to. Only where BUSY is set.
gap_new() { # target
	[ -n "${BUSY:-}" ] || return 0
	rm -f "$DIR/$1.gap"
	truncate -s 4096 "$DIR/$1.gap"
	echo "$CPM_BIN/gap.so"
}
gap_args() { [ -z "${BUSY:-}" ] || echo "--gap $DIR/$1.gap"; }

# A stock Kamailio, and the project's own in a lab whose core is sip-load; both
# with the memory manager $ALLOC (Kamailio's option -x).
ALLOC=fm
stock_up() {
	mkdir -p "$DIR/stock"
	{
		echo '#!KAMAILIO'
		printf '#!substdef "!STOCK_IP!%s!g"\n' $NET.64
		cat "$HERE/stock.cfg"
	} > "$DIR/stock.cfg"
	LD_PRELOAD=$(gap_new stock) GAP_FILE=$DIR/stock.gap \
		kamailio -f "$DIR/stock.cfg" -P "$DIR/stock-own.pid" -Y "$DIR/stock" \
		-x $ALLOC -m 1024 -M 16 -DD -E ${BUSY:+-A LISTS} >> "$DIR/stock.log" 2>&1 &
	echo $! > "$DIR/stock.pid"
	sleep 2
}
stock_down() { end "$DIR/stock.pid"; }
stock_pids() { tree "$(cat "$DIR/stock.pid")"; }
stock_args() { echo "--target $NET.64:5060"; }

LAB="$ROOT/tests/lab/lab $N"
cpm_up() {
	export LAB_DIR="$DIR/lab" LAB_WITHOUT=${1-core isf xdms store} LAB_CPM_CHILDREN=4 LAB_CPM_SHM=1024 LAB_KAMAILIO_ALLOC=$ALLOC
	export LAB_MAX_RECIPIENTS=1000
	# pager messages need no relay
	[ -x "$CPM_BIN/msrp-relay" ] || LAB_WITHOUT+=" relay"
	LD_PRELOAD=$(gap_new cpm) GAP_FILE=$DIR/cpm.gap \
		$LAB up >> "$DIR/lab.log" 2>&1 || { tail -n 20 "$DIR/lab.log" >&2; return 1; }
}
cpm_down() { [ ! -d "$DIR/lab" ] || LAB_DIR="$DIR/lab" $LAB down >> "$DIR/lab.log" 2>&1; }
cpm_pids() { tree "$(cat "$DIR/lab/run/cpm.pid")"; }
cpm_args() { echo "--target $NET.20:5060 --rewritten"; }

# The whole lab with its core, and fresh memory: for legs.sh.
legs_up() { cpm_up isf; }
legs_down() { cpm_down; }
