/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A store to test: each test runs on SQLite in a directory of its own, and on
 * a schema of its own in a real PostgreSQL that all tests of a run share. Calls
 * wait for their answer.
 */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "store/store.h"

#define RIG_ROWS 1000

#define BOB "sip:bob@home1.test"
#define CAROL "sip:carol@home1.test"

struct node
{
	uv_loop_t loop;
	struct store_conf conf;
	struct store *s;
	struct store_port *p;
	char dir[128], url[256], name[32];
	/* the latest answer, copied */
	bool done;
	int rc, n;
	struct store_message m[RIG_ROWS];
	struct store_result res;
	/* events */
	int n_changed, n_due, n_available;
	char changed[256]; /* the latest one */
};

/* A test on both backends; `r` is open. */
#define BOTH(name)                                                             \
	static void name(struct node *r);                                          \
	Test(store_sqlite, name)                                                   \
	{                                                                          \
		rig_test(STORE_SQLITE, name);                                          \
	}                                                                          \
	Test(store_pgsql, name)                                                    \
	{                                                                          \
		rig_test(STORE_PGSQL, name);                                           \
	}                                                                          \
	static void name(struct node *r)

void rig_test(enum store_backend backend, void (*test)(struct node *r));

/* Another node of the same store; open. */
struct node *rig_join(const struct node *r, const char *name);
int rig_open(struct node *r);
void rig_close(struct node *r);
void rig_free(struct node *r);

/* Wait for the answer of a call that was given rig_cb and r. */
store_done_cb rig_cb;
int rig_wait(struct node *r);
/* Run the loop until *what, 20 s at most. */
void rig_until(struct node *r, const bool *what);
void rig_sleep(struct node *r, int ms);

/* A pager message of this user with this text; `seq` makes it unique. */
struct store_put rig_message(const char *user, int seq);
int rig_put(
		struct node *r, const struct store_put *m, const void *body, size_t n);
/* The usual one is stored; its ref, to be freed. */
char *rig_stored(struct node *r, const char *user, int seq);
/* 0 and r->n 0 or 1, r->m[0]. */
int rig_claim(struct node *r, const char *user, int lease_ms, bool any);
int rig_claim_ref(struct node *r, const char *ref, int lease_ms);
int rig_settle(struct node *r, const char *ref, uint64_t fence,
		enum store_outcome outcome, int retry_ms);
int rig_order(struct node *r, const char *ref, enum store_order what);
int rig_list(struct node *r, const char *user, int state, const char *after,
		int limit);
int rig_show(struct node *r, const char *ref);
/* How many messages this user has. */
int rig_count(struct node *r, const char *user);
struct store_stats rig_stats(struct node *r);
/* The whole body, to be freed. */
char *rig_body(struct node *r, const char *ref, size_t *n);
/* Files in the directory of bodies; PostgreSQL: chunk rows. */
int rig_bodies(struct node *r);
/* Run SQL in the database behind the store's back; the first field. */
const char *rig_sql(struct node *r, const char *sql);

#endif
