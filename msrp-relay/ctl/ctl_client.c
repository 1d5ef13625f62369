/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One connection of the control socket: bytes to lines, answers to bytes, and
 * the limits on both. A client that sends nothing useful, never ends its line,
 * does not read its answers or has too much outstanding is stopped or closed;
 * the other clients do not notice.
 */
#include "ctl_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "log/log.h"

#define READ_MIN 4096             /* room offered to a read */
#define IN_MAX (2 * CTL_LINE_MAX) /* a line and what follows it */

struct out_line
{
	uv_write_t req;
	char *line;
	bool last;
};

static void unlink_client(struct ctl_client *c)
{
	struct ctl_server *s = c->server;

	if(c->prev)
		c->prev->next = c->next;
	else
		s->clients = c->next;
	if(c->next)
		c->next->prev = c->prev;
	s->n_clients--;
}

/* The one place where a client is freed: closed, and no command of it is
 * still with the engine. */
static void free_if_over(struct ctl_client *c)
{
	struct ctl_server *s = c->server;

	if(c->handles_open > 0 || c->n_requests > 0)
		return;
	unlink_client(c);
	free(c->in);
	free(c);
	ctl_server_release(s);
}

static void handle_closed(uv_handle_t *h)
{
	struct ctl_client *c = h->data;

	c->handles_open--;
	free_if_over(c);
}

void ctl_client_close(struct ctl_client *c, const char *why)
{
	if(uv_is_closing((uv_handle_t *)&c->pipe))
		return;
	if(why)
		log_limited(LOG_L_WARNING, "control client %u (%s, pid %d): %s",
				c->number, c->owner[0] ? c->owner : "no hello", (int)c->pid,
				why);
	else
		log_debug("control client %u (%s) left", c->number, c->owner);
	uv_close((uv_handle_t *)&c->pipe, handle_closed);
	uv_close((uv_handle_t *)&c->silence, handle_closed);
}

static void silent(uv_timer_t *t)
{
	struct ctl_client *c = t->data;

	ctl_client_close(c,
			c->ending             ? "does not read its last line; closed"
					: c->owner[0] ? "half a line and then silence; closed"
								  : "no hello in time; closed");
}

/* Nothing more will be sent: what is on its way has a time limit. */
static void begin_end(struct ctl_client *c)
{
	c->ending = true;
	if(!uv_is_closing((uv_handle_t *)&c->silence))
		uv_timer_start(&c->silence, silent, CTL_SILENT_MS, 0);
}

static void shut_down(uv_shutdown_t *req, int status)
{
	(void)status;
	ctl_client_close(req->data, NULL);
}

static void written(uv_write_t *req, int status)
{
	struct out_line *o = (struct out_line *)req;
	struct ctl_client *c = req->data;

	if(status < 0 || o->last)
		ctl_client_close(c, NULL);
	free(o->line);
	free(o);
}

static void send_line(struct ctl_client *c, char *line, size_t n, bool last)
{
	uv_stream_t *stream = (uv_stream_t *)&c->pipe;
	struct out_line *o;
	uv_buf_t buf;

	if(line == NULL || c->ending || uv_is_closing((uv_handle_t *)stream)) {
		free(line);
		if(line == NULL)
			ctl_client_close(c, "a line cannot be encoded");
		return;
	}
	if(uv_stream_get_write_queue_size(stream) + n > CTL_OUT_MAX) {
		free(line);
		ctl_client_close(c, "does not read what it is sent; closed");
		return;
	}
	o = calloc(1, sizeof(*o));
	if(o == NULL)
		abort();
	o->line = line;
	o->last = last;
	o->req.data = c;
	if(last)
		begin_end(c);
	buf = uv_buf_init(line, (unsigned)n);
	if(uv_write(&o->req, stream, &buf, 1, written) < 0) {
		free(line);
		free(o);
		ctl_client_close(c, "cannot be written to");
	}
}

void ctl_client_send(struct ctl_client *c, char *line, size_t n)
{
	send_line(c, line, n, false);
}

void ctl_client_send_last(struct ctl_client *c, char *line, size_t n)
{
	send_line(c, line, n, true);
}

/* The clock runs from the accept to the hello, and from the first byte of a
 * line to its end; not while we ourselves have stopped reading. */
static void watch_silence(struct ctl_client *c, bool progress)
{
	bool wanted = c->reading && (c->owner[0] == '\0' || c->in_len > 0);

	if(c->ending || uv_is_closing((uv_handle_t *)&c->silence))
		return;
	if(!wanted)
		uv_timer_stop(&c->silence);
	else if(!uv_is_active((uv_handle_t *)&c->silence)
			|| (progress && c->owner[0]))
		uv_timer_start(&c->silence, silent, CTL_SILENT_MS, 0);
}

static void alloc_in(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct ctl_client *c = h->data;

	(void)suggested;
	if(c->in_cap - c->in_len < READ_MIN) {
		size_t cap = c->in_cap ? c->in_cap * 2 : 2 * READ_MIN;
		char *p;

		if(cap > IN_MAX)
			cap = IN_MAX;
		p = realloc(c->in, cap);
		if(p == NULL)
			abort();
		c->in = p;
		c->in_cap = cap;
	}
	*buf = uv_buf_init(c->in + c->in_len, (unsigned)(c->in_cap - c->in_len));
}

static void too_long(struct ctl_client *c)
{
	size_t n = 0;
	char *line = ctl_encode_error(
			NULL, CTL_E_PARSE, "the line is too long", NULL, &n);

	log_limited(LOG_L_WARNING,
			"control client %u (%s, pid %d): line over %d bytes; closed",
			c->number, c->owner, (int)c->pid, CTL_LINE_MAX);
	ctl_client_send_last(c, line, n);
}

