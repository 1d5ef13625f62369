/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the MSRP endpoint asks of the event loop it lives in, so that the client
 * (sofia-sip's su_root) and the tests (poll) drive the same code.
 */
#ifndef PEER_LOOP_H
#define PEER_LOOP_H

/* Called when fd is ready; revents as of poll(2). */
typedef void peer_ready_cb(void *obj, short revents);

struct peer_loop
{
	/* Watch fd for events (POLLIN, POLLOUT); again for other events; events
	 * 0 forgets it, which comes always before the fd is closed. */
	void (*watch)(struct peer_loop *loop, int fd, short events,
			peer_ready_cb *ready, void *obj);
	void *arg; /* for the implementation */
};

/* A loop over poll(2) for programs that have none. */
struct peer_poll;

/** Make a loop; peer_poll_loop gives what the other functions want. */
struct peer_poll *peer_poll_new(void);
struct peer_loop *peer_poll_loop(struct peer_poll *p);

/**
 * Wait at most timeout_ms for one round of events and handle them.
 *
 * @return number of descriptors that were ready; negative errno
 */
int peer_poll_step(struct peer_poll *p, int timeout_ms);
void peer_poll_free(struct peer_poll **p);

#endif
