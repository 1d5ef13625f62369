/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Duplicates between what came over SIP and what the message store holds, for
 * messages whose Message-UID is not known. Called by cl_sync.c. OMA CPM 7.2.1.1
 * Table 2.
 */
#include "cl_match.h"

#include "cl_body.h"

void cl_stored_read(
		struct slice object, struct slice folder, struct cl_stored *out)
{
	const char *end = NULL;

	if(object.n > 0) {
		end = memmem(object.p, object.n, "\r\n\r\n", 4);
		if(!end)
			end = memmem(object.p, object.n, "\n\n", 2);
	}
	if(end)
		object.n = (size_t)(end + 1 - object.p);
	*out = (struct cl_stored){.folder = folder,
			.conversation_id = cl_header_get(object, "Conversation-ID"),
			.contribution_id = cl_header_get(object, "Contribution-ID"),
			.in_reply_to = cl_header_get(object, "InReplyTo-Contribution-ID"),
			.imdn_id = cl_header_get(object, "IMDN-Message-ID")};
}

/* The last part of the folder's name is whom or what it is for. */
static bool folder_fits(const struct cl_seen *a, struct slice folder)
{
	const char *slash = folder.n ? memrchr(folder.p, '/', folder.n) : NULL;

	if(slash)
		folder = slice_skip(folder, (size_t)(slash + 1 - folder.p));
	if(a->group)
		return slice_eq(folder, a->conversation_id);
	for(int i = 0; i < a->parties; i++)
		if(slice_eq(folder, a->party[i]))
			return true;
	return false;
}

bool cl_same_message(const struct cl_seen *a, const struct cl_stored *b)
{
	if(!folder_fits(a, b->folder))
		return false;
	if(a->conversation_id.n == 0 || a->contribution_id.n == 0
			|| !slice_eq(a->conversation_id, b->conversation_id)
			|| !slice_eq(a->contribution_id, b->contribution_id))
		return false;
	if((a->in_reply_to.n > 0 || b->in_reply_to.n > 0)
			&& !slice_eq(a->in_reply_to, b->in_reply_to))
		return false;
	return a->imdn_id.n == 0 || slice_eq(a->imdn_id, b->imdn_id);
}
