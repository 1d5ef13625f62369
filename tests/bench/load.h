/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-load: MSRP load generator and sink for measuring a relay or a TCP proxy.
 * One generator thread writes prepared frames, one sink thread takes them in,
 * compares every byte with what must be there and answers. Shares no code with
 * the relay, so that a fault of one is not hidden by the other.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 1100     /* longest a=path we handle, with NUL */
#define READ_BYTES 262144   /* one read */
#define MID_BYTES 16        /* Message-ID: 8 digits session, 8 digits message */
#define TID_BYTES 12        /* our transaction ids */
#define FRAME_HEAD_MAX 2600 /* header of one of our frames */
#define PIDS_MAX 64

struct slice_b
{
	const char *p;
	size_t n;
};

/* Faults that the generator makes on purpose, to show that the sink finds them.
 * In the first session's first message, of chunks up to SMALL_CHUNK bytes. */
enum load_spoil
{
	SPOIL_NONE,
	SPOIL_FLIP,   /* one bit of the content */
	SPOIL_LOSE,   /* the second chunk is not sent */
	SPOIL_REPEAT, /* the second chunk is sent twice */
	SPOIL_SHORT   /* the first chunk claims to be the last */
};
/* Up to here frames are copied and sent in batches. */
#define SMALL_CHUNK 32768

/* What one run does; filled from the command line. */
struct load_opts
{
	uint32_t sessions;
	uint32_t count;  /* messages of each session */
	uint32_t legs;   /* recipients of each session; not 1 only with a relay */
	uint64_t size;   /* payload bytes behind the CPIM header */
	uint64_t chunk;  /* content bytes in a chunk; 0 = whole message */
	uint32_t window; /* chunks in flight of one session */
	double rate;     /* messages per second of all sessions; 0 = closed loop */
	bool report;     /* ask for success reports */
	bool defer;      /* no recipient: the relay is to store them */
	bool tls_in, tls_out; /* generator side, sink side */
	const char *gen_host; /* our address as sender */
	const char *sink_host;
	int sink_port;
	const char *via_host; /* a TCP proxy; NULL = straight to the sink */
	int via_port;
	const char *control;    /* control socket of a relay; NULL = none */
	const char *cert, *key; /* PEM, for the TLS sink */
	double slow_mbs;        /* sink reads so many MB/s; 0 = as it can */
	double timeout_s;       /* without progress */
	int hold_ms;           /* sessions stay up so long after the last message */
	enum load_spoil spoil; /* self-test: what the generator does wrong */
	uint64_t spoil_at;     /* content offset for SPOIL_FLIP */
	int n_pids;
	pid_t pids[PIDS_MAX]; /* processes to measure */
};

/* Counters that the threads share. */
struct load_state
{
	const struct load_opts *o;
	_Atomic bool go, stop;
	_Atomic uint64_t progress;   /* bytes and frames, to notice a standstill */
	_Atomic uint32_t sink_bound; /* empty SENDs seen by the sink */
	_Atomic uint64_t got;        /* messages complete and intact, on each leg */
	_Atomic uint64_t got_bytes;
	_Atomic uint64_t acked;   /* 200s at the generator */
	_Atomic uint64_t reports; /* success reports at the generator */
	_Atomic uint64_t errors;
	_Atomic bool gen_done, sink_done;
	_Atomic uint64_t sink_end, gen_end; /* monotonic ns */
	uint64_t start;
	uint64_t *intended; /* [session * count + message]: when it was to go */
	uint64_t *latency;  /* likewise, result in ns; NULL = not wanted */
	_Atomic bool complained;
};

/* The recipient's own path on a leg of a session. */
void load_sink_path(const struct load_opts *o, uint32_t sess, uint32_t leg,
		char *out, size_t n);
uint64_t now_ns(void);
/* Count a fault; the first ones are told on stderr. */
void load_fault(struct load_state *st, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));

