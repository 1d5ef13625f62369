/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS of one connection: a BIO of our own lets OpenSSL read the ciphertext
 * where recv put it and write into a pooled buffer, so nothing is copied that
 * the cipher does not copy anyway. Called by conn.c and conn_out.c.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log/log.h"
#include "net/conn_priv.h"
#include "net/tls_priv.h"

#define RECORD_BYTES 16384 /* content of a full TLS record */

/* No more is enciphered when the buffer has less room than one record, its
 * overhead and a key update. */
#define RAW_ROOM_MIN (RECORD_BYTES + 1024)

struct tls
{
	SSL *ssl;
	const char *src; /* ciphertext that arrived; valid in tls_received only */
	size_t src_n;
	struct buf *raw; /* ciphertext to send, from raw_pos */
	size_t raw_pos;
	struct buf_pool *pool;
	bool up;
};

static int bio_read(BIO *bio, char *out, size_t n, size_t *done)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if(t->src_n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if(n > t->src_n)
		n = t->src_n;
	memcpy(out, t->src, n);
	t->src += n;
	t->src_n -= n;
	*done = n;
	return 1;
}

static int bio_write(BIO *bio, const char *p, size_t n, size_t *done)
{
	struct tls *t = BIO_get_data(bio);
	size_t room;

	BIO_clear_retry_flags(bio);
	if(t->raw == NULL)
		t->raw = buf_get(t->pool);
	room = t->raw->cap - t->raw->used;
	if(room == 0) {
		BIO_set_retry_write(bio);
		return 0;
	}
	if(n > room)
		n = room;
	memcpy(t->raw->data + t->raw->used, p, n);
	t->raw->used += (uint32_t)n;
	*done = n;
	return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static uv_once_t method_once = UV_ONCE_INIT;

static void method_make(void)
{
	method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "msrp-relay");
	if(method == NULL)
		abort();
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

struct tls *tls_new(struct tls_ctx *ctx, bool server)
{
	struct tls *t = xcalloc(sizeof(*t));
	BIO *bio;

	uv_once(&method_once, method_make);
	uv_mutex_lock(&ctx->lock);
	t->ssl = SSL_new(server ? ctx->server : ctx->client);
	uv_mutex_unlock(&ctx->lock);
	bio = t->ssl ? BIO_new(method) : NULL;
	if(bio == NULL) {
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	if(server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

void tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if(t == NULL)
		return;
	SSL_free(t->ssl);
	buf_unref(&t->raw);
	free(t);
}

size_t tls_pending(const struct tls *t)
{
	return t->raw ? t->raw->used - t->raw_pos : 0;
}

static int failed(struct conn *c)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	if(!c->tls->up)
		stat_add(c->net->stats, tls_failed_total, 1);
	log_limited(LOG_L_WARNING, "tls: %s with %s: %s",
			c->tls->up ? "broken record" : "handshake", c->addr, text);
	return -EPROTO;
}

/* The raw buffer to the socket as far as it goes. */
static int raw_send(struct conn *c)
{
	struct tls *t = c->tls;
	ssize_t n;

	if(tls_pending(t) == 0)
		return 0;
	n = send(c->fd, t->raw->data + t->raw_pos, tls_pending(t), MSG_NOSIGNAL);
	if(n < 0) {
		if(errno != EAGAIN && errno != EINTR)
			return -errno;
		n = 0;
	}
	c->written += (uint64_t)n;
	stat_add(c->net->stats, sent_bytes_total, (uint64_t)n);
	t->raw_pos += (size_t)n;
	if(tls_pending(t) > 0) {
		c->blocked = true;
		return 0;
	}
	buf_unref(&t->raw);
	t->raw_pos = 0;
	return 0;
}

static int handshake(struct conn *c)
{
	struct tls *t = c->tls;
	int rc;

	t->pool = &c->net->pool;
	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if(rc != 1) {
		int why = SSL_get_error(t->ssl, rc);
		if(why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
			raw_send(c); /* the alert */
			return failed(c);
		}
	} else {
		t->up = true;
	}
	conn_wake(c);
	if(t->up)
		conn_opened(c);
	return 0;
}

int tls_start(struct conn *c)
{
	return handshake(c);
}

int tls_received(struct conn *c, const char *p, size_t n)
{
	struct tls *t = c->tls;
	int err;

	t->src = p;
	t->src_n = n;
	if(!t->up) {
		err = handshake(c);
		if(err != 0 || !t->up)
			return err;
	}
	while(!c->closing) {
		size_t room, got = 0;
		char *to = conn_in_room(c, &room);
		ERR_clear_error();
		if(SSL_read_ex(t->ssl, to, room, &got) != 1) {
			int why = SSL_get_error(t->ssl, 0);
			if(why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
				break;
			if(why == SSL_ERROR_ZERO_RETURN) {
				conn_close(c, 0);
				return 0;
			}
			return failed(c);
		}
		c->in->used += (uint32_t)got;
		conn_in_deliver(c);
	}
	if(!c->closing) {
		t->src = NULL;
		t->src_n = 0;
	}
	return 0;
}

/* Gather up to one record's content: bytes gathered, *skip moved on. */
static size_t gather(char *to, const struct iovec **iov, int *n, size_t *skip)
{
	size_t got = 0;

	while(*n > 0 && got < RECORD_BYTES) {
		size_t k = (*iov)->iov_len - *skip;
		if(k > RECORD_BYTES - got)
			k = RECORD_BYTES - got;
		memcpy(to + got, (const char *)(*iov)->iov_base + *skip, k);
		got += k;
		*skip += k;
		if(*skip == (*iov)->iov_len) {
			(*iov)++;
			(*n)--;
			*skip = 0;
		}
	}
	return got;
}

int tls_write(struct conn *c, const struct iovec *iov, int n)
{
	struct tls *t = c->tls;
	char record[RECORD_BYTES];
	size_t skip = 0, total = 0, got, done;
	int err = raw_send(c);

	if(err != 0)
		return err;
	if(c->blocked || !t->up)
		return 0;
	while(n > 0
			&& (t->raw == NULL || t->raw->cap - t->raw->used >= RAW_ROOM_MIN)) {
		got = gather(record, &iov, &n, &skip);
		ERR_clear_error();
		if(SSL_write_ex(t->ssl, record, got, &done) != 1 || done != got)
			return failed(c);
		total += got;
	}
	err = raw_send(c);
	return err != 0 ? err : (int)total;
}

void tls_bye(struct conn *c)
{
	struct tls *t = c->tls;

	if(!t->up || tls_pending(t) > 0)
		return;
	ERR_clear_error();
	if(SSL_shutdown(t->ssl) >= 0)
		(void)!raw_send(c);
	ERR_clear_error();
}

int tls_peer_fingerprint(const struct tls *t, char out[TLS_FINGERPRINT_MAX])
{
	X509 *cert = SSL_get1_peer_certificate(t->ssl);

	if(cert == NULL)
		return -ENOENT;
	tls_fingerprint_of(cert, out);
	X509_free(cert);
	return 0;
}
