/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: lines of the control protocol.
 */
#include <stdlib.h>

#include "ctl.h"
#include "slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	struct ctl_msg m = {0};
	char *line;
	size_t n;

	if(ctl_decode(in.p, in.n, &m) == 0 && m.kind == CTL_REQUEST) {
		line = ctl_encode_result(m.id, m.params ? m.params : json_null(), &n);
		free(line);
	}
	ctl_msg_clear(&m);
	ctl_msg_clear(&m);
	return 0;
}
