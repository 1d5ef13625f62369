/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPIM wrappers as the client writes and reads them (RFC 3862, RFC 5438, OMA
 * CPM 7.2.1.3). Pure; shares nothing with the module's CPIM code.
 */
#ifndef CL_CPIM_H
#define CL_CPIM_H

#include "slice.h"

#define CL_CPIM_HEADERS 48 /* of both header blocks together */

#define CL_NS_IMDN "urn:ietf:params:imdn"
#define CL_NS_CPM "http://www.openmobilealliance.org/cpm/"

/* What goes into a wrapper; NULL leaves a header out. */
struct cl_cpim_out
{
	const char *from, *to; /* addresses, without <> */
	const char *datetime;  /* RFC 3339 */
	const char *subject;
	const char *message_id;    /* imdn.Message-ID */
	const char *disposition;   /* imdn.Disposition-Notification */
	const char *payload_types; /* cpm.Payload-Type */
	const char *imdn_route;    /* imdn.IMDN-Route */
	const char *content_type;
	const char *content_disposition;
};

/**
 * The wrapper's headers up to where the payload starts.
 *
 * @param payload_bytes for Content-Length
 *
 * @return text to be freed, length in *len
 */
char *cl_cpim_head(
		const struct cl_cpim_out *in, size_t payload_bytes, size_t *len);

struct cl_cpim_header
{
	struct slice ns;   /* namespace URN that the prefix stands for; or empty */
	struct slice name; /* without prefix */
	struct slice raw;  /* name with prefix, as it came */
	struct slice value;
	bool mime; /* of the payload's own header block */
};

struct cl_cpim
{
	struct cl_cpim_header h[CL_CPIM_HEADERS];
	int n;
	struct slice content; /* the payload */
};

/**
 * Parse a wrapper; slices point into in.
 *
 * @return 0; -EBADMSG no headers or no payload; -E2BIG too many headers
 */
int cl_cpim_parse(struct slice in, struct cl_cpim *out);

/** First value of a header; ns "" for those of CPIM itself. Empty: none. */
struct slice cl_cpim_get(
		const struct cl_cpim *c, const char *ns, const char *name);

/** First value of a header of the payload (Content-Type, ...). */
struct slice cl_cpim_mime(const struct cl_cpim *c, const char *name);

/** The address in "Name <uri>" or "<uri>"; the trimmed value without <>. */
struct slice cl_address(struct slice value);

/** True when a comma-separated list holds the token, whatever its case. */
bool cl_list_has(struct slice list, const char *token);

#endif
