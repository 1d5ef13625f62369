/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clients become recipients (cpm_term_rcpts.h).
 */
#include "cpm_term_rcpts.h"

#include <errno.h>

#include "../../core/mem/mem.h"

static cpm_rcpt_in_t rcpt_of(const cpm_target_t *t)
{
	cpm_rcpt_in_t r = {.uri = t->ruri, .headers = t->lines};

	if(t->direct) {
		r.routes = t->routes;
		r.next_hop = t->routes.len == 0 && t->next_hop.len == 0 ? t->ruri
																: t->next_hop;
		r.sock = t->sock;
	}
	return r;
}

int cpm_term_rcpts(const cpm_clients_t *c, cpm_rcpts_t **out)
{
	cpm_target_t *targets = NULL;
	cpm_rcpt_in_t *in = NULL;
	unsigned n = 0, k = 0;
	int rc = 0;

	for(unsigned i = 0; i < c->n; i++)
		n += c->v[i].chosen;
	*out = NULL;
	if(n == 0)
		return 0;
	targets = pkg_malloc(n * sizeof(*targets));
	in = pkg_malloc(n * sizeof(*in));
	if(targets == NULL || in == NULL)
		rc = -ENOMEM;
	for(unsigned i = 0; i < c->n && rc == 0; i++) {
		if(!c->v[i].chosen)
			continue;
		rc = cpm_client_target(c, i, &targets[k]);
		in[k] = rcpt_of(&targets[k]);
		k++;
	}
	if(rc == 0) {
		*out = cpm_rcpts_make(in, k);
		rc = *out ? 0 : -ENOMEM;
	}
	while(k > 0)
		cpm_client_target_free(&targets[--k]);
	if(targets)
		pkg_free(targets);
	if(in)
		pkg_free(in);
	return rc;
}
