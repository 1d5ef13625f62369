/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link (cpm_link.h): the queue through which all processes hand commands
 * to one link process, and that process: its loop, deadlines and calls back.
 *
 * A command is one block of shared memory; its pointer goes through a pipe, 8
 * bytes at once, so writes are atomic and never block. Whoever holds the
 * pointer owns the block: first the worker, then the link process, which
 * frees it after the one call back. relay_queue bounds how many exist.
 */
#include "cpm_link_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../../core/cfg/cfg_struct.h"
#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/pt.h"
#include "../../core/sr_module.h"
#include "cpm_conf.h"
#include "cpm_evroute.h"
#include "cpm_stats.h"
#include "proto/ctl.h"

#define TAKE_MAX 512 /* pointers taken from the pipe at once */

cpm_link_shared_t *cpm_link_shared;
cpm_reqs_t cpm_link_reqs;

static int queue[2] = {-1, -1};
static cpm_link_event_f on_event;
static cpm_link_up_f on_up;

int64_t cpm_link_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t cpm_link_now_ms(void)
{
	return cpm_link_now_us() / 1000;
}

int cpm_link_is_up(void)
{
	return cpm_link_shared != NULL
			&& __atomic_load_n(&cpm_link_shared->up, __ATOMIC_ACQUIRE);
}

int cpm_link_pending(void)
{
	return cpm_link_shared == NULL
			? 0
			: __atomic_load_n(&cpm_link_shared->pending, __ATOMIC_RELAXED);
}

void cpm_link_info_get(cpm_link_info_t *out)
{
	lock_get(&cpm_link_shared->lock);
	*out = cpm_link_shared->info;
	lock_release(&cpm_link_shared->lock);
	out->heard_ms =
			__atomic_load_n(&cpm_link_shared->heard_ms, __ATOMIC_RELAXED);
}

void cpm_link_on_event(cpm_link_event_f f)
{
	on_event = f;
}

void cpm_link_on_up(cpm_link_up_f f)
{
	on_up = f;
}

/* ---- the workers' side ----------------------------------------------------
 */

/* A block of shared memory with the encoded command, or NULL with errno. */
static cpm_link_task_t *task_new(const char *method, const json_t *params)
{
	uint64_t id =
			__atomic_fetch_add(&cpm_link_shared->next_id, 1, __ATOMIC_RELAXED);
	size_t n;
	char *line = ctl_encode_request(id, method, params, &n);
	cpm_link_task_t *t;

	if(line == NULL)
		return NULL;
	t = shm_malloc(sizeof(*t) + n);
	if(t != NULL) {
		memset(t, 0, sizeof(*t));
		t->req.id = id;
		t->n = (uint32_t)n;
		memcpy(t->line, line, n);
	}
	free(line);
	errno = ENOMEM;
	return t;
}

/* Waiting for a relay that has been away for so long helps nobody. */
static bool away_too_long(int64_t now_ms)
{
	int64_t down = __atomic_load_n(&cpm_link_shared->down_ms, __ATOMIC_ACQUIRE);

	return down != 0 && now_ms - down > cpm_conf.relay_timeout;
}

