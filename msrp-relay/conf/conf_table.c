/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of all options of msrp-relay.conf, in the order in which they are
 * documented and printed.
 */
#include "conf.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY_S UINT64_C(86400)

#define AT(field) offsetof(struct conf, field)

static const char *const targets[] = {"stderr", "syslog", NULL};
static const char *const levels[] = {
		"error", "warning", "notice", "info", "debug", NULL};

/* In the order of enum store_backend. */
static const char *const stores[] = {"none", "sqlite", "postgresql", NULL};

const struct conf_option conf_options[] = {
		{"listen_address", CONF_ADDRESS, AT(relay.listen_host), "127.0.0.1", 0,
				0, NULL, "address for MSRP connections"},
		{"advertise_address", CONF_STRING, AT(relay.advertise_host), "", 0, 0,
				NULL,
				"host in our MSRP URIs; needed when listening on 0.0.0.0 or "
				"::"},
		{"listen_port", CONF_INT, AT(relay.listen_port), "2855", 1, 65535, NULL,
				"TCP port of the first worker; each further one has the next"},
		{"workers", CONF_INT, AT(relay.workers), "2", 1, 64, NULL,
				"threads that carry MSRP"},
		{"max_sessions", CONF_INT, AT(relay.max_sessions), "8000", 1, 10000000,
				NULL, "most sessions at a time; more get error -32003"},
		{"max_connections", CONF_INT, AT(relay.max_connections), "16000", 2,
				10000000, NULL, "most MSRP connections at a time"},
		{"max_message_bytes", CONF_SIZE, AT(relay.max_message_bytes), "100MiB",
				1, 1024 * GIB, NULL, "largest message; more gets 413"},
		{"chunk_bytes", CONF_SIZE, AT(relay.chunk_bytes), "0", 0, GIB, NULL,
				"largest chunk sent; 0 = as received"},
		{"leg_buffer_bytes", CONF_SIZE, AT(relay.leg_buffer_bytes), "256KiB",
				16 * KIB, 64 * MIB, NULL,
				"bytes queued to a slow peer before the sender is stopped"},
		{"spool_dir", CONF_STRING, AT(relay.spool_dir), "/var/spool/msrp-relay",
				0, 0, NULL,
				"where kept messages go that are large; empty = nowhere"},
		{"spool_memory", CONF_SIZE, AT(relay.spool_memory), "256KiB", 64 * KIB,
				64 * MIB, NULL, "bytes of a kept message that stay in memory"},
		{"spool_max_memory", CONF_SIZE, AT(relay.spool_max_memory), "256MiB",
				MIB, 1024 * GIB, NULL,
				"bytes of all kept messages in memory; more go to disk"},
		{"spool_max_bytes", CONF_SIZE, AT(relay.spool_max_bytes), "10GiB", MIB,
				1024 * 1024 * GIB, NULL,
				"bytes in spool_dir at a time; more get 413"},
		{"store", CONF_CHOICE, AT(store.backend), "sqlite", 0, 0, stores,
				"none, sqlite or postgresql: where deferred messages are"},
		{"store_dir", CONF_STRING, AT(store.dir), "/var/spool/msrp-relay/store",
				0, 0, NULL, "directory of the store sqlite"},
		{"store_url", CONF_STRING, AT(store.url), "", 0, 0, NULL,
				"connection string or URI of the store postgresql"},
		{"store_node", CONF_STRING, AT(store.node), "", 0, 0, NULL,
				"our name among the nodes of one database; empty = host name"},
		{"store_inline_bytes", CONF_SIZE, AT(store.inline_bytes), "64KiB", KIB,
				256 * KIB, NULL,
				"larger contents are files of their own, or rows in pieces"},
		{"store_timeout", CONF_DURATION, AT(store.statement_ms), "10s", SECOND,
				10 * 60 * SECOND, NULL,
				"longest statement in the store postgresql"},
		{"defer_user_messages", CONF_INT, AT(store.user_messages), "1000", 0,
				10000000, NULL, "messages stored for one user; 0 = no limit"},
		{"defer_user_bytes", CONF_SIZE, AT(store.user_bytes), "1GiB", 0,
				1024 * 1024 * GIB, NULL,
				"bytes of content stored for one user; 0 = no limit"},
		{"defer_max_bytes", CONF_SIZE, AT(store.max_bytes), "100GiB", 0,
				1024 * 1024 * GIB, NULL,
				"bytes of content in the store; 0 = no limit"},
		{"defer_min_free", CONF_SIZE, AT(store.min_free), "1GiB", 0,
				1024 * 1024 * GIB, NULL,
				"bytes that stay free on the disk of store_dir"},
		{"defer_lifetime", CONF_LIFETIME, AT(store.lifetime_s), "7d", 1,
				3650 * DAY_S, NULL,
				"lifetime of a message whose sender names none"},
		{"defer_lifetime_max", CONF_LIFETIME, AT(store.lifetime_max_s), "30d",
				1, 3650 * DAY_S, NULL,
				"longest lifetime, whatever the sender names"},
		{"inactivity_timeout", CONF_DURATION, AT(relay.inactivity_ms), "1min",
				SECOND, 24 * HOUR, NULL,
				"a silent session is closed after this"},
		{"transaction_timeout", CONF_DURATION, AT(relay.transaction_ms), "30s",
				100, HOUR, NULL, "a SEND without a response counts as 408"},
		{"connect_timeout", CONF_DURATION, AT(relay.connect_ms), "5s", 100,
				10 * 60 * SECOND, NULL, "time to reach a peer, TLS included"},
		{"bind_timeout", CONF_DURATION, AT(relay.bind_ms), "10s", 100,
				10 * 60 * SECOND, NULL,
				"a connection without a valid request is closed after this"},
		{"drain_timeout", CONF_DURATION, AT(relay.drain_ms), "30s", 0,
				24 * HOUR, NULL,
				"sessions may go on for so long after SIGTERM"},
		{"tls_port", CONF_INT, AT(relay.tls_port), "0", 0, 65535, NULL,
				"TLS port of the first worker, as listen_port; 0 = no TLS"},
		{"tls_certificate", CONF_STRING, AT(relay.tls_cert), "", 0, 0, NULL,
				"PEM file, own certificate first, then the chain"},
		{"tls_key", CONF_STRING, AT(relay.tls_key), "", 0, 0, NULL,
				"PEM file of the private key"},
		{"tls_ca", CONF_STRING, AT(relay.tls_ca), "", 0, 0, NULL,
				"PEM file of the authorities that peers are checked against"},
		{"tls_verify", CONF_BOOL, AT(relay.tls_verify), "no", 0, 0, NULL,
				"refuse peers whose certificate tls_ca does not cover"},
		{"control_socket", CONF_STRING, AT(control_socket),
				"/run/msrp-relay/control.sock", 0, 0, NULL,
				"Unix socket of the control protocol"},
		{"control_users", CONF_STRING, AT(control_users), "", 0, 0, NULL,
				"users that may connect, beside root and our own; a,b"},
		{"control_groups", CONF_STRING, AT(control_groups), "", 0, 0, NULL,
				"groups whose members may connect; the first owns the socket"},
		{"control_clients", CONF_INT, AT(control_clients), "64", 1, 65535, NULL,
				"most control connections at a time"},
		{"http_address", CONF_ADDRESS, AT(http_address), "127.0.0.1", 0, 0,
				NULL, "address of /metrics, /healthz and /readyz"},
		{"http_port", CONF_INT, AT(http_port), "9090", 0, 65535, NULL,
				"port of /metrics, /healthz and /readyz; 0 = none"},
		{"log_target", CONF_CHOICE, AT(log_target), "stderr", 0, 0, targets,
				"stderr (the journal, under systemd) or syslog"},
		{"log_level", CONF_CHOICE, AT(log_level), "notice", 0, 0, levels,
				"error, warning, notice, info or debug"},
};

const size_t conf_n_options = sizeof(conf_options) / sizeof(conf_options[0]);

_Static_assert(sizeof(conf_options) / sizeof(conf_options[0]) <= 64,
		"conf.c remembers the options given in 64 bits");
