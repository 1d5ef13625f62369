/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS contexts and certificate fingerprints for the MSRP endpoint. Called by
 * peer_conn.c and the client. RFC 4975 section 14, RFC 8122.
 */
#include "peer_tls.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CERT_LIFE (24L * 3600) /* seconds */

/* "SHA-256 AB:CD:..." of a certificate. */
static int fingerprint_of(const X509 *cert, const char *hash, const EVP_MD *md,
		char out[PEER_FINGERPRINT_MAX])
{
	unsigned char d[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t len;

	if(!X509_digest(cert, md, d, &n))
		return -EIO;
	len = (size_t)snprintf(out, PEER_FINGERPRINT_MAX, "%s ", hash);
	if(len + 3 * (size_t)n >= PEER_FINGERPRINT_MAX)
		return -ENOTSUP;
	for(unsigned i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, PEER_FINGERPRINT_MAX - len, "%s%02X",
				i ? ":" : "", d[i]);
	return 0;
}

static X509 *cert_make(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if(!cert)
		return NULL;
	name = X509_get_subject_name(cert);
	if(X509_set_version(cert, 2)
			&& ASN1_INTEGER_set(X509_get_serialNumber(cert), 1)
			&& X509_gmtime_adj(X509_getm_notBefore(cert), -300)
			&& X509_gmtime_adj(X509_getm_notAfter(cert), CERT_LIFE)
			&& X509_set_pubkey(cert, key)
			&& X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					(const unsigned char *)"cpm-client", -1, -1, 0)
			&& X509_set_issuer_name(cert, name)
			&& X509_sign(cert, key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

/* The other side is known by its fingerprint, not by a certificate chain. */
static int verify_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

int peer_tls_new(SSL_CTX **ctx, char fingerprint[PEER_FINGERPRINT_MAX])
{
	SSL_CTX *c = SSL_CTX_new(TLS_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? cert_make(key) : NULL;
	int rc = -EIO;

	if(c && cert && SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION)
			&& SSL_CTX_use_certificate(c, cert)
			&& SSL_CTX_use_PrivateKey(c, key))
		rc = fingerprint_of(cert, "SHA-256", EVP_sha256(), fingerprint);
	if(rc == 0) {
		SSL_CTX_set_mode(c,
				SSL_MODE_ENABLE_PARTIAL_WRITE
						| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_verify(c, SSL_VERIFY_PEER, verify_any);
		*ctx = c;
	} else {
		SSL_CTX_free(c);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

int peer_tls_check(SSL *ssl, const char *fingerprint)
{
	static const struct
	{
		const char *name;
		const EVP_MD *(*md)(void);
	} hashes[] = {{"SHA-1", EVP_sha1}, {"SHA-256", EVP_sha256},
			{"SHA-384", EVP_sha384}, {"SHA-512", EVP_sha512}};
	char own[PEER_FINGERPRINT_MAX];
	X509 *cert = SSL_get1_peer_certificate(ssl);
	int rc = -ENOTSUP;

	if(!cert)
		return -ENOENT;
	for(size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		size_t n = strlen(hashes[i].name);
		if(strncasecmp(fingerprint, hashes[i].name, n) != 0
				|| fingerprint[n] != ' ')
			continue;
		rc = fingerprint_of(cert, hashes[i].name, hashes[i].md(), own);
		if(rc == 0 && strcasecmp(own, fingerprint) != 0)
			rc = -EPERM;
		break;
	}
	X509_free(cert);
	return rc;
}
