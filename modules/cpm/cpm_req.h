/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the operator's policy says about the request at hand: a record private
 * to the process, filled from the modparams when a request is first asked
 * about, and changed by the script through $cpm(name). Every check and every
 * function reads the record, never cpm_conf, for what is in it.
 *
 * The record is of the request in its worker and nothing else: what has to
 * outlive the request (a session, a branch's failure) is copied to shared
 * memory by whoever needs it later.
 */
#ifndef CPM_REQ_H
#define CPM_REQ_H

#include <stdbool.h>

#include "../../core/parser/msg_parser.h"
#include "../../core/str.h"
#include "proto/product.h"

/* Which half of the network a request is in (3GPP TS 24.229 5.7). */
typedef enum cpm_case
{
	CPM_CASE_NONE, /* not known */
	CPM_CASE_ORIG, /* on behalf of the sender */
	CPM_CASE_TERM  /* on behalf of the recipient */
} cpm_case_t;

#define CPM_REQ_VERSION_BUF 16
#define CPM_REQ_URI_BUF 256

typedef struct cpm_req
{
	int authorised;              /* 1: the originator may use CPM */
	int anonymity;               /* 1: he may be anonymous */
	int list_anonymity;          /* 1: to a list of recipients, too */
	int interworking;            /* 1: the ISF may be tried */
	int direct_delivery;         /* 1: his other clients get copies */
	int defer;                   /* 1: it is stored when nobody takes it */
	int max_recipients;          /* of one message */
	int max_message;             /* bytes of a message */
	int pager_limit;             /* bytes of a pager message's body */
	int session_case;            /* cpm_case_t */
	product_version min_version; /* of the client; 0: any */
	char min_version_text[CPM_REQ_VERSION_BUF]; /* the same as text */
	bool service_set;    /* cpm_service_header() has done its work */
	const char *refusal; /* name of the last check that failed, or NULL */
	int asserted_len;    /* identity set by the script; 0: none */
	char asserted[CPM_REQ_URI_BUF]; /* its URI */
} cpm_req_t;

/* Read the defaults from cpm_conf and check them; in mod_init: 0 or -1. */
int cpm_req_init(void);

/**
 * The record of this request; made from the defaults when the process asks
 * about another request than the last time.
 *
 * @return never NULL; good until the process asks about another request
 */
cpm_req_t *cpm_req(sip_msg_t *msg);

/* ---- by name, for $cpm(name) ---- */

/* Kind of a value. */
typedef enum cpm_req_kind
{
	CPM_REQ_INT,
	CPM_REQ_TEXT
} cpm_req_kind_t;

typedef struct cpm_req_value
{
	cpm_req_kind_t kind;
	int num;
	str text; /* borrowed from the record */
} cpm_req_value_t;

/* Number of the field of that name for the two functions below; -1: none. */
int cpm_req_field(const str *name);

/* Value of a field: 0 or -1. */
int cpm_req_get(sip_msg_t *msg, int field, cpm_req_value_t *out);

/**
 * Set a field for this request.
 *
 * @param text the value as text; for numbers too; NULL: back to the modparam
 *
 * @return 0; -1 not a value the field can have (logged)
 */
int cpm_req_set(sip_msg_t *msg, int field, const str *text);

#endif
