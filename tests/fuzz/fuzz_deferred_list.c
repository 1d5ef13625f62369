/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: the list of deferred messages is a well-formed document
 * within its room, whatever bytes the texts of a message hold.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>

#include "deferred_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), from, subject;
	struct deferred_list l;
	char buf[2048];
	size_t n, room = 256 + (size % (sizeof(buf) - 256));
	xmlDoc *doc;

	deferred_list_begin(&l, buf, room);
	while(rest.n > 0) {
		struct deferred_item item = {
				.size = rest.n, .expires_at = (int64_t)rest.n << (rest.n % 50)};

		item.ref = slice_cut(rest, '\n', &rest);
		from = slice_cut(rest, '\n', &rest);
		subject = slice_cut(rest, '\n', &rest);
		item.from = from;
		item.subject = subject;
		deferred_list_add(&l, &item);
	}
	n = deferred_list_end(&l);
	if(n > room)
		abort();
	doc = xmlReadMemory(buf, (int)n, "list", NULL,
			XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if(doc == NULL)
		abort();
	xmlFreeDoc(doc);
	return 0;
}
