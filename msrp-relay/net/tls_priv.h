/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shared by tls.c (one connection) and tls_ctx.c (the relay's identity) only.
 */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <uv.h>

#include "net/tls.h"

struct tls_ctx
{
	uv_mutex_t lock; /* of what follows; held for moments only */
	SSL_CTX *server, *client;
	char fingerprint[TLS_FINGERPRINT_MAX];
	char *cert, *key, *ca; /* constant */
	bool verify;
};

void tls_fingerprint_of(const X509 *cert, char out[TLS_FINGERPRINT_MAX]);

#endif
