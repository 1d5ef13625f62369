/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket: taking it (and only when no other daemon has it), its
 * mode and group, who may connect, and events to those who want them. Called
 * by main.c; connections are ctl_client.c's.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "log/log.h"
#include "slice.h"
#include "store/store.h"

#define NAME_MAX_BYTES 63 /* of a user or group */
#define BACKLOG 128

static int add_user(struct ctl_server *s, const char *name)
{
	struct passwd *pw = getpwnam(name);
	uint64_t id;

	if(pw)
		id = pw->pw_uid;
	else if(!slice_u64(slice_str(name), UINT32_MAX - 1, &id))
		return -ENOENT;
	s->users[s->n_users++] = (uid_t)id;
	return 0;
}

static int add_group(struct ctl_server *s, const char *name)
{
	struct group *gr = getgrnam(name);
	uint64_t id;

	if(gr)
		id = gr->gr_gid;
	else if(!slice_u64(slice_str(name), UINT32_MAX - 1, &id))
		return -ENOENT;
	s->groups[s->n_groups++] = (gid_t)id;
	return 0;
}

/* "a, b, 1001" */
static int add_members(struct ctl_server *s, const char *option,
		const char *list, int (*add)(struct ctl_server *, const char *))
{
	struct slice rest = slice_str(list);
	int n = 0;

	while(rest.n > 0) {
		struct slice one = slice_trim(slice_cut(rest, ',', &rest));
		char name[NAME_MAX_BYTES + 1];

		if(one.n == 0)
			continue;
		if(one.n > NAME_MAX_BYTES || n++ >= CTL_MEMBERS_MAX) {
			log_error("%s: too long", option);
			return -EINVAL;
		}
		memcpy(name, one.p, one.n);
		name[one.n] = '\0';
		if(add(s, name) < 0) {
			log_error("%s: \"%s\" is unknown on this system", option, name);
			return -EINVAL;
		}
	}
	return 0;
}

/* Held as long as the process lives, so two daemons that start at the same
 * moment cannot both find the socket stale. The file stays. */
static int take_lock(struct ctl_server *s)
{
	char file[128];
	int rc;

	snprintf(file, sizeof(file), "%s.lock", s->path);
	s->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if(s->lock_fd < 0) {
		rc = -errno;
		log_error("%s: %s", file, strerror(-rc));
		return rc;
	}
	if(flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("%s: another msrp-relay is running with it", s->path);
		return -EADDRINUSE;
	}
	return 0;
}

/* Remove what a killed daemon has left; keep what is somebody's. */
static int remove_stale(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, rc;

	if(lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if(!S_ISSOCK(st.st_mode)) {
		log_error("%s: exists and is no socket", path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if(fd < 0)
		return -errno;
	memcpy(un.sun_path, path, strlen(path) + 1);
	rc = connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? errno : 0;
	close(fd);
	if(rc != ECONNREFUSED) {
		log_error("%s: another program listens there", path);
		return -EADDRINUSE;
	}
	log_notice("%s: left by a daemon that was killed; removed", path);
	return unlink(path) < 0 ? -errno : 0;
}

static int bind_socket(struct ctl_server *s)
{
	mode_t mask;
	int rc;

	uv_pipe_init(s->loop, &s->listener, 0);
	s->listener.data = s;
	s->listener_open = true;
	mask = umask(0117); /* 0660 from the first moment on */
	rc = uv_pipe_bind(&s->listener, s->path);
	umask(mask);
	if(rc < 0) {
		log_error("%s: %s", s->path, uv_strerror(rc));
		return rc;
	}
	if(s->n_groups > 0 && chown(s->path, (uid_t)-1, s->groups[0]) < 0)
		log_warning("%s: cannot be given to the group %u: %s; "
					"only a member of it can do that",
				s->path, (unsigned)s->groups[0], strerror(errno));
	return 0;
}

int ctl_server_open(uv_loop_t *loop, const struct conf *conf,
		const struct ctl_host *host, struct ctl_server **out)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	int rc;

	if(s == NULL)
		abort();
	s->loop = loop;
	s->host = *host;
	s->lock_fd = -1;
	s->max_clients = conf->control_clients;
	s->n_workers = conf->relay.workers;
	s->tls = conf->relay.tls_port > 0;
	s->path = strdup(conf->control_socket);
	if(s->path == NULL)
		abort();
	rc = add_members(s, "control_users", conf->control_users, add_user);
	if(rc == 0)
		rc = add_members(s, "control_groups", conf->control_groups, add_group);
	if(rc == 0)
		rc = take_lock(s);
	if(rc == 0)
		rc = remove_stale(s->path);
	if(rc == 0)
		rc = bind_socket(s);
	if(rc < 0)
		ctl_server_close(&s);
	else
		*out = s;
	return rc;
}

static void incoming(uv_stream_t *listener, int status)
{
	struct ctl_server *s = listener->data;

	if(status < 0)
		log_limited(LOG_L_ERROR, "%s: %s", s->path, uv_strerror(status));
	else if(!s->closing)
		ctl_client_accept(s);
}

int ctl_server_serve(
		struct ctl_server *s, struct relay *relay, struct store *store)
{
	int rc;

	s->relay = relay;
	if(store) {
		rc = store_port_open(store, s->loop, &s->store_port);
		if(rc < 0)
			return rc;
		s->store = store;
		ctl_watch_start(s);
	}
	rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, incoming);
	if(rc < 0)
		log_error("%s: %s", s->path, uv_strerror(rc));
	return rc;
}

void ctl_server_event(struct ctl_server *s, const struct relay_event *ev)
{
	struct ctl_client *next;

	for(struct ctl_client *c = s->clients; c; c = next) {
		size_t n = 0;
		char *line;
		json_t *o;

		next = c->next;
		if(!c->events || c->ending || strcmp(c->owner, ev->owner) != 0)
			continue;
		o = ctl_json_event(ev, ++c->seq);
		line = ctl_encode_event("event", o, &n);
		json_decref(o);
		ctl_client_send(c, line, n);
	}
}

void ctl_server_leave_store(struct ctl_server *s)
{
	ctl_watch_stop(s);
	if(s->store_port)
		store_port_close(&s->store_port);
	s->store = NULL;
}

void ctl_server_store_back(struct ctl_server *s)
{
	ctl_watch_missed(s);
}

void ctl_server_user(struct ctl_server *s, const char *user, bool due)
{
	ctl_watch_changed(s, user);
	if(due)
		ctl_watch_user(s, user);
}

int ctl_server_clients(const struct ctl_server *s)
{
	return s->n_clients;
}

void ctl_server_release(struct ctl_server *s)
{
	if(!s->closing || s->n_clients > 0 || s->listener_open)
		return;
	if(s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s);
}

static void listener_closed(uv_handle_t *h)
{
	struct ctl_server *s = h->data;

	s->listener_open = false;
	ctl_server_release(s);
}

void ctl_server_close(struct ctl_server **sp)
{
	struct ctl_server *s = *sp;
	struct ctl_client *next;

	*sp = NULL;
	if(s == NULL || s->closing)
		return;
	s->closing = true;
	/* uv_close removes the file only of a pipe that it has bound. */
	if(s->listener_open)
		uv_close((uv_handle_t *)&s->listener, listener_closed);
	for(struct ctl_client *c = s->clients; c; c = next) {
		next = c->next;
		ctl_client_close(c, NULL);
		while(c->n_requests > 1)
			ctl_request_free(c->requests);
		/* The last one may free a client whose handles are closed already. */
		if(c->n_requests == 1)
			ctl_request_free(c->requests);
	}
	ctl_server_release(s);
}
