/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one table of counters: each worker counts into its own struct stats with
 * plain increments, readers sum them (relay_stats_sum) and render the table
 * for the control protocol and for Prometheus, where every name gets the
 * prefix msrp_relay_.
 */
#ifndef MSRP_STATS_H
#define MSRP_STATS_H

#include <stdint.h>

/* STAT(name, counter|gauge, help) */
#define STATS_TABLE(STAT)                                                      \
	STAT(sessions, gauge, "sessions that exist")                               \
	STAT(sessions_total, counter, "sessions created")                          \
	STAT(sessions_idle_total, counter, "sessions ended by inactivity")         \
	STAT(legs, gauge, "legs that exist")                                       \
	STAT(legs_bound_total, counter, "legs whose connection was bound")         \
	STAT(legs_failed_total, counter, "legs that failed")                       \
	STAT(connections, gauge, "TCP and TLS connections")                        \
	STAT(connections_accepted_total, counter, "connections accepted")          \
	STAT(connections_opened_total, counter, "connections opened")              \
	STAT(connections_failed_total, counter, "connections that failed")         \
	STAT(connections_refused_total, counter,                                   \
			"connections closed at once, max_connections reached")             \
	STAT(connections_unbound_total, counter,                                   \
			"connections closed without a valid first request")                \
	STAT(tls_failed_total, counter, "TLS handshakes that failed")              \
	STAT(received_bytes_total, counter, "bytes read from connections")         \
	STAT(sent_bytes_total, counter, "bytes written to connections")            \
	STAT(sends_received_total, counter, "SEND requests received")              \
	STAT(sends_sent_total, counter, "SEND requests sent")                      \
	STAT(reports_received_total, counter, "REPORT requests received")          \
	STAT(reports_sent_total, counter, "REPORT requests sent")                  \
	STAT(responses_received_total, counter, "responses received")              \
	STAT(responses_sent_total, counter, "responses sent")                      \
	STAT(messages_received_total, counter,                                     \
			"messages whose last chunk was received")                          \
	STAT(messages_delivered_total, counter,                                    \
			"messages acknowledged whole by a peer, one for each leg")         \
	STAT(messages_failed_total, counter,                                       \
			"messages that a leg did not deliver, one for each leg")           \
	STAT(messages_aborted_total, counter,                                      \
			"messages that their sender gave up or lost")                      \
	STAT(messages_deferred_total, counter,                                     \
			"messages stored because no leg took them")                        \
	STAT(content_bytes_total, counter, "content bytes received")               \
	STAT(malformed_total, counter, "connections closed by a framing error")    \
	STAT(rejected_400_total, counter, "requests answered 400")                 \
	STAT(rejected_403_total, counter, "requests answered 403")                 \
	STAT(rejected_408_total, counter, "requests answered 408")                 \
	STAT(rejected_413_total, counter, "requests answered 413")                 \
	STAT(rejected_415_total, counter, "requests answered 415")                 \
	STAT(rejected_481_total, counter, "requests answered 481")                 \
	STAT(rejected_501_total, counter, "requests answered 501")                 \
	STAT(rejected_506_total, counter, "requests answered 506")                 \
	STAT(rejected_other_total, counter, "requests answered otherwise")         \
	STAT(transaction_timeouts_total, counter, "SENDs without a response")      \
	STAT(reader_stops_total, counter,                                          \
			"times a reader was stopped for a slower writer")                  \
	STAT(buffer_bytes, gauge, "bytes of message buffers")                      \
	STAT(spool_memory_bytes, gauge, "of them, those of kept messages")         \
	STAT(spool_files, gauge, "kept messages that are on disk")                 \
	STAT(spool_bytes, gauge, "bytes of them on disk")                          \
	STAT(spool_written_bytes_total, counter, "bytes written to the spool")     \
	STAT(spool_reads_total, counter, "blocks read from the spool")             \
	STAT(spool_read_bytes_total, counter, "bytes read from the spool")         \
	STAT(spool_errors_total, counter, "writes and reads that failed")

struct stats
{
#define STATS_FIELD(name, type, help) uint64_t name;
	STATS_TABLE(STATS_FIELD)
#undef STATS_FIELD
};

/* The owning thread counts, any thread may read meanwhile: a relaxed store
 * costs what a plain one does. */
#define stat_put(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define stat_add(s, name, n) stat_put(&(s)->name, (s)->name + (uint64_t)(n))
#define stat_sub(s, name, n) stat_put(&(s)->name, (s)->name - (uint64_t)(n))

#endif
