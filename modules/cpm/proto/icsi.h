/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IMS communication service identifiers of CPM and their match against feature
 * parameters (g.3gpp.icsi-ref) of Accept-Contact and Contact headers: RFC 3840,
 * RFC 3841, 3GPP TS 24.229 section 7.2A.8, as clients really write them. No
 * allocation.
 */
#ifndef CPM_ICSI_H
#define CPM_ICSI_H

#include "slice.h"

/* The eight service identifiers of CPM, and none of them. */
enum icsi
{
	ICSI_NONE,
	ICSI_MSG,                /* pager mode */
	ICSI_MSG_GROUP,          /* */
	ICSI_LARGEMSG,           /* large message mode */
	ICSI_LARGEMSG_GROUP,     /* */
	ICSI_SESSION,            /* */
	ICSI_SESSION_GROUP,      /* */
	ICSI_FILETRANSFER,       /* */
	ICSI_FILETRANSFER_GROUP, /* */
	ICSI_N
};

#define ICSI_PREFIX SLICE("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.")
#define ICSI_URN_DEFERRED                                                      \
	SLICE("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred")

/* The URN of a service as in P-Asserted-Service; "" for ICSI_NONE. */
struct slice icsi_urn(enum icsi i);

/* The same, percent-encoded as in a feature parameter ("urn%3Aurn-7%3A..."). */
struct slice icsi_urn_encoded(enum icsi i);

/**
 * Which service a URN names: P-Preferred-Service, P-Asserted-Service. Blanks
 * around it are ignored; the case of letters too (RFC 8141).
 *
 * @return ICSI_NONE when it is none of the eight
 */
enum icsi icsi_from_urn(struct slice urn);

/* 1-1 and group form of the same service. */
enum icsi icsi_base(enum icsi i);
bool icsi_is_group(enum icsi i);

/**
 * Whether a feature parameter value of a header names a service, or a subclass
 * of it: ...msg.group is a ...msg; ...largemsg is not.
 *
 * @param header value(s) of one Accept-Contact or Contact header; several
 *               separated by commas are allowed. Values are percent-encoded or
 *               not, in double or single quotes or bare, several separated by
 *               commas or semicolons; the parameter may lack its "+"
 * @param urn    as of icsi_urn or ICSI_URN_DEFERRED
 */
bool icsi_in_header(struct slice header, struct slice urn);

/* Whether `value` is `urn` or a subclass of it; both decoded. */
bool icsi_is_a(struct slice value, struct slice urn);

/**
 * A parameter of a Contact or Accept-Contact value, quotes taken off:
 * "+sip.instance", "isfocus", "explicit", "require".
 *
 * @param header one header value; looked for in each of its contacts, outside
 *               of < > and quotes
 * @param name   compared without regard to case
 * @param value  "" for a parameter without value; may be NULL; filled on
 *               success only
 *
 * @return true when it is there
 */
bool icsi_param(struct slice header, struct slice name, struct slice *value);

/**
 * Copy an Accept-Contact value with one service exchanged for another, the
 * rest of it byte for byte. A subclass stays one: ...msg.group becomes
 * ...largemsg.group.
 *
 * @param header one header value; contacts separated by commas are allowed
 * @param from   the service to replace, in any of the spellings that
 *               icsi_in_header() understands
 * @param to     what takes its place, percent-encoded (24.229 7.2A.8.2)
 * @param drop   contacts with this parameter are left out; "" none
 * @param buf    not NUL-terminated
 *
 * @return bytes written; 0 no contact is left; -E2BIG it does not fit
 */
int icsi_header_swap(struct slice header, enum icsi from, enum icsi to,
		struct slice drop, char *buf, size_t size)
		__attribute__((warn_unused_result));

#endif
