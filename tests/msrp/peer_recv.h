/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which bytes of a message have arrived: chunks may come in any order, overlap
 * and be sent again (RFC 4975 section 7.3.1). Pure bookkeeping; the bytes
 * themselves are the caller's.
 */
#ifndef PEER_RECV_H
#define PEER_RECV_H

#include "peer_msg.h"

#define PEER_RECV_HOLES 64 /* separate stretches of one message */

struct peer_recv
{
	struct
	{
		uint64_t from, to; /* [from, to), bytes counted from 0 */
	} have[PEER_RECV_HOLES];
	int n;
	uint64_t total; /* PEER_ANY until it is known */
	bool last_seen; /* a chunk with "$" has come */
};

void peer_recv_init(struct peer_recv *r);

/**
 * Note that n bytes from offset on have come.
 *
 * @return 0; -EFBIG beyond the total; -ENOSPC too many separate stretches
 */
int peer_recv_add(struct peer_recv *r, uint64_t offset, uint64_t n);

/** A chunk ended: its range's total, its flag and where its bytes ended. */
void peer_recv_chunk(
		struct peer_recv *r, uint64_t total, char flag, uint64_t end);

/** True when every byte of the message is there. */
bool peer_recv_complete(const struct peer_recv *r);

/** Bytes from the start that are there without a hole. */
uint64_t peer_recv_prefix(const struct peer_recv *r);

#endif
