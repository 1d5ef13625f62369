/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay's TLS identity: certificate, key, authorities and the checks that
 * peers must pass; read at start and again on reload from the main thread,
 * used by all workers. RFC 4975 section 14.1, RFC 8122 (fingerprints).
 */
#include "net/tls_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "net/buf.h"

/* Without an authority the certificate is only wanted for its fingerprint. */
static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static void log_reason(const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	log_error("tls: %s %s: %s", what, file, text);
}

static SSL_CTX *context_make(const struct tls_ctx *t, bool server)
{
	SSL_CTX *ctx =
			SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if(ctx == NULL)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx,
			SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
					| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(
			ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Every session is new: nothing to resume, nothing to keep. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	if(SSL_CTX_use_certificate_chain_file(ctx, t->cert) != 1) {
		log_reason("certificate", t->cert);
		goto fail;
	}
	if(SSL_CTX_use_PrivateKey_file(ctx, t->key, SSL_FILETYPE_PEM) != 1
			|| SSL_CTX_check_private_key(ctx) != 1) {
		log_reason("key", t->key);
		goto fail;
	}
	if(t->ca && SSL_CTX_load_verify_locations(ctx, t->ca, NULL) != 1) {
		log_reason("authorities", t->ca);
		goto fail;
	}
	if(t->verify)
		SSL_CTX_set_verify(
				ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

void tls_fingerprint_of(const X509 *cert, char out[TLS_FINGERPRINT_MAX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t at;

	if(X509_digest(cert, EVP_sha256(), md, &n) != 1)
		n = 0;
	at = (size_t)snprintf(out, TLS_FINGERPRINT_MAX, "SHA-256 ");
	for(unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, TLS_FINGERPRINT_MAX - at,
				i ? ":%02X" : "%02X", md[i]);
}

int tls_ctx_reload(struct tls_ctx *t)
{
	SSL_CTX *server = context_make(t, true);
	SSL_CTX *client = server ? context_make(t, false) : NULL;
	SSL_CTX *old_server, *old_client;

	if(client == NULL) {
		SSL_CTX_free(server);
		return -EINVAL;
	}
	uv_mutex_lock(&t->lock);
	old_server = t->server;
	old_client = t->client;
	t->server = server;
	t->client = client;
	tls_fingerprint_of(SSL_CTX_get0_certificate(server), t->fingerprint);
	uv_mutex_unlock(&t->lock);
	SSL_CTX_free(old_server);
	SSL_CTX_free(old_client);
	return 0;
}

int tls_ctx_new(struct tls_ctx **out, const char *cert, const char *key,
		const char *ca, bool verify)
{
	struct tls_ctx *t;

	if(cert == NULL || key == NULL || (verify && ca == NULL)) {
		log_error("tls: certificate, key%s must be configured",
				verify ? " and authorities" : "");
		return -EINVAL;
	}
	t = xcalloc(sizeof(*t));
	t->cert = xstrndup(cert, strlen(cert));
	t->key = xstrndup(key, strlen(key));
	t->ca = ca ? xstrndup(ca, strlen(ca)) : NULL;
	t->verify = verify;
	uv_mutex_init(&t->lock);
	if(tls_ctx_reload(t) != 0) {
		tls_ctx_free(&t);
		return -EINVAL;
	}
	*out = t;
	return 0;
}

void tls_ctx_fingerprint(struct tls_ctx *t, char out[TLS_FINGERPRINT_MAX])
{
	uv_mutex_lock(&t->lock);
	memcpy(out, t->fingerprint, TLS_FINGERPRINT_MAX);
	uv_mutex_unlock(&t->lock);
}

void tls_ctx_free(struct tls_ctx **tp)
{
	struct tls_ctx *t = *tp;

	*tp = NULL;
	if(t == NULL)
		return;
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	uv_mutex_destroy(&t->lock);
	free(t->cert);
	free(t->key);
	free(t->ca);
	free(t);
}
