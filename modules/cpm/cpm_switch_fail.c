/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One table: what the status of a SEND means to the sender of the MESSAGE whose
 * content it carried (OMA-TS-CPM_Conv_Fnct 8.2.1.1 8B.d.vii, "the appropriate
 * SIP error response"). A status that says something about the message keeps
 * its number; one that says something about the connection becomes 480: the
 * recipient was there, another attempt may succeed.
 */
#include "cpm_switch.h"

static const struct
{
	int msrp; /* RFC 4975 section 10 */
	const char *refusal;
} table[] = {
		{400, "msrp-400"}, /* the recipient finds it malformed */
		{403, "msrp-403"}, /* may not be sent to him */
		{413, "msrp-413"}, /* "stop sending": too much for him */
		{415, "msrp-415"}, /* a type he does not take */
};

const char *cpm_switch_refusal(int msrp)
{
	for(size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if(table[i].msrp == msrp)
			return table[i].refusal;
	return "msrp";
}
