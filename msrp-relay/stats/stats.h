/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every statistic of the daemon, once: this table makes the struct that the
 * workers count in, the JSON of the control protocol's `stats`, the output of
 * msrp-relayctl and Prometheus' /metrics. Each worker has a struct of its own
 * and is its only writer.
 */
#ifndef RELAY_STATS_H
#define RELAY_STATS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_PREFIX "msrp_relay_"

/* X(name, kind, help). A counter only grows and its name ends in _total; a
 * gauge is what is there now. */
#define STATS_TABLE(X)                                                         \
	X(sessions, gauge, "Sessions that exist")                                  \
	X(sessions_total, counter, "Sessions created")                             \
	X(sessions_idle_total, counter, "Sessions ended by inactivity")            \
	X(legs, gauge, "Legs that exist")                                          \
	X(legs_bound_total, counter, "Legs whose peer's connection was bound")     \
	X(legs_failed_total, counter, "Legs that failed")                          \
	X(connections, gauge, "Connections that are open")                         \
	X(connections_accepted_total, counter, "Connections accepted")             \
	X(connections_opened_total, counter, "Connections opened to peers")        \
	X(connections_refused_total, counter, "Connections refused by a limit")    \
	X(connect_errors_total, counter, "Connections to peers that failed")       \
	X(tls_errors_total, counter, "TLS handshakes that failed")                 \
	X(bytes_received_total, counter, "Bytes read from MSRP connections")       \
	X(bytes_sent_total, counter, "Bytes written to MSRP connections")          \
	X(requests_received_total, counter, "MSRP requests received")              \
	X(requests_sent_total, counter, "MSRP requests sent")                      \
	X(responses_received_total, counter, "MSRP responses received")            \
	X(responses_sent_total, counter, "MSRP responses sent")                    \
	X(reports_received_total, counter, "REPORT requests received")             \
	X(reports_sent_total, counter, "REPORT requests sent")                     \
	X(messages_received_total, counter, "Complete messages received")          \
	X(messages_delivered_total, counter, "Messages acknowledged by a peer")    \
	X(messages_failed_total, counter, "Messages a peer did not take")          \
	X(refused_400_total, counter, "Requests answered 400 (malformed)")         \
	X(refused_403_total, counter, "Requests answered 403 (not allowed)")       \
	X(refused_413_total, counter, "Requests answered 413 (too large)")         \
	X(refused_415_total, counter, "Requests answered 415 (media type)")        \
	X(refused_481_total, counter, "Requests answered 481 (unknown session)")   \
	X(refused_501_total, counter, "Requests answered 501 (unknown method)")    \
	X(refused_506_total, counter, "Requests answered 506 (session in use)")    \
	X(parse_errors_total, counter, "Connections closed for malformed MSRP")    \
	X(timeouts_total, counter, "SEND requests without a response in time")     \
	X(paused_total, counter, "Times a sender was stopped for a slow peer")     \
	X(queued_bytes, gauge, "Bytes held for peers")

#define STATS_FIELD(name, kind, help) uint64_t name;
struct stats
{
	STATS_TABLE(STATS_FIELD)
};
#undef STATS_FIELD

/* The owner counts, any thread reads. */
#define stats_add(s, field, n)                                                 \
	__atomic_store_n(&(s)->field, (s)->field + (uint64_t)(n), __ATOMIC_RELAXED)
#define stats_sub(s, field, n)                                                 \
	__atomic_store_n(&(s)->field, (s)->field - (uint64_t)(n), __ATOMIC_RELAXED)
#define stats_inc(s, field) stats_add(s, field, 1)
#define stats_dec(s, field) stats_sub(s, field, 1)

/* What belongs to the process and not to a worker. */
struct stats_process
{
	const char *version;
	uint64_t start_time;     /* seconds since the epoch */
	uint64_t resident_bytes; /* 0 = unknown */
	uint64_t cpu_us;         /* user and system */
	uint64_t open_fds;       /* 0 = unknown */
	uint64_t control_clients;
	int draining; /* 1 = no new sessions */
};

/* Add what `one` has counted to `sum`; `one` may be counting meanwhile. */
void stats_sum(struct stats *sum, const struct stats *one);

/* All of them as one object, names without the prefix; NULL = no memory. */
json_t *stats_json(const struct stats *s, const struct stats_process *p);

/**
 * All of them in Prometheus' text format 0.0.4.
 *
 * @param n  length, filled on success only
 * @return the text, NUL behind it, to be freed with free(); NULL = no memory
 */
char *stats_prometheus(
		const struct stats *s, const struct stats_process *p, size_t *n);

#endif
