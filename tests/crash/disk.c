/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model of the disk: for each file the durable bytes and the writes since,
 * for each directory the durable names and the changes since. A cut keeps none
 * of what is pending, all of it, what came first, or any part of it.
 */
#include "disk.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rng.h"

#define NODES 65536

struct pending
{
	struct pending *next;
	enum trace_op op; /* T_WRITE, T_TRUNCATE; T_NAME, T_UNNAME, T_RENAME */
	uint64_t seq, node, dir2, at;
	bool lost; /* an fsync failed: no later one will write it */
	size_t len;
	char data[];
};

struct entry
{
	struct entry *next;
	uint64_t node;
	char name[256];
};

struct bytes
{
	char *p;
	size_t size, cap;
};

struct node
{
	bool exists, dir;
	char *path; /* in base */
	struct bytes durable;
	struct entry *entries;
	struct pending *first, **last;
};

/* What a cut keeps. */
struct mercy
{
	unsigned percent;
	uint64_t until; /* seq: of what came later nothing */
	size_t sector;
	bool garbage; /* where a file has grown: not zeros */
};

struct disk
{
	char *base;
	bool began;
	uint64_t rng, seq;
	struct node *nodes;
};

static void *need(void *p)
{
	if(p == NULL)
		abort();
	return p;
}

static void grow(struct bytes *b, size_t size)
{
	if(size > b->cap) {
		b->cap = size + size / 2;
		b->p = need(realloc(b->p, b->cap));
	}
	if(size > b->size)
		memset(b->p + b->size, 0, size - b->size);
	b->size = size > b->size ? size : b->size;
}

static struct node *node_of(struct disk *d, uint64_t n)
{
	if(n == 0 || n >= NODES)
		abort();
	return &d->nodes[n];
}

static struct node *node_begin(struct disk *d, uint64_t n, bool dir)
{
	struct node *o = node_of(d, n);

	o->exists = true;
	o->dir = dir;
	o->last = &o->first;
	return o;
}

struct disk *disk_new(const char *base, uint64_t seed)
{
	struct disk *d = need(calloc(1, sizeof(*d)));

	d->nodes = need(calloc(NODES, sizeof(*d->nodes)));
	d->base = need(strdup(base));
	d->rng = seed;
	node_begin(d, TRACE_ROOT, true)->path = need(strdup(base));
	return d;
}

static void pending_free(struct node *o)
{
	while(o->first) {
		struct pending *p = o->first;

		o->first = p->next;
		free(p);
	}
	o->last = &o->first;
}

static void entries_free(struct entry *e)
{
	while(e) {
		struct entry *next = e->next;

		free(e);
		e = next;
	}
}

void disk_free(struct disk *d)
{
	for(size_t i = 0; i < NODES; i++) {
		struct node *o = &d->nodes[i];

		if(!o->exists)
			continue;
		pending_free(o);
		entries_free(o->entries);
		free(o->durable.p);
		free(o->path);
	}
	free(d->nodes);
	free(d->base);
	free(d);
}

/* ---- names ------------------------------------------------------------- */

static void entry_drop(struct entry **list, const char *name, uint64_t node)
{
	for(; *list; list = &(*list)->next) {
		struct entry *e = *list;

		if(strcmp(e->name, name) == 0 && (node == 0 || e->node == node)) {
			*list = e->next;
			free(e);
			return;
		}
	}
}

static void entry_set(struct entry **list, const char *name, uint64_t node)
{
	struct entry *e;

	entry_drop(list, name, 0);
	e = need(calloc(1, sizeof(*e)));
	e->node = node;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->next = *list;
	*list = e;
}

/* A rename is kept by its source directory; within one directory it is atomic,
 * which is all that is promised to anybody. */
static void name_apply(struct entry **list, const struct pending *p)
{
	if(p->op == T_NAME)
		entry_set(list, p->data, p->node);
	else if(p->op == T_UNNAME)
		entry_drop(list, p->data, p->node);
	else {
		entry_drop(list, p->data, p->node);
		entry_set(list, p->data + strlen(p->data) + 1, p->node);
	}
}

/* ---- bytes ------------------------------------------------------------- */

static bool keeps(struct disk *d, const struct mercy *m, uint64_t seq)
{
	return m == NULL || (seq < m->until && rng_chance(&d->rng, m->percent));
}

/* A write, sector by sector of the file; m NULL: all of it. */
static void write_apply(struct disk *d, struct bytes *b,
		const struct pending *p, const struct mercy *m)
{
	size_t sector = m ? m->sector : p->len + 1, at = p->at, end = at + p->len;

	while(at < end) {
		size_t to = m ? (at / sector + 1) * sector : end;

		if(to > end)
			to = end;
		if(keeps(d, m, p->seq)) {
			grow(b, to);
			memcpy(b->p + at, p->data + (at - p->at), to - at);
		}
		at = to;
	}
}

static void bytes_apply(struct disk *d, struct bytes *b,
		const struct pending *p, const struct mercy *m)
{
	size_t old = b->size;

	if(p->op == T_WRITE) {
		write_apply(d, b, p, m);
		/* the new size has been written, the bytes have not */
		if(m && keeps(d, m, p->seq) && p->at + p->len > b->size) {
			old = b->size;
			grow(b, p->at + p->len);
			for(size_t i = old; m->garbage && i < b->size; i++)
				b->p[i] = (char)rng_next(&d->rng);
		}
	} else if(keeps(d, m, p->seq)) {
		if(p->at < b->size)
			b->size = p->at;
		else
			grow(b, p->at);
	}
}

