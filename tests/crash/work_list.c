/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a store holds, after whatever has happened to it: each message with the
 * sum over its body.
 */
#include "work.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crash/work_conf.h"

#define PAGE 100
#define BODY_MAX (16 * 1024 * 1024)

struct item
{
	char key[256], ref[STORE_REF_LEN + 1];
	uint64_t fence;
};

struct reader
{
	uv_loop_t loop;
	struct store *s;
	struct store_port *port;
	FILE *f;
	struct item page[PAGE];
	int n, at;
	int rc;
	struct store_body *body;
	char *bytes;
	uint64_t size, got;
};

static void read_next(struct reader *r);

static void end(struct reader *r, int rc)
{
	r->rc = rc;
	store_port_close(&r->port);
	uv_stop(&r->loop);
}

static void listed(void *arg, int rc, const struct store_result *res)
{
	struct reader *r = arg;

	if(rc < 0) {
		fprintf(stderr, "crash-store: list: %s\n", store_strerror(rc));
		end(r, 1);
		return;
	}
	r->n = res->n;
	r->at = 0;
	for(int i = 0; i < res->n; i++) {
		struct item *it = &r->page[i];

		snprintf(it->key, sizeof(it->key), "%s", res->messages[i].key);
		snprintf(it->ref, sizeof(it->ref), "%s", res->messages[i].ref);
		it->fence = res->messages[i].fence;
	}
	if(r->n == 0)
		end(r, 0);
	else
		read_next(r);
}

static void ask_page(struct reader *r, const char *after)
{
	struct store_list l = {.state = -1, .after = after, .limit = PAGE};

	store_list(r->port, &l, listed, r);
}

static void item_out(struct reader *r, bool readable)
{
	struct item *it = &r->page[r->at++];
	char sha[65] = "unreadable";

	if(readable)
		work_sha(r->bytes, (size_t)r->size, sha);
	fprintf(r->f, "%s %s %" PRIu64 " %s\n", it->key, it->ref, it->fence, sha);
	if(r->body)
		store_body_close(&r->body);
	free(r->bytes);
	r->bytes = NULL;
	read_next(r);
}

static void got_block(void *arg, int rc, size_t n)
{
	struct reader *r = arg;

	r->got += n;
	if(rc < 0 || r->got >= r->size || n == 0) {
		item_out(r, rc == 0 && r->got == r->size);
		return;
	}
	n = (size_t)(r->size - r->got);
	store_body_read(r->body, r->got, r->bytes + r->got,
			n < STORE_READ_MAX ? n : STORE_READ_MAX, got_block, r);
}

static void opened(void *arg, int rc, struct store_body *body, uint64_t size)
{
	struct reader *r = arg;

	r->body = body;
	r->size = size;
	r->got = 0;
	if(rc < 0 || size > BODY_MAX) {
		item_out(r, false);
		return;
	}
	r->bytes = malloc(size + 1);
	if(r->bytes == NULL)
		abort();
	store_body_read(body, 0, r->bytes,
			size < STORE_READ_MAX ? size : STORE_READ_MAX, got_block, r);
}

static void read_next(struct reader *r)
{
	if(r->at < r->n)
		store_body_open(r->port, r->page[r->at].ref, opened, r);
	else
		ask_page(r, r->page[r->n - 1].ref);
}

int work_list(const char *dir, FILE *f)
{
	struct store_conf conf = work_conf(dir);
	struct reader *r = calloc(1, sizeof(*r));
	int rc;

	if(r == NULL)
		abort();
	r->f = f;
	uv_loop_init(&r->loop);
	if(store_open(&r->loop, &conf, NULL, &r->s) < 0
			|| store_port_open(r->s, &r->loop, &r->port) < 0)
		return 1;
	ask_page(r, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	store_close(&r->s);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	rc = r->rc;
	free(r);
	return fflush(f) == 0 ? rc : 1;
}
