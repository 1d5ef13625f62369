/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tap of ctl_tap.h: one thread, one connection at a time.
 */
#include "ctl_tap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK 65536

struct tap
{
	struct lab *lab;
	pthread_t thread;
	char path[600], real[610];
	int listener, wake[2];
	bool stopped;
	_Atomic bool armed, holding;
	char word[64]; /* set before armed */
};

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	cr_assert(strlen(path) < sizeof(a.sun_path), "%s", path);
	memcpy(a.sun_path, path, strlen(path));
	return a;
}

/* One read of one side to the other; false: the connection is over. */
static bool pass(struct tap *t, int from, int to, bool answers)
{
	static char room[CHUNK + 1];
	ssize_t n = recv(from, room, CHUNK, 0);

	if(n <= 0)
		return false;
	room[n] = '\0';
	if(answers && t->holding)
		return true;
	if(!answers && t->armed && strstr(room, t->word))
		t->holding = true;
	for(ssize_t at = 0, w; at < n; at += w) {
		w = send(to, room + at, (size_t)(n - at), MSG_NOSIGNAL);
		if(w <= 0)
			return false;
	}
	return true;
}

static void carry(struct tap *t, int pf)
{
	struct sockaddr_un a = address(t->real);
	int relay = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p[] = {{.fd = pf, .events = POLLIN},
			{.fd = relay, .events = POLLIN},
			{.fd = t->wake[0], .events = POLLIN}};
	bool go = connect(relay, (struct sockaddr *)&a, sizeof(a)) == 0;

	while(go) {
		poll(p, 3, -1);
		if(p[2].revents)
			break;
		if(p[0].revents)
			go = pass(t, pf, relay, false);
		if(go && p[1].revents)
			go = pass(t, relay, pf, true);
		if(!go && t->holding) { /* the relay is gone: the PF must not know */
			poll(&p[2], 1, -1);
			break;
		}
	}
	close(relay);
}

static void *run(void *arg)
{
	struct tap *t = arg;
	struct pollfd p[] = {{.fd = t->listener, .events = POLLIN},
			{.fd = t->wake[0], .events = POLLIN}};

	for(;;) {
		poll(p, 2, -1);
		if(p[1].revents)
			return NULL;
		int pf = accept(t->listener, NULL, NULL);

		carry(t, pf);
		close(pf);
	}
}

struct tap *tap_start(struct lab *lab)
{
	struct tap *t = calloc(1, sizeof(*t));
	struct sockaddr_un a = address(lab->relay_sock);

	t->lab = lab;
	snprintf(t->path, sizeof(t->path), "%s", lab->relay_sock);
	snprintf(t->real, sizeof(t->real), "%s.real", t->path);
	cr_assert_eq(rename(t->path, t->real), 0, "%s", strerror(errno));
	t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(t->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(t->listener, 5), 0);
	cr_assert_eq(pipe(t->wake), 0);
	snprintf(lab->relay_sock, sizeof(lab->relay_sock), "%.590s", t->real);
	pthread_create(&t->thread, NULL, run, t);
	return t;
}

void tap_hold(struct tap *t, const char *method)
{
	snprintf(t->word, sizeof(t->word), "\"%s\"", method);
	t->armed = true;
}

void tap_stop(struct tap *t)
{
	if(t->stopped)
		return;
	t->stopped = true;
	snprintf(t->lab->relay_sock, sizeof(t->lab->relay_sock), "%s", t->path);
	cr_assert_eq(rename(t->real, t->path), 0, "%s", strerror(errno));
	cr_assert_eq(write(t->wake[1], "", 1), 1);
	pthread_join(t->thread, NULL);
	close(t->listener);
}
