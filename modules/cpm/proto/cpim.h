/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPIM wrappers (message/cpim, RFC 3862) with the IMDN headers of RFC 5438 and
 * CPM's Payload-Type (OMA-TS-CPM_Conv_Fnct appendix C). Header names are
 * resolved through their NS declarations, so that "i.Message-ID" under
 * "NS: i <urn:ietf:params:imdn>" is known for what it is. Used by the module
 * and the relay; no allocation, slices into the caller's text.
 */
#ifndef CPM_CPIM_H
#define CPM_CPIM_H

#include "mime.h"
#include "slice.h"

#define CPIM_NS_MAX 8         /* NS declarations that we follow */
#define CPIM_HEADER_MAX 16384 /* bytes of all headers, both blocks */

#define CPIM_NS_CORE SLICE("urn:ietf:params:cpim-headers:")
#define CPIM_NS_IMDN SLICE("urn:ietf:params:imdn")
#define CPIM_NS_CPM SLICE("http://www.openmobilealliance.org/cpm/")

/* What imdn.Disposition-Notification asks for, ORed together. */
#define CPIM_DN_POSITIVE_DELIVERY 1u
#define CPIM_DN_NEGATIVE_DELIVERY 2u
#define CPIM_DN_PROCESSING 4u
#define CPIM_DN_DISPLAY 8u
#define CPIM_DN_INTERWORKING 16u

struct cpim_ns
{
	struct slice prefix; /* "" for the default namespace */
	struct slice uri;
};

/* One message header of the wrapper. */
struct cpim_hdr
{
	struct slice ns;    /* URI of its namespace; CPIM_NS_CORE's when none */
	struct slice name;  /* local name, without the prefix */
	struct slice value; /* trimmed */
	struct slice raw;   /* the whole line(s), line end included */
};

/* A wrapper. n is 0 in the slice of a header that is not there. */
struct cpim
{
	struct slice headers; /* message headers, without the empty line */
	struct slice from;    /* value: display name and <uri> */
	struct slice to;      /* the first To */
	struct slice datetime;
	struct slice subject;
	struct slice imdn_message_id;
	struct slice imdn_disposition; /* the first one as written */
	unsigned disposition;          /* CPIM_DN_*, of all such headers */
	struct slice payload_type;     /* cpm.Payload-Type */
	struct slice direction;        /* Message-Direction */
	struct slice message_uid;      /* Message-UID */
	int n_to;
	struct cpim_ns ns[CPIM_NS_MAX];
	int n_ns;
	/* the wrapped MIME entity */
	struct slice mime_headers; /* without the empty line */
	struct slice content_type; /* of the payload; "" = text/plain */
	struct slice content_disposition;
	struct slice content_id;
	bool has_content_length;
	uint64_t content_length; /* as declared */
	struct slice body;       /* the payload: all that follows its headers, cut
								to content_length when that is smaller */
	size_t body_offset;      /* of the payload in the text that was parsed */
};

/**
 * Read a wrapper whose text is all there.
 *
 * Tolerates what clients send: LF alone, "NS: imdn<urn:..>" without a blank, a
 * blank before a colon, names in any case, no MIME header but Content-type, an
 * empty line more before the MIME headers, the prefixes imdn and cpm without
 * their NS. A header under another prefix that nobody declared is handed out
 * with an empty namespace.
 *
 * @param in  the body of type message/cpim; borrowed by out
 * @param out filled on success only
 *
 * @return 0; -EBADMSG no CPIM (a line that is no header, no end of the
 *         message headers, an NS that is none); -E2BIG headers over
 *         CPIM_HEADER_MAX, or more than CPIM_NS_MAX declarations
 */
int cpim_parse(struct slice in, struct cpim *out)
		__attribute__((warn_unused_result));

/**
 * Read a wrapper of which only the beginning is known, as in the first chunk
 * of an MSRP message.
 *
 * @return 0 as cpim_parse (body is what is there of it); -EAGAIN the headers
 *         are not whole yet; -EBADMSG; -E2BIG
 */
int cpim_parse_head(struct slice in, struct cpim *out)
		__attribute__((warn_unused_result));

/**
 * Take the next message header, in the order of the text. Declarations (NS)
 * are handed out too, with name "NS".
 *
 * @param c    a parsed wrapper
 * @param rest start with c->headers; moved on
 * @param out  filled when true is returned
 */
bool cpim_next(const struct cpim *c, struct slice *rest, struct cpim_hdr *out);

/**
 * Write the message headers with one To, that of a recipient: in place of the
 * first To, else behind the last header. Every other To goes.
 *
 * @param c   a parsed wrapper
 * @param uri of the recipient, without < and >
 * @param out at least cpim_retarget_size() bytes
 *
 * @return bytes written, to stand where c->headers stands
 */
size_t cpim_retarget(const struct cpim *c, struct slice uri, char *out);

/**
 * Write the message headers without any To.
 *
 * @param out at least c->headers.n bytes
 * @param at  offset at which a To belongs: where the first one was, else the
 *            end
 *
 * @return bytes written
 */
size_t cpim_without_to(const struct cpim *c, char *out, size_t *at);

/* Bytes that cpim_retarget() writes: c->headers.n, less those of all To, more
 * those of one with the URI. */
size_t cpim_retarget_size(const struct cpim *c, struct slice uri);

/* Bytes of all To headers, line ends included. */
size_t cpim_to_bytes(const struct cpim *c);

/* Bytes of the To header that cpim_retarget() writes. */
#define CPIM_TO_SIZE(uri_n) ((uri_n) + sizeof("To: <>\r\n") - 1)

#define CPIM_LINE_MAX 512 /* bytes of a header line that is added */

/* How a wrapper's message headers are changed. */
struct cpim_edit
{
	struct slice to;  /* URI that takes the place of every To, as
						 cpim_retarget(); n 0: they stay */
	struct slice add; /* a header line without its end, behind the others and
						 instead of any of its name, whatever their
						 prefix; n 0: none */
};

/* "Name: value", one line, not over CPIM_LINE_MAX. */
bool cpim_line_ok(struct slice line);

/**
 * Write the message headers changed.
 *
 * @param out at least cpim_edit_max() bytes
 *
 * @return bytes written, to stand where c->headers stands
 */
size_t cpim_edit(const struct cpim *c, const struct cpim_edit *e, char *out);

/* Most bytes that cpim_edit() may write. */
size_t cpim_edit_max(const struct cpim *c, const struct cpim_edit *e);

/* The URI within a From or To value: between < and >, else the whole value. */
struct slice cpim_uri(struct slice value);

/* CPIM_DN_* of a Disposition-Notification value; unknown words are ignored. */
unsigned cpim_disposition(struct slice value);

#endif