/* content.c: what message (session, seq) is made of. */
extern const size_t content_head_len;
void content_init(void);
/* The CPIM header of a message, content_head_len bytes. */
void content_head(char *out, uint32_t sess, uint32_t seq);
/* Payload from offset off (counted from the content's first byte, behind the
 * head); *n is lowered to what lies in one piece. */
const char *content_run(uint32_t sess, uint32_t seq, uint64_t off, uint64_t *n);
/* true when data is what belongs at off. */
bool content_check(
		uint32_t sess, uint32_t seq, uint64_t off, const char *data, size_t n);
void hex_put(char *out, uint64_t v, int digits);
size_t dec_put(char *out, uint64_t v);

/* io.c: a socket with or without TLS. */
struct io
{
	int fd;
	void *ssl;
};
struct iovec;
int io_tls_init(const struct load_opts *o);
int io_listen(const char *host, int port);
/* Blocking connect and handshake, then non-blocking. 0 or a negative errno. */
int io_connect(
		struct io *io, const char *from, const char *host, int port, bool tls);
int io_accept(struct io *io, int listener, bool tls);
/* Bytes, 0 at the end, -EAGAIN, or another negative errno. */
ssize_t io_read(struct io *io, void *buf, size_t n);
ssize_t io_write(struct io *io, const void *buf, size_t n);
ssize_t io_writev(struct io *io, const struct iovec *v, int n);
void io_nonblock(struct io *io);
void io_close(struct io *io);

/* rx.c: frames out of a stream. */
enum rx_kind
{
	RX_SEND,
	RX_REPORT,
	RX_RESPONSE,
	RX_OTHER
};
struct rx_frame
{
	enum rx_kind kind;
	int code; /* of a response */
	struct slice_b tid, to_path, from_path, message_id;
	uint64_t start, end, total; /* Byte-Range; UINT64_MAX = '*' */
	bool has_range, has_body, success_report, failure_no;
	int status; /* of a REPORT */
};
struct rx_ops
{
	/* Slices of the frame live until head returns. <0 ends the stream. */
	int (*head)(void *arg, const struct rx_frame *f);
	int (*body)(void *arg, const char *data, size_t n);
	int (*end)(void *arg, char flag);
};
struct rx
{
	int state;
	char tid[40];
	uint8_t tid_len;
	bool open; /* range end unknown: look for the end-line */
	uint64_t left;
	char *carry;
	uint32_t carry_len;
};
/* Take in the carry and n new bytes at buf + rx->carry_len. 0, or -EBADMSG. */
int rx_feed(struct rx *rx, char *buf, size_t n, const struct rx_ops *ops,
		void *arg);
/* Copy the carry to buf, where new bytes are to follow; its length. */
size_t rx_begin(struct rx *rx, char *buf);
void rx_free(struct rx *rx);

/* gen.c, sink.c */
struct gen;
struct sink;
/* Peer paths of a session as they stand in the SDP. */
struct load_paths
{
	char gen[PATH_BYTES];  /* the sender's own */
	char next[PATH_BYTES]; /* what the sender puts in To-Path */
	char next_host[64];    /* where the sender connects */
	int next_port;
};
int gen_start(struct gen **out, struct load_state *st,
		const struct load_paths *paths);
void gen_stop(struct gen **g);
int sink_start(struct sink **out, struct load_state *st);
void sink_stop(struct sink **s);

/* ctl.c: sessions in a relay by its control socket. */
struct ctl;
int ctl_open(struct ctl **out, const char *path);
int ctl_sessions(
		struct ctl *c, const struct load_opts *o, struct load_paths *paths);
void ctl_close(struct ctl **c, const struct load_opts *o);

/* proc.c: what other processes use. */
struct proc_use
{
	double cpu_s; /* on CPU, all threads */
	double rss_kb, pss_kb;
};
void proc_cpu_rss(const pid_t *pids, int n, struct proc_use *out);
void proc_pss(const pid_t *pids, int n, struct proc_use *out);

#endif
