/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The accountant: which messages were acknowledged, which came to a client,
 * how often, with the same bytes. The bytes follow from a message's number, so
 * that it can never agree with a wrong copy of its own.
 */
#include "kill.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/rng.h"

#define MESSAGES 400000
#define LARGE_MAX 300000
#define PAGER_USUAL 600
#define PAGER_MAX 12000

static struct
{
	bool large, acked;
	int delivered;
} * book;
static int n_book, n_changed, n_open;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int book_new(bool large)
{
	int n;

	pthread_mutex_lock(&lock);
	if(book == NULL)
		book = calloc(MESSAGES, sizeof(*book));
	if(book == NULL || n_book == MESSAGES)
		abort();
	n = n_book++;
	book[n].large = large;
	pthread_mutex_unlock(&lock);
	return n;
}

char *book_body(int n, size_t *len)
{
	uint64_t rng = (uint64_t)n * 7919 + 1;
	bool large = book[n].large;
	size_t most = large            ? LARGE_MAX
			: rng_chance(&rng, 60) ? PAGER_USUAL
								   : PAGER_MAX;
	size_t size = 400 + rng_below(&rng, most), at;
	char *p = malloc(size + 1);

	if(p == NULL)
		abort();
	at = (size_t)snprintf(p, size,
			"From: <sip:alice@example.com>\r\nTo: <sip:u@example.com>\r\n"
			"DateTime: 2026-11-21T11:00:00Z\r\n"
			"NS: imdn <urn:ietf:params:imdn>\r\n"
			"imdn.Message-ID: number-%08d\r\n\r\n"
			"Content-Type: text/plain\r\n\r\n",
			n);
	for(; at < size; at++)
		p[at] = (char)('A' + rng_below(&rng, 26));
	p[size] = '\0';
	*len = size;
	return p;
}

void book_acked(int n)
{
	pthread_mutex_lock(&lock);
	if(!book[n].acked && book[n].delivered == 0)
		n_open++;
	book[n].acked = true;
	pthread_mutex_unlock(&lock);
}

void book_delivered(const char *body, size_t len, const char *ref)
{
	const char *id = memmem(body, len, "number-", 7);
	long n = id && len - (size_t)(id - body) > 15 ? strtol(id + 7, NULL, 10)
												  : -1;
	size_t want_len = 0;
	char *want = NULL;

	pthread_mutex_lock(&lock);
	if(n >= 0 && n < n_book)
		want = book_body((int)n, &want_len);
	if(want == NULL || want_len != len || memcmp(want, body, len) != 0) {
		n_changed++;
		fprintf(stderr, "%s: not the bytes of message %ld\n", ref, n);
	} else {
		if(book[n].acked && book[n].delivered == 0)
			n_open--;
		book[n].delivered++;
	}
	pthread_mutex_unlock(&lock);
	free(want);
}

int book_open(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = n_open;
	pthread_mutex_unlock(&lock);
	return n;
}

bool book_close(const char *what, int kills)
{
	int acked[2] = {0}, delivered = 0, twice = 0, lost = 0, unacked = 0;

	for(int i = 0; i < n_book; i++) {
		acked[book[i].large] += book[i].acked;
		delivered += book[i].delivered > 0;
		twice += book[i].delivered > 1;
		unacked += !book[i].acked && book[i].delivered > 0;
		if(book[i].acked && book[i].delivered == 0) {
			if(lost++ < 10)
				fprintf(stderr, "%s: lost: %s message %d\n", what,
						book[i].large ? "large" : "pager", i);
		}
	}
	printf("%s: kills %d, acknowledged %d (large %d), delivered %d (not "
		   "acknowledged: %d), more than once %d, changed %d, lost %d\n",
			what, kills, acked[0] + acked[1], acked[1], delivered, unacked,
			twice, n_changed, lost);
	if(acked[0] == 0 || acked[1] == 0)
		printf("%s: a kind was never acknowledged: the test proves nothing\n",
				what);
	return lost == 0 && n_changed == 0 && acked[0] > 0 && acked[1] > 0;
}
