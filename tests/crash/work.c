/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store under load, see work.h. Every operation starts the next one when
 * it has been answered, so that a good number of them share each commit.
 */
#include "work.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash/rng.h"
#include "crash/work_conf.h"
#include "crash/trace.h"

#define AT_ONCE 12
#define USERS 9
#define BODY_MAX 60000
#define REFS 256

struct run
{
	struct store *s;
	struct store_port *port;
	const char *name;
	const char *dir;
	uint64_t rng;
	int left, under_way, serial;
	char refs[REFS][STORE_REF_LEN + 1]; /* stored here, perhaps gone */
	int n_refs;
	shim_mark_fn *mark;
	uv_timer_t limit;
};

struct op
{
	struct run *r;
	char key[64], ref[STORE_REF_LEN + 1];
	char *body;
	struct iovec part;
};

static void next(struct run *r);

static void say(struct run *r, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
static void say(struct run *r, const char *format, ...)
{
	char line[WORK_LINE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if(r->mark)
		r->mark(line);
}

void work_sha(const void *p, size_t n, char hex[65])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256(p, n, sum);
	for(size_t i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static struct op *op_new(struct run *r)
{
	struct op *o = calloc(1, sizeof(*o));

	if(o == NULL)
		abort();
	o->r = r;
	r->under_way++;
	return o;
}

static void op_end(struct op *o)
{
	struct run *r = o->r;

	r->under_way--;
	free(o->body);
	free(o);
	next(r);
}

/* ---- storing ----------------------------------------------------------- */

static void put_done(void *arg, int rc, const struct store_result *res)
{
	struct op *o = arg;
	struct run *r = o->r;

	if(rc == 0) {
		say(r, "ack %s %s", o->key, res->messages[0].ref);
		snprintf(r->refs[r->n_refs++ % REFS], sizeof(r->refs[0]), "%s",
				res->messages[0].ref);
	} else {
		say(r, "no %s %d", o->key, rc);
	}
	op_end(o);
}

/* A file without a name, as the spool of a session has. */
static int spooled(struct run *r, const char *p, size_t n)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/bodies", r->dir);
	fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if(fd >= 0 && pwrite(fd, p, n, 0) != (ssize_t)n) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put(struct run *r)
{
	struct op *o = op_new(r);
	bool large = rng_chance(&r->rng, 20);
	size_t n = 1
			+ rng_below(&r->rng,
					large                             ? BODY_MAX
							: rng_chance(&r->rng, 20) ? 12000
													  : 800);
	char user[64], sha[65], text[96];
	struct store_put m = {.user = user,
			.sender = "sip:alice@example.com",
			.key = o->key,
			.envelope = "{\"from\":\"sip:alice@example.com\"}",
			.type = "message/cpim",
			.kind = large ? STORE_LARGE : STORE_PAGER,
			.message_id = large ? "m1" : "",
			.imdn_id = text,
			.imdn_negative = rng_chance(&r->rng, 50),
			.next_ms = rng_chance(&r->rng, 50) ? STORE_NEVER : 0,
			.body = {.fd = -1, .parts = &o->part, .n_parts = 1}};

	snprintf(user, sizeof(user), "sip:u%d@example.com",
			(int)rng_below(&r->rng, USERS));
	snprintf(o->key, sizeof(o->key), "%s-%d", r->name, r->serial++);
	snprintf(text, sizeof(text), "imdn-%s", o->key);
	o->body = malloc(n);
	if(o->body == NULL)
		abort();
	for(size_t i = 0; i < n; i++)
		o->body[i] = (char)rng_next(&r->rng);
	work_sha(o->body, n, sha);
	o->part = (struct iovec){o->body, n};
	if(large && n > 100 && rng_chance(&r->rng, 60)) {
		size_t first = n - rng_below(&r->rng, 100);

		m.body.fd = spooled(r, o->body, first);
		if(m.body.fd >= 0) {
			m.body.fd_bytes = first;
			o->part = (struct iovec){o->body + first, n - first};
		}
	}
	say(r, "put %s %s", o->key, sha);
	store_put(r->port, &m, put_done, o);
	if(m.body.fd >= 0)
		close(m.body.fd);
}

/* ---- delivering, deleting ---------------------------------------------- */

static void gone_done(void *arg, int rc, const struct store_result *res)
{
	struct op *o = arg;

	(void)res;
	if(rc == 0)
		say(o->r, "gone %s", o->ref);
	op_end(o);
}

static void any_done(void *arg, int rc, const struct store_result *res)
{
	(void)rc;
	(void)res;
	op_end(arg);
}

static void claimed(void *arg, int rc, const struct store_result *res)
{
	struct op *o = arg, *p;
	struct run *r = o->r;
	struct store_settle s = {.ref = o->ref, .code = 480};

	if(rc == 0 && res->n == 1) {
		const struct store_message *m = &res->messages[0];

		snprintf(o->ref, sizeof(o->ref), "%s", m->ref);
		s.fence = m->fence;
		say(r, "fence %s %" PRIu64, o->ref, s.fence);
		p = op_new(r);
		memcpy(p->ref, o->ref, sizeof(p->ref));
		s.ref = p->ref;
		if(rng_chance(&r->rng, 65)) {
			s.outcome = STORE_O_DELIVERED;
			say(r, "go %s", p->ref);
			store_settle(r->port, &s, gone_done, p);
		} else {
			s.outcome = rng_chance(&r->rng, 50) ? STORE_O_RETRY : STORE_O_WAIT;
			store_settle(r->port, &s, any_done, p);
		}
	}
	op_end(o);
}

static void claim(struct run *r)
{
	struct op *o = op_new(r);
	char user[64];
	const char *users[1] = {user};
	struct store_claim c = {
			.users = users, .n_users = 1, .lease_ms = 60000, .any = true};

	snprintf(user, sizeof(user), "sip:u%d@example.com",
			(int)rng_below(&r->rng, USERS));
	store_claim(r->port, &c, claimed, o);
}

static void order(struct run *r)
{
	static const enum store_order some[] = {
			STORE_HOLD, STORE_RELEASE, STORE_REQUEUE, STORE_DELETE};
	enum store_order what = some[rng_below(&r->rng, 4)];
	struct op *o = op_new(r);
	int n = r->n_refs < REFS ? r->n_refs : REFS;

	memcpy(o->ref, r->refs[rng_below(&r->rng, (uint64_t)n)], sizeof(o->ref));
	if(what == STORE_DELETE)
		say(r, "go %s", o->ref);
	store_order(r->port, o->ref, what,
			what == STORE_DELETE ? gone_done : any_done, o);
}

/* ---- the run ----------------------------------------------------------- */

static void next(struct run *r)
{
	uint64_t dice;

	while(r->left > 0 && r->under_way < AT_ONCE) {
		r->left--;
		dice = rng_below(&r->rng, 100);
		if(dice < 50 || r->n_refs == 0)
			put(r);
		else if(dice < 90)
			claim(r);
		else
			order(r);
	}
	if(r->left == 0 && r->under_way == 0 && r->port) {
		store_port_close(&r->port);
		uv_close((uv_handle_t *)&r->limit, NULL);
		uv_stop(r->limit.loop);
	}
}

static void too_long(uv_timer_t *t)
{
	struct run *r = t->data;

	fprintf(stderr, "crash-store: %d operations were not answered\n",
			r->under_way);
	_exit(98);
}

int work_run(const char *dir, const char *name, uint64_t seed, int ops)
{
	struct store_conf conf = work_conf(dir);
	static struct run r;
	uv_loop_t loop;

	r.rng = seed;
	r.name = name;
	r.dir = dir;
	r.left = ops;
	*(void **)&r.mark = dlsym(RTLD_DEFAULT, "shim_mark");
	uv_loop_init(&loop);
	if(store_open(&loop, &conf, NULL, &r.s) < 0)
		return 1;
	if(store_port_open(r.s, &loop, &r.port) < 0)
		return 1;
	r.limit.data = &r;
	uv_timer_init(&loop, &r.limit);
	uv_timer_start(&r.limit, too_long, 60000, 0);
	next(&r);
	uv_run(&loop, UV_RUN_DEFAULT);
	store_close(&r.s);
	uv_run(&loop, UV_RUN_DEFAULT);
	return 0;
}
