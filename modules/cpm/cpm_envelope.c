/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Envelopes in Kamailio's texts (cpm_envelope.h).
 */
#include "cpm_envelope.h"

#include <errno.h>

json_t *cpm_envelope_json(const cpm_envelope_t *e)
{
	return envelope_json(&(struct envelope){.from = cpm_slice_of(e->from),
			.to = cpm_slice_of(e->to),
			.headers = cpm_slice_of(e->headers),
			.types = cpm_slice_of(e->types),
			.wrapped = cpm_slice_of(e->wrapped)});
}

int cpm_envelope_read(const json_t *json, char *buf, cpm_envelope_t *out)
{
	struct envelope e;

	if(envelope_read(json, buf, ENVELOPE_MAX, &e) < 0)
		return -EBADMSG;
	*out = (cpm_envelope_t){.from = cpm_str_of(e.from),
			.to = cpm_str_of(e.to),
			.headers = cpm_str_of(e.headers),
			.types = cpm_str_of(e.types),
			.wrapped = cpm_str_of(e.wrapped)};
	return 0;
}
