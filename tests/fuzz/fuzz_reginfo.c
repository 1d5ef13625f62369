/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: registration information and the sum of such documents.
 * What is accepted has URIs that may stand in a request, and a state's texts
 * lie within its block.
 */
#include <stdlib.h>

#include "reginfo.h"
#include "regstate.h"
#include "sipfrag.h"
#include "xmldoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct regstate *s, struct regstate_text t)
{
	if(t.at > s->size || t.n > s->size - t.at)
		abort();
}

static void check_state(const struct regstate *s)
{
	for(unsigned i = 0; i < s->n_regs; i++) {
		check_text(s, regstate_regs(s)[i].aor);
		check_text(s, regstate_regs(s)[i].id);
	}
	for(unsigned i = 0; i < s->n_contacts; i++) {
		const struct regstate_contact *c = &regstate_contacts(s)[i];
		struct slice uri = regstate_get(s, c->uri);

		check_text(s, c->uri);
		check_text(s, c->id);
		check_text(s, c->instance);
		check_text(s, c->gruu);
		check_text(s, c->ua);
		if(c->reg >= s->n_regs || uri.n == 0)
			abort();
		for(size_t j = 0; j < uri.n; j++)
			if((unsigned char)uri.p[j] <= ' ' || uri.p[j] == '<'
					|| uri.p[j] == '>' || uri.p[j] == '"')
				abort();
	}
}

/* Two documents, separated by a NUL: the second is added to the first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), head = rest;
	struct regstate *state = NULL, *next;
	struct regstate_news news;
	struct sipfrag_field f;
	struct reginfo r;

	xmldoc_init();
	sipfrag_start(&head);
	while(sipfrag_next(&head, &f))
		if(f.name.n == 0)
			abort();
	while(rest.n > 0) {
		struct slice one = slice_cut(rest, '\0', &rest);

		if(reginfo_parse(one, &r) != REGINFO_OK)
			continue;
		if(regstate_merge(state, &r, 8, &next, &news) == 0) {
			check_state(next);
			free(state);
			state = next;
		}
		reginfo_free(&r);
	}
	free(state);
	return 0;
}
