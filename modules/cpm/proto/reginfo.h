/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registration information, application/reginfo+xml: the body of a NOTIFY of
 * the reg event package (RFC 3680), with public GRUUs (RFC 5628) and the
 * feature parameters of contacts (RFC 3840, 3GPP TS 24.229). Elements of other
 * namespaces are ignored. Read with libxml2 as xmldoc.h says.
 */
#ifndef CPM_REGINFO_H
#define CPM_REGINFO_H

#include "slice.h"

#define REGINFO_BYTES_MAX (128 << 10) /* bytes of a document */
#define REGINFO_REGS_MAX 64           /* registrations in it */
#define REGINFO_CONTACTS_MAX 512      /* contacts in it, all together */

/* What a contact has registered feature parameters for. */
enum
{
	REGINFO_MSG = 1,      /* ...oma.cpm.msg */
	REGINFO_LARGE = 2,    /* ...oma.cpm.largemsg */
	REGINFO_DEFERRED = 4, /* ...oma.cpm.deferred */
	REGINFO_SESSION = 8,  /* ...oma.cpm.session */
	REGINFO_KNOWN = 128   /* the document tells feature parameters of it */
};

enum reginfo_reg_state
{
	REGINFO_INIT,
	REGINFO_ACTIVE,
	REGINFO_TERMINATED
};

struct reginfo_contact
{
	unsigned reg;          /* index of its registration */
	bool active;           /* false: terminated */
	bool refreshed;        /* event="refreshed": the client is still there */
	unsigned services;     /* REGINFO_* */
	struct slice id;       /* unique within the document's subscription */
	struct slice uri;      /* never empty where active */
	struct slice instance; /* URN without < > and quotes; may be "" */
	struct slice gruu;     /* public GRUU; may be "" */
	struct slice ua;       /* User-Agent, as Kamailio tells it; may be "" */
};

struct reginfo_reg
{
	struct slice aor;
	struct slice id;
	enum reginfo_reg_state state;
};

struct reginfo
{
	uint32_t version;
	bool full; /* state="full"; else "partial" */
	unsigned n_regs, n_contacts;
	struct reginfo_reg regs[REGINFO_REGS_MAX];
	struct reginfo_contact *contacts;
	char *text; /* what all of it points to */
};

enum reginfo_error
{
	REGINFO_OK,
	REGINFO_TOO_LONG, /* over one of the maxima */
	REGINFO_XML,      /* not well-formed, empty */
	REGINFO_DOCTYPE,  /* has a document type declaration */
	REGINFO_SHAPE,    /* not reginfo, or something required is missing */
	REGINFO_MEMORY
};

/* What it means, for the log. */
const char *reginfo_error_text(enum reginfo_error e);

/**
 * Read a document. xmldoc_init() must have been called.
 *
 * @param xml borrowed for the call only
 * @param out for reginfo_free(); filled on success only
 *
 * @return REGINFO_OK or what is wrong
 */
enum reginfo_error reginfo_parse(struct slice xml, struct reginfo *out)
		__attribute__((warn_unused_result));

/* Free what reginfo_parse() made; safe to call twice. */
void reginfo_free(struct reginfo *r);

/* REGINFO_* of a Contact's header parameters, or of one +g.3gpp.icsi-ref
 * value with its name before it (RFC 3840). REGINFO_KNOWN is not among them. */
unsigned reginfo_services(struct slice params);

#endif
