/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: the head of a message that is stored, its values as text,
 * and its wrapper changed for one recipient, which must be a wrapper again.
 */
#include <stdlib.h>

#include "cpim.h"
#include "deferred_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(struct slice in)
{
	const struct cpim_edit e = {.to = SLICE("sip:c@x.example"),
			.add = SLICE("Message-Direction: sent")};
	const struct slice end = SLICE("\r\nContent-Type: a/b\r\n\r\n");
	struct cpim c, again;
	bool named = true;
	struct slice head;
	char *out;
	size_t n;

	if(cpim_parse_head(in, &c) != 0)
		return;
	out = malloc(cpim_edit_max(&c, &e) + 32);
	if(out == NULL)
		abort();
	n = cpim_edit(&c, &e, out);
	if(n > cpim_edit_max(&c, &e))
		abort();
	memcpy(out + n, end.p, end.n);
	head = slice_of(out, n + end.n);
	/* Under a default namespace of the sender's a To is not CPIM's. */
	for(int i = 0; i < c.n_ns; i++)
		named = named && c.ns[i].prefix.n > 0;
	if(n < CPIM_HEADER_MAX - 64
			&& (cpim_parse(head, &again) != 0
					|| !slice_eq(again.direction, SLICE("sent"))
					|| (named
							&& !slice_eq(
									again.to, SLICE("<sip:c@x.example>")))))
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	char text[DEFERRED_TEXT_MAX];
	struct deferred_head h;

	(void)deferred_head_read(SLICE("message/cpim"), in, &h);
	deferred_text(h.from, text);
	deferred_text(h.subject, text);
	deferred_text(in, text);
	if(strlen(text) >= sizeof(text))
		abort();
	edit(in);
	return 0;
}
