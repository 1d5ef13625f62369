/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Release tokens in User-Agent and Server headers (OMA-TS-CPM_Conv_Fnct
 * appendix D), for the module's check of client versions.
 */
#include "product.h"

#include <errno.h>

/* Digits at the beginning: 0 or -EBADMSG. */
static int take_number(struct slice *rest, unsigned *out)
{
	uint64_t v;
	size_t n = 0;

	while(n < rest->n && n < 4 && rest->p[n] >= '0' && rest->p[n] <= '9')
		n++;
	if(!slice_u64(slice_of(rest->p, n), 999, &v))
		return -EBADMSG;
	*rest = slice_skip(*rest, n);
	*out = (unsigned)v;
	return 0;
}

/* "2.0" at the beginning; what follows is left in rest. */
static int take_version(struct slice *rest, product_version *version)
{
	unsigned major, minor;

	if(take_number(rest, &major) < 0)
		return -EBADMSG;
	if(rest->n == 0 || rest->p[0] != '.')
		return -EBADMSG;
	*rest = slice_skip(*rest, 1);
	if(take_number(rest, &minor) < 0)
		return -EBADMSG;
	*version = major * 1000 + minor;
	return 0;
}

int product_version_parse(struct slice s, product_version *version)
{
	product_version v;
	struct slice rest = s;

	if(take_version(&rest, &v) < 0 || rest.n != 0)
		return -EBADMSG;
	*version = v;
	return 0;
}

/* What may stand before a product token. */
static bool separates(char c)
{
	return c == ' ' || c == '\t' || c == '(' || c == ',' || c == ';'
			|| c == '\r' || c == '\n';
}

int product_find(
		struct slice user_agent, struct slice product, product_version *version)
{
	for(size_t i = 0; i < user_agent.n; i++) {
		struct slice rest = slice_skip(user_agent, i);

		if(i > 0 && !separates(user_agent.p[i - 1]))
			continue;
		if(!slice_istarts(rest, product))
			continue;
		rest = slice_skip(rest, product.n);
		if(!slice_istarts(rest, SLICE("/OMA")))
			continue;
		rest = slice_skip(rest, 4);
		return take_version(&rest, version);
	}
	return -ENOENT;
}
