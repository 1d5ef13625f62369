/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fan-outs that no request began: stored messages that are pushed, and
 * notifications. Nobody waits for an answer but whoever is registered for the
 * kind (cpm_fanout.h). All copies are sent at once, for clients are few.
 */
#include <errno.h>

#include "../../core/dprint.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_session.h"

#define ID_MASK 0xffffffffffffull /* a callback's parameter has 48 bits */

/* Drawn: with 10,000 under way one in 10^10 meets another. */
static uint64_t draw_id(void)
{
	uint64_t id;
	cpm_fanout_t *f;
	char hex[CPM_HEX_BUF];

	for(;;) {
		cpm_id_random(hex);
		id = cpm_id_hash(hex, sizeof(hex) - 8) & ID_MASK;
		f = cpm_fanout_lock(id);
		if(f == NULL)
			return id;
		cpm_fanout_unlock(f);
	}
}

int cpm_fanout_begin(cpm_fan_kind_t kind, uint64_t tag, cpm_rcpts_t **rcpts,
		const str v[CPM_F_N])
{
	uint64_t id = draw_id();
	cpm_fanout_t *f = cpm_fanout_new(id, rcpts, 0);
	unsigned n;

	if(f == NULL)
		return -ENOMEM;
	f->kind = (uint8_t)kind;
	f->tag = tag;
	f->answered = true;
	f->texts = cpm_strs_new(v, CPM_F_N);
	if(f->texts == NULL) {
		*rcpts = f->rcpts;
		f->rcpts = NULL;
		cpm_fanout_free(f);
		return -ENOMEM;
	}
	n = cpm_fanout_n(f);
	cpm_fanout_add(f);
	for(unsigned i = 0; i < n; i++)
		cpm_fanout_send(id, i);
	return 0;
}
