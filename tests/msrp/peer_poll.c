/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small event loop over poll(2): the loop of programs and tests that have no
 * other. Implements peer_loop.h.
 */
#include "peer_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct peer_poll
{
	struct peer_loop loop;
	struct pollfd *fds;
	struct
	{
		peer_ready_cb *ready;
		void *obj;
	} * who;
	size_t n, cap;
};

static void grow(struct peer_poll *p)
{
	size_t cap = p->cap ? p->cap * 2 : 16;

	p->fds = reallocarray(p->fds, cap, sizeof(*p->fds));
	p->who = reallocarray(p->who, cap, sizeof(*p->who));
	if(!p->fds || !p->who)
		abort();
	p->cap = cap;
}

static void poll_watch(struct peer_loop *loop, int fd, short events,
		peer_ready_cb *ready, void *obj)
{
	struct peer_poll *p = loop->arg;
	size_t i = 0;

	while(i < p->n && p->fds[i].fd != fd)
		i++;
	if(events == 0) {
		/* Emptied only: a step may be walking the table. */
		if(i < p->n)
			p->fds[i].fd = -1;
		return;
	}
	if(i == p->n) {
		if(p->n == p->cap)
			grow(p);
		p->n++;
		p->fds[i] = (struct pollfd){.fd = fd};
	}
	p->fds[i].events = events;
	p->who[i].ready = ready;
	p->who[i].obj = obj;
}

struct peer_poll *peer_poll_new(void)
{
	struct peer_poll *p = calloc(1, sizeof(*p));

	if(!p)
		abort();
	p->loop.watch = poll_watch;
	p->loop.arg = p;
	return p;
}

struct peer_loop *peer_poll_loop(struct peer_poll *p)
{
	return &p->loop;
}

int peer_poll_step(struct peer_poll *p, int timeout_ms)
{
	size_t keep = 0, n;
	int ready;

	for(size_t i = 0; i < p->n; i++) {
		if(p->fds[i].fd < 0)
			continue;
		p->fds[keep] = p->fds[i];
		p->who[keep++] = p->who[i];
	}
	p->n = n = keep;
	ready = poll(p->fds, n, timeout_ms);
	if(ready < 0)
		return errno == EINTR ? 0 : -errno;
	for(size_t i = 0; i < n; i++) {
		short revents = p->fds[i].revents;

		if(p->fds[i].fd < 0 || revents == 0)
			continue;
		p->fds[i].revents = 0;
		p->who[i].ready(p->who[i].obj, revents);
	}
	return ready;
}

void peer_poll_free(struct peer_poll **p)
{
	if(!*p)
		return;
	free((*p)->fds);
	free((*p)->who);
	free(*p);
	*p = NULL;
}
