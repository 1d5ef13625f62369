/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message is delivered and settled, but some of its owner's clients have not
 * decided: how long the next one waits for them (cpm_push.h). A client that
 * does not answer holds up nobody for long: a large message goes on without its
 * round, whose sessions are limited here, for each user and in all. A client
 * that receives one gets the next when it has it.
 */
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_push_int.h"
#include "cpm_term.h"

#define SLOW_MS 1000 /* for one that did not answer the message before */
#define LEFT_MAX 8   /* large messages of one user, one after the other */

static unsigned *n_left; /* atomic; sessions of messages that are left */

uint64_t cpm_push_linger_ms(const cpm_push_t *p)
{
	return p->slow && cpm_conf.fork_wait > SLOW_MS
			? SLOW_MS
			: (uint64_t)cpm_conf.fork_wait;
}

/* A place for one more; the session gives it back at its end. */
static bool take_place(void)
{
	if(__atomic_add_fetch(n_left, 1, __ATOMIC_RELAXED)
			<= (unsigned)cpm_conf.push_parallel)
		return true;
	cpm_push_left_over();
	return false;
}

void cpm_push_left_over(void)
{
	__atomic_sub_fetch(n_left, 1, __ATOMIC_RELAXED);
}

/* May the next one go out while the session of this one lives on? Without it
 * there is nothing to wait for. */
static bool leave(uint64_t session, bool *left)
{
	cpm_term_left_t how;

	if(!take_place())
		return false;
	how = cpm_term_push_leave(session);
	*left = how == CPM_LEFT;
	if(!*left)
		cpm_push_left_over();
	return how != CPM_LEFT_NOT;
}

void cpm_push_linger_over(uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	uint64_t session;
	bool wait, left = false;

	if(p == NULL)
		return;
	session = p->session;
	wait = p->state != CPM_PU_LINGERING || (p->large && p->n_left >= LEFT_MAX);
	cpm_push_unlock(p);
	if(wait || (session && !leave(session, &left)))
		return; /* its end will tell, or the clock again */
	p = cpm_push_lock(tag);
	if(p == NULL)
		return;
	wait = p->state != CPM_PU_LINGERING; /* it has ended meanwhile */
	if(!wait) {
		p->slow = true;
		p->n_left += left;
		p->state = CPM_PU_ASKING;
	}
	cpm_push_unlock(p);
	if(!wait)
		cpm_push_ask(tag);
}

int cpm_push_linger_init(void)
{
	n_left = shm_malloc(sizeof(*n_left));
	if(n_left == NULL)
		return -1;
	*n_left = 0;
	return 0;
}
