/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tables of pauses (retry.h).
 */
#include "retry.h"

#include <errno.h>

int retry_parse(struct slice text, struct retry_table *out)
{
	struct retry_table t = {.n = 0};
	uint64_t s;

	while(text.n > 0) {
		struct slice one = slice_trim(slice_cut(text, ' ', &text));

		if(one.n == 0)
			continue;
		if(t.n == RETRY_MAX || !slice_u64(one, RETRY_MAX_S, &s) || s == 0)
			return -EBADMSG;
		t.ms[t.n++] = (uint32_t)s * 1000;
	}
	if(t.n == 0)
		return -EBADMSG;
	*out = t;
	return 0;
}

uint32_t retry_ms(
		const struct retry_table *t, unsigned attempt, uint32_t random)
{
	unsigned i = attempt > 0 ? attempt - 1 : 0;
	uint32_t ms = t->ms[i < t->n ? i : t->n - 1];

	ms = ms - ms / 4 + (uint32_t)((uint64_t)random % (ms / 2 + 1));
	return ms < RETRY_MAX_S * 1000U ? ms : RETRY_MAX_S * 1000U;
}