static int queue_task(cpm_link_task_t *t)
{
	ssize_t n;

	do
		n = write(queue[1], &t, sizeof(t));
	while(n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(t) ? 0 : -EAGAIN;
}

int cpm_link_send(const char *method, json_t *params, int deadline_ms,
		cpm_link_reply_f reply, uint64_t session, int leg)
{
	cpm_link_task_t *t = NULL;
	int64_t now_us = cpm_link_now_us();
	int rc = 0;

	if(deadline_ms <= 0)
		deadline_ms = cpm_conf.relay_timeout;
	if(away_too_long(now_us / 1000)) {
		rc = -ENOTCONN;
	} else if(__atomic_add_fetch(&cpm_link_shared->pending, 1, __ATOMIC_RELAXED)
			> cpm_conf.relay_queue) {
		rc = -EAGAIN;
		__atomic_sub_fetch(&cpm_link_shared->pending, 1, __ATOMIC_RELAXED);
	} else {
		t = task_new(method, params);
		if(t == NULL) {
			rc = -errno;
		} else {
			t->reply = reply;
			t->session = session;
			t->leg = leg;
			t->queued_us = now_us;
			t->req.deadline_ms = now_us / 1000 + deadline_ms;
			rc = queue_task(t);
		}
		if(rc < 0) {
			__atomic_sub_fetch(&cpm_link_shared->pending, 1, __ATOMIC_RELAXED);
			if(t != NULL)
				shm_free(t);
		}
	}
	json_decref(params);
	cpm_stat_inc(rc == 0 ? CPM_STAT_LINK_COMMANDS : CPM_STAT_LINK_REFUSED);
	return rc;
}

/* ---- the link process: tasks ----------------------------------------------
 */

void cpm_link_task_done(
		cpm_link_task_t *t, cpm_link_rc_t rc, int code, const json_t *result)
{
	static const cpm_stat_t counted[] = {[-CPM_LINK_OK] = CPM_STAT_LINK_RESULTS,
			[-CPM_LINK_ERROR] = CPM_STAT_LINK_ERRORS,
			[-CPM_LINK_TIMEOUT] = CPM_STAT_LINK_TIMEOUTS,
			[-CPM_LINK_DOWN] = CPM_STAT_LINK_DOWN};

	cpm_reqs_remove(&cpm_link_reqs, &t->req);
	__atomic_sub_fetch(&cpm_link_shared->pending, 1, __ATOMIC_RELAXED);
	cpm_stat_inc(counted[-rc]);
	if(rc == CPM_LINK_OK || rc == CPM_LINK_ERROR)
		cpm_stat_add(
				CPM_STAT_LINK_WAIT_US, (int)(cpm_link_now_us() - t->queued_us));
	if(t->reply != NULL)
		t->reply(rc, code, result, t->session, t->leg);
	shm_free(t);
}

void cpm_link_event(const char *type, const json_t *params)
{
	if(on_event != NULL)
		on_event(type, params);
}

void cpm_link_came_up(bool new_boot)
{
	if(on_up != NULL)
		on_up(new_boot);
	cpm_evroute_run(CPM_EV_RELAY_UP);
}

void cpm_link_went_down(bool was_up)
{
	if(was_up)
		cpm_evroute_run(CPM_EV_RELAY_DOWN);
}

/* Move what the workers have queued into the table. */
static void take_tasks(void)
{
	cpm_link_task_t *got[TAKE_MAX];
	ssize_t n = read(queue[0], got, sizeof(got));

	if(n < 0) {
		if(errno != EAGAIN && errno != EINTR)
			LM_ERR("reading the queue: %s\n", strerror(errno));
		return;
	}
	for(size_t i = 0; i < (size_t)n / sizeof(got[0]); i++) {
		/* Cannot fail: pending is bounded as the table is, ids are unique. */
		if(cpm_reqs_add(&cpm_link_reqs, &got[i]->req) < 0) {
			LM_CRIT("command %llu does not fit the table\n",
					(unsigned long long)got[i]->req.id);
			shm_free(got[i]);
		}
	}
}

static void expire_tasks(int64_t now)
{
	cpm_link_req_t *r;

	while((r = cpm_reqs_earliest(&cpm_link_reqs)) != NULL
			&& r->deadline_ms <= now) {
		cpm_link_task_t *t = (cpm_link_task_t *)r;
		int64_t queued_ms = t->queued_us / 1000;
		bool sent = r->sent;

		cpm_link_task_done(t,
				cpm_link_conn_is_up() ? CPM_LINK_TIMEOUT : CPM_LINK_DOWN, 0,
				NULL);
		if(sent)
			cpm_link_conn_suspect(queued_ms);
	}
}

/* ---- the link process: loop -----------------------------------------------
 */

static int wait_ms(int64_t now)
{
	int64_t next = cpm_link_conn_next_ms();
	cpm_link_req_t *r = cpm_reqs_earliest(&cpm_link_reqs);

	if(r != NULL && r->deadline_ms < next)
		next = r->deadline_ms;
	next -= now;
	return next < 0 ? 0 : next > 1000 ? 1000 : (int)next;
}

static void loop(int epfd)
{
	struct epoll_event ev[4];

	for(;;) {
		int64_t now = cpm_link_now_ms();
		int n = epoll_wait(epfd, ev, 4, wait_ms(now));

		if(n < 0 && errno != EINTR) {
			LM_CRIT("epoll_wait: %s\n", strerror(errno));
			return;
		}
		cfg_update();
		for(int i = 0; i < n; i++) {
			if(ev[i].data.fd == queue[0])
				take_tasks();
			else if(ev[i].data.fd == cpm_link_conn_fd())
				cpm_link_conn_ready(ev[i].events);
		}
		now = cpm_link_now_ms();
		expire_tasks(now);
		cpm_link_conn_tick(now);
		cpm_link_conn_flush();
	}
}

/* Never returns: the end of any process ends Kamailio. */
static void link_process(void)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = queue[0]};
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	cpm_link_shared->info.pid = getpid();
	if(epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, queue[0], &ev) < 0)
		LM_CRIT("epoll: %s\n", strerror(errno));
	else if(cpm_reqs_init(&cpm_link_reqs, (uint32_t)cpm_conf.relay_queue) < 0)
		LM_CRIT("no memory for %d commands\n", cpm_conf.relay_queue);
	else if(cpm_link_conn_init(epfd) == 0)
		loop(epfd);
	exit(-1);
}

