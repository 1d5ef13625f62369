/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SDP of a large message: one MSRP media line (RFC 4975 section 8, RFC
 * 6135, RFC 6714, OMA CPM 7.2.1.2 #19). Pure.
 */
#ifndef CL_SDP_H
#define CL_SDP_H

#include "slice.h"

#define CL_SDP_PATH 1024 /* bytes of a path, with NUL */

enum cl_setup
{
	CL_SETUP_NONE,
	CL_SETUP_ACTPASS,
	CL_SETUP_ACTIVE,
	CL_SETUP_PASSIVE,
	CL_SETUP_HOLDCONN
};

/* One MSRP media description. */
struct cl_sdp
{
	char host[128]; /* c=; numeric address */
	int port;       /* m=; 9 when active only, 0 when refused */
	bool tls;       /* TCP/TLS/MSRP */
	char direction; /* 's'endonly, 'r'ecvonly, 'b'oth, 'i'nactive */
	enum cl_setup setup;
	bool cema;
	char path[CL_SDP_PATH];
	char accept_types[256], accept_wrapped[256]; /* blank-separated */
	uint64_t file_size;  /* a=file-selector size; 0 = none */
	uint64_t max_size;   /* a=max-size; 0 = none */
	uint64_t chunk_size; /* of the attribute named by chunk_attr; 0 = none */
	char fingerprint[210];
};

/**
 * Write a session description.
 *
 * @param session    o= session id and version
 * @param chunk_attr name of the attribute for chunk_size; NULL = none
 *
 * @return text to be freed
 */
char *cl_sdp_write(
		const struct cl_sdp *s, uint64_t session, const char *chunk_attr);

/**
 * Read the first MSRP media description.
 *
 * @return 0; -EBADMSG no usable MSRP media line; -ENOENT no path
 */
int cl_sdp_parse(struct slice in, const char *chunk_attr, struct cl_sdp *out);

/** "actpass" and so on; CL_SETUP_NONE for anything unknown. */
enum cl_setup cl_setup_of(struct slice name);

/** The answerer's role for an offered setup (RFC 6135 section 4.2). */
enum cl_setup cl_setup_answer(enum cl_setup offer, enum cl_setup wanted);

/** Where to connect: c=/m= under CEMA (RFC 6714), else the path's first URI.
 * @return false when there is no port to connect to */
bool cl_sdp_target(
		const struct cl_sdp *s, bool cema, char *host, size_t cap, int *port);

#endif
