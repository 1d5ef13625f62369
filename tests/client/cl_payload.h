/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the messages carry, laid out once and shared by all copies.
 */
#ifndef CL_PAYLOAD_H
#define CL_PAYLOAD_H

#include "cl_body.h"

struct cl_payload
{
	struct cl_part part[CL_PARTS_MAX];
	int parts;
	struct slice mapped[CL_PARTS_MAX];
	int n_mapped;
	struct cl_multipart multi;
	char *type;  /* Content-Type inside the CPIM wrapper */
	char *types; /* cpm.Payload-Type; NULL when there is one part */
	struct iovec iov[2 * CL_PARTS_MAX + 1];
	int n;
	uint64_t bytes;
};

#endif