/* ---- hooks -----------------------------------------------------------------
 */

int cpm_link_mod_init(void)
{
	cpm_link_shared = shm_malloc(sizeof(*cpm_link_shared));
	if(cpm_link_shared == NULL) {
		SHM_MEM_ERROR;
		return -1;
	}
	memset(cpm_link_shared, 0, sizeof(*cpm_link_shared));
	if(lock_init(&cpm_link_shared->lock) == NULL) {
		LM_ERR("the link's lock could not be created\n");
		return -1;
	}
	cpm_link_shared->next_id = 1;
	cpm_link_shared->down_ms = cpm_link_now_ms();
	cpm_link_shared->info.since_ms = cpm_link_shared->down_ms;
	register_procs(1);
	cfg_register_child(1);
	return 0;
}

/* The pipe must exist before any fork; its default size is 8,192 pointers. */
static int open_queue(void)
{
	int want = cpm_conf.relay_queue * (int)sizeof(void *);

	if(pipe2(queue, O_NONBLOCK | O_CLOEXEC) < 0) {
		LM_ERR("pipe: %s\n", strerror(errno));
		return -1;
	}
	if(fcntl(queue[1], F_GETPIPE_SZ) < want
			&& fcntl(queue[1], F_SETPIPE_SZ, want) < 0)
		LM_WARN("relay_queue %d: the pipe holds only %d commands (%s;"
				" fs.pipe-max-size)\n",
				cpm_conf.relay_queue,
				fcntl(queue[1], F_GETPIPE_SZ) / (int)sizeof(void *),
				strerror(errno));
	return 0;
}

int cpm_link_child_init(int rank)
{
	int pid;

	if(rank == PROC_INIT)
		return open_queue();
	if(rank > 0 && queue[0] >= 0) { /* SIP workers only write */
		close(queue[0]);
		queue[0] = -1;
	}
	if(rank != PROC_MAIN)
		return 0;
	pid = fork_process(PROC_RPC, "CPM link", 1);
	if(pid < 0)
		return -1;
	if(pid == 0) {
		if(cfg_child_init())
			exit(-1);
		link_process();
	}
	return 0;
}

void cpm_link_destroy(void)
{
	if(cpm_link_shared == NULL)
		return;
	lock_destroy(&cpm_link_shared->lock);
	shm_free(cpm_link_shared);
	cpm_link_shared = NULL;
}
