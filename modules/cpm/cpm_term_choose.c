/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which clients of a user get a message (OMA-TS-CPM_Conv_Fnct 8.3.2.1.1 #6,
 * TL-06, TL-07): those that cpm_clients_choose() finds; of a message to a GRUU
 * that one alone (RFC 5627 section 5.2). Called by cpm_term.c and, for an
 * INVITE that could not wait, by cpm_term_large.c.
 */
#include <errno.h>
#include <strings.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_clients.h"
#include "cpm_term_int.h"
#include "cpm_term_rcpts.h"

/* The gr parameter's value; empty: the URI is no public GRUU. */
static str gr_of(str uri)
{
	sip_uri_t u;

	if(parse_uri(uri.s, uri.len, &u) < 0)
		return (str){NULL, 0};
	return u.gr_val;
}

static bool same(str a, str b)
{
	return a.len == b.len && strncasecmp(a.s, b.s, (size_t)a.len) == 0;
}

/* Of all that are chosen the one with that GRUU. */
static unsigned only(cpm_clients_t *c, str gr)
{
	unsigned n = 0;

	for(unsigned i = 0; i < c->n; i++) {
		str own = gr_of(c->v[i].gruu);

		if(own.len == 0)
			own = c->v[i].instance;
		c->v[i].chosen = c->v[i].chosen && same(own, gr);
		n += c->v[i].chosen;
	}
	return n;
}

/* Nobody knows the clients: the request goes on as it came, once. */
static int as_received(const cpm_term_whom_t *w, cpm_rcpts_t **out)
{
	cpm_rcpt_in_t one = {.uri = w->ruri};

	*out = cpm_rcpts_make(&one, 1);
	return *out ? 0 : -ENOMEM;
}

int cpm_term_choose(const cpm_term_whom_t *w, cpm_rcpts_t **out)
{
	cpm_clients_t *c = NULL;
	str gr = gr_of(w->ruri);
	int rc = cpm_clients_get(&w->user, &c);
	unsigned n;

	*out = NULL;
	if(rc == -ENOTSUP)
		return as_received(w, out);
	if(rc < 0)
		return rc;
	n = cpm_clients_choose(c, w->what, w->version, NULL);
	if(gr.len > 0)
		n = only(c, gr);
	LM_DBG("%.*s: %u of %u clients\n", STR_FMT(&w->user), n, c->n);
	rc = cpm_term_rcpts(c, out);
	cpm_clients_free(&c);
	return rc;
}
