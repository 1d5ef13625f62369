/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The content of a message in memory: order, sharing, what is dropped when,
 * readers at different places.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/spool.h"

static struct buf_pool pool;
static uint64_t bytes, kept;
static struct spool spool;

static void begin(size_t memory)
{
	buf_pool_init(&pool, &bytes, &kept);
	spool_init(&spool, memory);
}

static void end(void)
{
	spool_free(&spool);
	buf_pool_destroy(&pool);
	cr_assert_eq(bytes, 0, "%zu bytes of buffers are left", (size_t)bytes);
	cr_assert_eq(kept, 0);
}

/* Content as it comes: a read buffer that somebody fills and lets go. */
static bool add(const char *text, bool copy, uint32_t users)
{
	size_t n = strlen(text);
	struct buf *b = buf_new(&pool, (uint32_t)n);
	bool piece;

	memcpy(b->data, text, n);
	b->used = (uint32_t)n;
	piece = spool_add(&spool, b, b->data, n, copy, users);
	buf_unref(&b);
	return piece;
}

/* All that a reader sees from a place on. */
static const char *seen(struct spool_reader *r, uint64_t at)
{
	static char text[1024];
	struct spool_view v;
	size_t n = 0;

	while(spool_view(&spool, r, at, &v)) {
		memcpy(text + n, v.p, v.n);
		n += v.n;
		at += v.n;
	}
	text[n] = '\0';
	return text;
}

Test(spool, readers_share_pieces_and_the_last_one_drops_them)
{
	struct spool_reader one = {0}, two = {0};

	begin(0);
	cr_assert(add("abc", false, 2));
	cr_assert(add("defg", false, 2));
	cr_assert_str_eq(seen(&one, 0), "abcdefg");
	cr_assert_eq(spool_pass(&spool, &one, 0, 5), 1, "one piece and a part");
	cr_assert_eq(spool_pass(&spool, &one, 5, 7), 1);
	cr_assert_eq(spool.count, 2);
	cr_assert_str_eq(seen(&two, 1), "bcdefg");
	cr_assert_eq(spool_pass(&spool, &two, 0, 3), 1);
	cr_assert_eq(spool.count, 1);
	cr_assert(spool_is_old(&spool, 2));
	cr_assert_not(spool_is_old(&spool, 3));
	spool_leave(&spool, &two, 3);
	cr_assert_eq(spool.count, 0);
	cr_assert_eq(spool.end, 7);
	end();
}

Test(spool, without_readers_nothing_is_held)
{
	struct spool_reader r = {0};

	begin(0);
	cr_assert_not(add("abc", true, 0));
	cr_assert_eq(spool.end, 3);
	cr_assert_eq(spool.count, 0);
	cr_assert_str_eq(seen(&r, 0), "");
	end();
}

Test(spool, small_pieces_are_gathered_unless_a_chunk_ends_or_one_was_passed)
{
	struct spool_reader r = {0};
	struct spool_view v;

	begin(0);
	cr_assert(add("a", true, 1));
	cr_assert(add("b", true, 1), "the first buffer has room for itself alone");
	cr_assert_not(add("c", true, 1));
	spool_chunk_end(&spool);
	cr_assert(add("d", true, 1));
	cr_assert_str_eq(seen(&r, 0), "abcd");
	cr_assert(spool_view(&spool, &r, 1, &v));
	cr_assert_eq(v.n, 2);
	cr_assert(v.chunk_end);
	cr_assert_eq(spool_pass(&spool, &r, 0, 4), 3);
	cr_assert(add("e", true, 1));
	cr_assert_str_eq(seen(&r, 4), "e");
	spool_leave(&spool, &r, 4);
	end();
}

Test(spool, the_memory_of_what_is_kept_is_known_by_its_buffers)
{
	char text[300];

	begin(64);
	add("abc", false, 0);
	add("defg", false, 0);
	cr_assert_eq(kept, 7);
	/* The second gathering buffer has room for the third piece. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add(text, true, 0);
	spool_chunk_end(&spool);
	add(text, true, 0);
	cr_assert_eq(kept, 7 + 16 * 1024);
	end();
	/* What is not kept does not count. */
	begin(0);
	add("abc", false, 1);
	cr_assert_eq(kept, 0);
	end();
}

Test(spool, a_further_reader_joins_while_all_is_there)
{
	struct spool_reader one = {0}, two = {0};
	unsigned pieces;
	uint64_t n;

	begin(0);
	cr_assert_eq(spool_join(&spool, &n, &pieces), 0);
	cr_assert_eq(n, 0);
	add("abc", false, 1);
	add("def", false, 1);
	cr_assert_eq(spool_join(&spool, &n, &pieces), 0);
	cr_assert_eq(n, 6);
	cr_assert_eq(pieces, 2);
	spool_pass(&spool, &one, 0, 6);
	cr_assert_str_eq(seen(&two, 0), "abcdef");
	spool_pass(&spool, &two, 0, 3);
	cr_assert_eq(spool_join(&spool, &n, &pieces), -1, "its begin is gone");
	spool_leave(&spool, &two, 3);
	end();
}

Test(spool, many_pieces_are_found_from_anywhere)
{
	struct spool_reader r = {0};
	char text[8];

	begin(0);
	for(int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%03d", i);
		add(text, false, 1);
		spool_chunk_end(&spool);
	}
	for(int i = 0; i < 100; i++) {
		struct spool_view v;
		int k = i * 37 % 100;

		cr_assert(spool_view(&spool, &r, (uint64_t)k * 3 + 1, &v));
		cr_assert_eq(v.n, 2);
		cr_assert_eq(v.p[0], '0' + k / 10);
		cr_assert_eq(v.p[1], '0' + k % 10);
	}
	cr_assert_eq(spool_pass(&spool, &r, 0, 150), 50);
	add("end", false, 1);
	cr_assert_eq(strlen(seen(&r, 150)), 153);
	spool_leave(&spool, &r, 150);
	cr_assert_eq(spool.count, 0);
	end();
}

Test(spool, what_is_kept_stays_whatever_readers_do)
{
	struct spool_reader r = {0};
	unsigned pieces;
	uint64_t n;

	begin(1000);
	add("abc", true, 0);
	add("def", true, 1);
	spool_pass(&spool, &r, 0, 6);
	spool_leave(&spool, &r, 6);
	cr_assert_eq(spool_join(&spool, &n, &pieces), 0);
	cr_assert_str_eq(seen(&r, 0), "abcdef");
	cr_assert_geq(spool_weight(&spool), 6);
	end();
}
