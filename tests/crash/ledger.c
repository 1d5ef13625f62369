/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The accountant of power cuts and full disks, see ledger.h.
 */
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MAX 20 /* faults described */

static struct promise *by_key(struct ledger *l, const char *key)
{
	for(size_t i = 0; i < l->n; i++)
		if(strcmp(l->p[i].key, key) == 0)
			return &l->p[i];
	return NULL;
}

static struct promise *by_ref(struct ledger *l, const char *ref)
{
	for(size_t i = 0; i < l->n; i++)
		if(strcmp(l->p[i].ref, ref) == 0)
			return &l->p[i];
	return NULL;
}

static struct promise *add(struct ledger *l, const char *key)
{
	if(l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 256;
		l->p = realloc(l->p, l->cap * sizeof(*l->p));
		if(l->p == NULL)
			abort();
	}
	memset(&l->p[l->n], 0, sizeof(*l->p));
	snprintf(l->p[l->n].key, sizeof(l->p[0].key), "%s", key);
	return &l->p[l->n++];
}

void ledger_mark(struct ledger *l, const char *line)
{
	char what[16] = "", a[64] = "", b[65] = "";
	struct promise *p;

	if(sscanf(line, "%15s %63s %64s", what, a, b) < 2)
		return;
	if(strcmp(what, "put") == 0) {
		p = by_key(l, a) ? by_key(l, a) : add(l, a);
		snprintf(p->sha, sizeof(p->sha), "%s", b);
		return;
	}
	if(strcmp(what, "ack") == 0 && (p = by_key(l, a)) != NULL) {
		snprintf(p->ref, sizeof(p->ref), "%.63s", b);
		p->acked = true;
		return;
	}
	p = by_ref(l, a);
	if(p == NULL)
		return;
	if(strcmp(what, "fence") == 0) {
		uint64_t n = strtoull(b, NULL, 10);

		p->fence = n > p->fence ? n : p->fence;
	} else if(strcmp(what, "go") == 0) {
		p->going = true;
	} else if(strcmp(what, "gone") == 0) {
		p->gone = true;
	}
}

static void fault(const char *where, const char *what, const char *which)
{
	static int told;

	if(told++ < TOLD_MAX)
		fprintf(stderr, "%s: %s: %s\n", where, what, which);
}

static void check_line(
		struct ledger *l, const char *line, struct audit *a, const char *where)
{
	char key[64] = "", ref[64] = "", sha[65] = "";
	uint64_t fence = 0;
	struct promise *p;

	if(sscanf(line, "%63s %63s %" SCNu64 " %64s", key, ref, &fence, sha) != 4)
		return;
	p = by_key(l, key);
	if(p == NULL || p->found) {
		a->strange++;
		fault(where, p ? "there twice" : "nobody has put it", line);
		return;
	}
	p->found = true;
	if(strcmp(p->sha, sha) != 0) {
		a->changed++;
		fault(where, "other bytes", line);
	}
	if(p->gone) {
		a->returned++;
		fault(where, "removed, and there again", line);
	}
	if(p->acked && strcmp(p->ref, ref) != 0) {
		a->strange++;
		fault(where, "other ref", line);
	}
	if(p->acked && fence < p->fence) {
		a->fences++;
		fault(where, "fence went back", line);
	}
	if(!p->acked)
		a->unacked++;
}

void ledger_audit(
		struct ledger *l, const char *list, struct audit *a, const char *where)
{
	char line[512];

	for(size_t i = 0; i < l->n; i++)
		l->p[i].found = false;
	while(list && *list) {
		size_t n = strcspn(list, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, list);
		check_line(l, line, a, where);
		list += n + (list[n] == '\n');
	}
	for(size_t i = 0; i < l->n; i++) {
		const struct promise *p = &l->p[i];

		if(!p->acked || p->going)
			continue;
		a->acked++;
		if(p->found)
			a->found++;
		else {
			a->lost++;
			fault(where, "lost", p->key);
		}
	}
}

void ledger_restart(struct ledger *l, const char *list)
{
	l->n = 0;
	while(list && *list) {
		char key[64] = "", ref[64] = "", sha[65] = "";
		struct promise *p;

		if(sscanf(list, "%63s %63s %*s %64s", key, ref, sha) == 3) {
			p = add(l, key);
			memcpy(p->ref, ref, sizeof(ref));
			memcpy(p->sha, sha, sizeof(sha));
			p->acked = true;
		}
		list += strcspn(list, "\n");
		list += *list == '\n';
	}
}

uint64_t audit_faults(const struct audit *a)
{
	return a->lost + a->changed + a->returned + a->fences + a->strange
			+ a->broken;
}
