/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages to many recipients as text: what the tests of the exploder send.
 */
#ifndef E2E_LIST_FLOW_H
#define E2E_LIST_FLOW_H

#include "b2b_flow.h"

#define EXPLODER "sip:exploder@cpm.test"

/* A resource-lists document with these entries in its list. */
const char *list_xml(const char *entries);

/* "<entry uri=.../>" for each URI of a text with blanks between them. */
const char *list_entries(const char *uris);

/* Entries for n recipients sip:user1@cpm.test and so on. */
const char *list_of(int n);

/* The two parts of a multipart body, each with its headers. */
const char *list_part(const char *xml);
const char *cpim_part(const char *cpim);

/* A CPIM to the EXPLODER-URI, with an imdn.Message-ID. */
const char *list_cpim(void);

/* A whole multipart body of parts; NULL at the end. The boundary is
 * LIST_BOUNDARY. */
#define LIST_BOUNDARY "b1a2c3"
const char *list_body(const char *part, ...) __attribute__((sentinel));

/**
 * A MESSAGE to the EXPLODER-URI for ua_send(), multipart/mixed.
 *
 * @param headers lines in front, of which the usual ones then are left out
 * @param body    NULL: list and message for bob and carol
 */
const char *list_message(struct ua *ua, const char *headers, const char *body);

/* The same to these recipients, "sip:bob@cpm.test tel:+1555". */
const char *list_to(struct ua *ua, const char *headers, const char *uris);

/* Take n MESSAGEs and answer them; each is kept in got[] (may be NULL). */
void list_take(struct ua *ua, int n, int code, struct sip **got);

/* The Request-URI of a request. */
const char *sip_ruri(const struct sip *m);

#endif
