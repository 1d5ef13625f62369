/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: the relay's frame parser. A stream gives the same frames
 * and the same content however it is torn.
 */
#include <stdlib.h>

#include "msrp/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has been read, as a number that depends on all of it. */
struct seen
{
	uint64_t hash;
	size_t frames;
};

static void note(struct seen *s, const void *p, size_t n)
{
	const unsigned char *b = p;

	for(size_t i = 0; i < n; i++)
		s->hash = (s->hash ^ b[i]) * 1099511628211u;
}

/* Read content from p on, of which `have` bytes are there at first and `step`
 * come with each round; bytes used, 0 when it does not end. */
static size_t content(
		struct seen *s, const char *p, size_t n, struct slice tid, size_t step)
{
	size_t used = 0, have = step < n ? step : n, len;
	char flag;
	bool first = true;

	for(;;) {
		int rc = msrp_content_scan(
				p + used, have - used, tid, first, &len, &flag);

		if(len > have - used)
			abort();
		note(s, p + used, len);
		used += len;
		if(len > 0)
			first = false;
		if(rc > 0) {
			note(s, &flag, 1);
			return used + (size_t)rc;
		}
		if(have == n)
			return 0;
		have = n - have > step ? have + step : n;
	}
}

static struct seen read_all(const char *p, size_t n, size_t step)
{
	struct seen s = {14695981039346656037u, 0};

	while(n > 0) {
		struct msrp_head h;
		struct msrp_range r;
		size_t have = step < n ? step : n;
		int rc, status;

		while((rc = msrp_head_parse(p, have, &h)) == 0 && have < n)
			have = n - have > step ? have + step : n;
		if(rc <= 0)
			return s;
		if((size_t)rc > have)
			abort();
		s.frames++;
		note(&s, h.tid.p, h.tid.n);
		if(h.byte_range.p)
			(void)!msrp_range_parse(h.byte_range, &r);
		if(h.report_status.p)
			(void)!msrp_status_parse(h.report_status, &status);
		p += rc;
		n -= (size_t)rc;
		if(h.content) {
			size_t used = content(&s, p, n, h.tid, step);

			if(used == 0)
				return s;
			p += used;
			n -= used;
		}
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 7, 100};
	struct seen whole = read_all((const char *)data, size, size ? size : 1);

	for(size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct seen torn = read_all((const char *)data, size, steps[i]);

		if(torn.frames != whole.frames || torn.hash != whole.hash)
			abort();
	}
	return 0;
}
