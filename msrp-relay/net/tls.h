/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS for connections (msrps): OpenSSL between our own buffers, so that it
 * never touches a socket. Certificates come from files and can be read again
 * while connections are up.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct conn;
struct tls;
struct tls_ctx;

/* "SHA-256 AB:CD:.." and NUL */
#define TLS_FINGERPRINT_MAX 104

/**
 * Read certificate, key and authorities.
 *
 * @param ca     PEM file; may be NULL
 * @param verify check the peer's chain against ca
 *
 * @return 0; -EINVAL a file cannot be used (logged)
 */
int tls_ctx_new(struct tls_ctx **out, const char *cert, const char *key,
		const char *ca, bool verify);

/* Read the files again; connections that are up keep what they have. On
 * failure the old certificate stays. Any thread. */
int tls_ctx_reload(struct tls_ctx *ctx);

/* Of our certificate, as in SDP (RFC 8122); any thread. */
void tls_ctx_fingerprint(struct tls_ctx *ctx, char out[TLS_FINGERPRINT_MAX]);
void tls_ctx_free(struct tls_ctx **ctx);

/* For conn.c and conn_out.c only. */
struct tls *tls_new(struct tls_ctx *ctx, bool server);
void tls_free(struct tls **tls);

/* The connection is up: say hello (client). 0 or a negative errno. */
int tls_start(struct conn *c);

/* Ciphertext has arrived: decipher all of it and hand it on. */
int tls_received(struct conn *c, const char *p, size_t n);

/* Encipher and send. Returns bytes of iov taken, or a negative errno; sets
 * c->blocked when the socket is full. */
int tls_write(struct conn *c, const struct iovec *iov, int n);

/* Tell the peer that this is the end (close_notify), if it costs no wait. */
void tls_bye(struct conn *c);

/* Ciphertext not yet given to the socket. */
size_t tls_pending(const struct tls *tls);

/* The peer's certificate as "SHA-256 AB:..". 0 or -ENOENT. */
int tls_peer_fingerprint(const struct tls *tls, char out[TLS_FINGERPRINT_MAX]);

#endif
