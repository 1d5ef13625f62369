/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS for the MSRP endpoint: a context with a certificate of its own, made at
 * start, known to the other side by its fingerprint in the SDP (RFC 8122).
 */
#ifndef PEER_TLS_H
#define PEER_TLS_H

#include <openssl/ssl.h>

#define PEER_FINGERPRINT_MAX 208 /* "SHA-256 AB:CD:..." with NUL */

/**
 * Make a context that connects and accepts, with a fresh self-signed
 * certificate.
 *
 * @param ctx         the context; SSL_CTX_free ends it
 * @param fingerprint "SHA-256 AB:..." of the certificate
 *
 * @return 0; -EIO when OpenSSL failed
 */
int peer_tls_new(SSL_CTX **ctx, char fingerprint[PEER_FINGERPRINT_MAX]);

/**
 * Compare the certificate of the other side with an a=fingerprint value.
 *
 * @return 0 it is the one; -EPERM it is another; -ENOENT there is none;
 *         -ENOTSUP unknown hash function
 */
int peer_tls_check(SSL *ssl, const char *fingerprint);

#endif