static void sync_node(struct disk *d, struct node *o)
{
	const struct mercy half = {50, UINT64_MAX, 512, false};

	for(struct pending *p = o->first; p; p = p->next) {
		if(o->dir)
			name_apply(&o->entries, p);
		else
			bytes_apply(d, &o->durable, p, p->lost ? &half : NULL);
	}
	pending_free(o);
}

static void load(struct node *o)
{
	int fd = open(o->path, O_RDONLY);
	struct stat st;

	if(fd < 0 || fstat(fd, &st) < 0)
		abort();
	grow(&o->durable, (size_t)st.st_size);
	if(st.st_size > 0
			&& read(fd, o->durable.p, (size_t)st.st_size) != st.st_size)
		abort();
	close(fd);
}

static void pend(struct disk *d, struct node *o, const struct trace_rec *rec,
		const char *data)
{
	struct pending *p = need(calloc(1, sizeof(*p) + rec->len + 1));

	p->op = rec->op;
	p->seq = ++d->seq;
	p->node = rec->node;
	p->dir2 = rec->dir2;
	p->at = rec->at;
	p->len = rec->len;
	if(rec->len > 0)
		memcpy(p->data, data, rec->len);
	*o->last = p;
	o->last = &p->next;
}

/* A name that was there before the trace: durable, with its bytes. */
static void was_there(
		struct disk *d, const struct trace_rec *rec, const char *name)
{
	struct node *dir = node_of(d, rec->dir), *o = node_of(d, rec->node);
	size_t n = strlen(dir->path) + rec->len + 2;
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)rec->len, name);
	entry_set(&dir->entries, text, rec->node);
	o->path = need(malloc(n));
	snprintf(o->path, n, "%s/%s", dir->path, text);
	if(!o->dir)
		load(o);
}

void disk_apply(struct disk *d, const struct trace_rec *rec, const char *data)
{
	switch((enum trace_op)rec->op) {
		case T_FILE:
		case T_DIR:
			node_begin(d, rec->node, rec->op == T_DIR);
			break;
		case T_NAME:
			if(!d->began)
				was_there(d, rec, data);
			else
				pend(d, node_of(d, rec->dir), rec, data);
			break;
		case T_UNNAME:
		case T_RENAME:
			pend(d, node_of(d, rec->dir), rec, data);
			break;
		case T_WRITE:
		case T_TRUNCATE:
			pend(d, node_of(d, rec->node), rec, data);
			break;
		case T_SYNC:
			sync_node(d, node_of(d, rec->node));
			break;
		case T_SYNC_FAILED:
			for(struct pending *p = node_of(d, rec->node)->first; p;
					p = p->next)
				p->lost = true;
			break;
		case T_FAULT:
			break;
		case T_MARK:
			d->began = true;
			break;
	}
}

/* ---- the cut ----------------------------------------------------------- */

static void file_out(struct disk *d, const struct node *o,
		const struct mercy *m, const char *path)
{
	struct bytes b = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if(fd < 0)
		abort();
	grow(&b, o->durable.size);
	if(b.size > 0)
		memcpy(b.p, o->durable.p, b.size);
	for(const struct pending *p = o->first; p; p = p->next)
		bytes_apply(d, &b, p, m);
	if(b.size > 0 && write(fd, b.p, b.size) != (ssize_t)b.size)
		abort();
	free(b.p);
	close(fd);
}

static void dir_out(struct disk *d, const struct node *o, const struct mercy *m,
		const char *path)
{
	struct entry *list = NULL;
	char sub[4096];

	if(mkdir(path, 0700) < 0)
		abort();
	for(const struct entry *e = o->entries; e; e = e->next)
		entry_set(&list, e->name, e->node);
	for(const struct pending *p = o->first; p; p = p->next)
		if(keeps(d, m, p->seq))
			name_apply(&list, p);
	for(const struct entry *e = list; e; e = e->next) {
		const struct node *n = node_of(d, e->node);

		snprintf(sub, sizeof(sub), "%s/%s", path, e->name);
		if(n->dir)
			dir_out(d, n, m, sub);
		else
			file_out(d, n, m, sub);
	}
	entries_free(list);
}

void disk_cut(struct disk *d, const char *out)
{
	struct mercy m = {.until = UINT64_MAX};

	switch(rng_below(&d->rng, 5)) {
		case 0:
			m.percent = 0;
			break;
		case 1:
			m.percent = 100;
			break;
		case 2:
			m.percent = 100;
			m.until =
					d->seq - rng_below(&d->rng, d->seq < 64 ? d->seq + 1 : 64);
			break;
		default:
			m.percent = (unsigned)rng_below(&d->rng, 100) + 1;
	}
	m.sector = rng_chance(&d->rng, 50) ? 512 : 4096;
	m.garbage = rng_chance(&d->rng, 30);
	dir_out(d, node_of(d, TRACE_ROOT), &m, out);
}
