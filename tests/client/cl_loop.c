/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lets the MSRP endpoint (peer_loop.h) live in sofia-sip's event loop. Called
 * once by main; afterwards by tests/msrp through the function pointer.
 */
#include "client.h"

#include <poll.h>
#include <stdlib.h>

struct watched
{
	struct watched *next;
	struct client *c;
	int fd, index;
	peer_ready_cb *ready;
	void *obj;
};

static struct watched *all;

static int on_ready(su_root_magic_t *magic, su_wait_t *w, su_wakeup_arg_t *arg)
{
	struct watched *x = (struct watched *)arg;
	int ev = su_wait_events(w, x->fd);
	short revents = 0;

	(void)magic;
	if(ev & SU_WAIT_IN)
		revents |= POLLIN;
	if(ev & SU_WAIT_OUT)
		revents |= POLLOUT;
	if(ev & (SU_WAIT_HUP | SU_WAIT_ERR))
		revents |= POLLHUP;
	if(revents && x->ready)
		x->ready(x->obj, revents);
	return 0;
}

static int su_events(short events)
{
	return (events & POLLIN ? SU_WAIT_IN : 0)
			| (events & POLLOUT ? SU_WAIT_OUT : 0);
}

static void loop_watch(struct peer_loop *loop, int fd, short events,
		peer_ready_cb *ready, void *obj)
{
	struct client *c = loop->arg;
	struct watched **at = &all, *x;
	su_wait_t wait[1] = {SU_WAIT_INIT};

	while(*at && (*at)->fd != fd)
		at = &(*at)->next;
	x = *at;
	if(events == 0) {
		if(!x)
			return;
		*at = x->next;
		su_root_deregister(c->root, x->index);
		free(x);
		return;
	}
	if(x) {
		x->ready = ready;
		x->obj = obj;
		su_root_eventmask(c->root, x->index, fd, su_events(events));
		return;
	}
	x = calloc(1, sizeof(*x));
	if(!x || su_wait_create(wait, fd, su_events(events)) != 0)
		abort();
	*x = (struct watched){all, c, fd, 0, ready, obj};
	x->index = su_root_register(c->root, wait, on_ready, (void *)x, 0);
	if(x->index <= 0)
		abort();
	all = x;
}

void cl_loop_init(struct client *c)
{
	c->loop.watch = loop_watch;
	c->loop.arg = c;
}
