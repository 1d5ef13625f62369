/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who records (cpm_record.h). Nobody, unless he has registered.
 */
#include "cpm_record.h"

static const cpm_record_ops_t *recorder;

void cpm_record_register(const cpm_record_ops_t *ops)
{
	recorder = ops;
}

bool cpm_record_wanted(const cpm_session_t *s)
{
	return recorder && recorder->wanted(s);
}

void cpm_record_closed(uint64_t id)
{
	if(recorder)
		recorder->closed(id);
}
