/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Life of a deferred message: the legal moves, all of them here. A message in
 * a final state has no row any more.
 */
#include <string.h>

#include "log/log.h"
#include "store/store_priv.h"

static const char *const names[STORE_N_STATES] = {
		[STORE_STORED] = "stored",
		[STORE_DELIVERING] = "delivering",
		[STORE_HELD] = "held",
		[STORE_EXPIRING] = "expiring",
		[STORE_DELIVERED] = "delivered",
		[STORE_EXPIRED] = "expired",
		[STORE_FAILED] = "failed",
		[STORE_DELETED] = "deleted",
};

#define TO(state) (1 << STORE_##state)

static const uint16_t allowed[STORE_N_STATES] = {
		/* Claimed for its delivery or for the word to its sender; held or
		 * deleted by an operator; removed in silence at its end. */
		[STORE_STORED] = TO(STORED) | TO(DELIVERING) | TO(HELD) | TO(EXPIRING)
				| TO(EXPIRED) | TO(DELETED),
		/* Settled, or its lease is over: claimed again, or at its end. */
		[STORE_DELIVERING] = TO(STORED) | TO(DELIVERING) | TO(EXPIRING)
				| TO(DELIVERED) | TO(EXPIRED) | TO(FAILED) | TO(DELETED),
		[STORE_HELD] = TO(STORED) | TO(DELETED),
		/* The sender knows, or could not be told yet; too late to deliver,
		 * unless an operator says so. */
		[STORE_EXPIRING] = TO(STORED) | TO(EXPIRING) | TO(EXPIRED) | TO(FAILED)
				| TO(DELETED),
};

bool store_state_may(
		const char *ref, enum store_state from, enum store_state to)
{
	if(allowed[from] & 1 << to)
		return true;
	log_limited(LOG_L_WARNING, "store: %s: %s cannot become %s", ref,
			names[from], names[to]);
	return false;
}

const char *store_state_name(enum store_state state)
{
	return (unsigned)state < STORE_N_STATES ? names[state] : "?";
}

int store_state_of(const char *name)
{
	for(int i = 0; i < STORE_N_STATES; i++)
		if(strcmp(names[i], name) == 0)
			return i;
	return -1;
}
