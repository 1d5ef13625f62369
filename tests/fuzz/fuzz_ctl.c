/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: lines of the control protocol; what is taken is encoded
 * and read back.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_msg m, again;
	size_t n = 0;
	char *line = NULL;
	int rc = ctl_decode((const char *)data, size, &m);

	if(rc == 0) {
		if(m.kind == CTL_RESULT)
			line = ctl_encode_result(m.id, m.result, &n);
		else if(m.kind == CTL_ERROR)
			line = ctl_encode_error(m.id, m.code, m.message, m.data, &n);
		else if(m.kind == CTL_REQUEST)
			line = ctl_encode_request(1, m.method, m.params, &n);
		else
			line = ctl_encode_event(m.method, m.params, &n);
	}
	if(line) {
		if(ctl_decode(line, n - 1, &again) != 0 || again.kind != m.kind
				|| again.code != m.code
				|| (m.method && strcmp(m.method, again.method) != 0))
			abort();
		ctl_msg_clear(&again);
	}
	free(line);
	ctl_msg_clear(&m);
	return 0;
}
