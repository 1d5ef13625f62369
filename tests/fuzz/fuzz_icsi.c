/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: feature parameters and product tokens of SIP headers.
 */
#include "icsi.h"
#include "product.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	char buf[512];
	struct slice v;
	product_version pv;

	for(int i = ICSI_NONE; i < ICSI_N; i++)
		(void)icsi_in_header(in, icsi_urn((enum icsi)i));
	(void)!icsi_header_swap(in, ICSI_MSG, ICSI_LARGEMSG, SLICE("+sip.instance"),
			buf, sizeof(buf));
	(void)icsi_from_urn(in);
	(void)icsi_param(in, SLICE("+sip.instance"), &v);
	(void)!product_find(in, PRODUCT_CPM_CLIENT, &pv);
	(void)!product_version_parse(in, &pv);
	return 0;
}