static bool can_go_on(const struct ctl_client *c)
{
	return !c->ending && c->weight < CTL_PENDING_MAX
			&& !uv_is_closing((const uv_handle_t *)&c->pipe);
}

/* Carry out every whole line that has been read. */
static void carry_out(struct ctl_client *c)
{
	size_t used = 0;

	c->in_lines = true;
	while(used < c->in_len && can_go_on(c)) {
		char *line = c->in + used;
		char *end = memchr(line, '\n', c->in_len - used);
		size_t n = end ? (size_t)(end - line) : c->in_len - used;

		if(n >= CTL_LINE_MAX) {
			used = c->in_len;
			too_long(c);
			break;
		}
		if(end == NULL)
			break;
		used += n + 1;
		if(n > 0 && line[n - 1] == '\r')
			n--;
		if(n > 0)
			ctl_dispatch(c, line, n);
	}
	c->in_lines = false;
	c->in_len -= used;
	if(c->in_len > 0) {
		memmove(c->in, c->in + used, c->in_len);
	} else if(c->in_cap > 4 * READ_MIN) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
}

static void read_in(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ctl_client *c = stream->data;

	(void)buf;
	if(c->ending && n >= 0)
		return;
	if(n == UV_EOF) {
		c->eof = true;
		uv_read_stop(stream);
		c->reading = false;
	} else if(n < 0) {
		ctl_client_close(c, NULL);
		return;
	} else {
		c->in_len += (size_t)n;
	}
	ctl_client_resume(c);
}

/* `... | socat` closes its side first and waits for the answers. */
static void end_when_answered(struct ctl_client *c)
{
	if(c->n_requests > 0 || c->ending)
		return;
	c->shutdown.data = c;
	begin_end(c);
	if(uv_shutdown(&c->shutdown, (uv_stream_t *)&c->pipe, shut_down) < 0)
		ctl_client_close(c, NULL);
}

void ctl_client_resume(struct ctl_client *c)
{
	uv_stream_t *stream = (uv_stream_t *)&c->pipe;
	size_t before = c->in_len;

	if(c->in_lines)
		return;
	if(uv_is_closing((uv_handle_t *)stream)) {
		free_if_over(c);
		return;
	}
	carry_out(c);
	if(uv_is_closing((uv_handle_t *)stream))
		return;
	if(c->eof) {
		end_when_answered(c);
		return;
	}
	if(c->reading && !can_go_on(c) && !c->ending) {
		uv_read_stop(stream);
		c->reading = false;
	} else if(!c->reading && can_go_on(c)) {
		c->reading = uv_read_start(stream, alloc_in, read_in) == 0;
	}
	watch_silence(c, c->in_len < before);
}

/* Root, our own user, control_users, and the members of control_groups. */
static bool may_connect(struct ctl_client *c)
{
	const struct ctl_server *s = c->server;
	struct ucred cred;
	gid_t gids[256];
	socklen_t size = sizeof(cred);
	uv_os_fd_t fd;
	int n_gids = 0;

	if(uv_fileno((uv_handle_t *)&c->pipe, &fd) != 0
			|| getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return false;
	c->uid = cred.uid;
	c->pid = cred.pid;
	if(cred.uid == 0 || cred.uid == geteuid())
		return true;
	for(int i = 0; i < s->n_users; i++)
		if(s->users[i] == cred.uid)
			return true;
	size = sizeof(gids);
	if(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) == 0)
		n_gids = (int)(size / sizeof(gids[0]));
	for(int i = 0; i < s->n_groups; i++) {
		if(s->groups[i] == cred.gid)
			return true;
		for(int k = 0; k < n_gids; k++)
			if(s->groups[i] == gids[k])
				return true;
	}
	return false;
}

/* Nothing is read of it; it gets a line that says why. */
static void turn_away(struct ctl_client *c, int code, const char *why)
{
	size_t n = 0;
	char *line = ctl_encode_error(NULL, code, why, NULL, &n);

	ctl_client_send_last(c, line, n);
}

void ctl_client_accept(struct ctl_server *s)
{
	struct ctl_client *c = calloc(1, sizeof(*c));

	if(c == NULL)
		abort();
	c->server = s;
	c->number = ++s->last_number;
	c->next = s->clients;
	if(c->next)
		c->next->prev = c;
	s->clients = c;
	s->n_clients++;
	uv_pipe_init(s->loop, &c->pipe, 0);
	uv_timer_init(s->loop, &c->silence);
	c->pipe.data = c->silence.data = c;
	c->handles_open = 2;
	if(uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->pipe) < 0) {
		ctl_client_close(c, "cannot be accepted");
		return;
	}
	if(!may_connect(c)) {
		log_limited(LOG_L_WARNING,
				"control client %u refused: user %u, pid %d is neither in "
				"control_users nor in control_groups",
				c->number, (unsigned)c->uid, (int)c->pid);
		turn_away(c, CTL_E_REQUEST, "this user may not connect");
		return;
	}
	if(s->n_clients > s->max_clients) {
		log_limited(LOG_L_WARNING,
				"control client %u refused: control_clients (%d) is reached",
				c->number, s->max_clients);
		turn_away(c, CTL_E_LIMIT, "too many control connections");
		return;
	}
	log_debug("control client %u: user %u, pid %d", c->number, (unsigned)c->uid,
			(int)c->pid);
	ctl_client_resume(c);
}
