/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The HTTP server of /metrics, /healthz and /readyz. Bounded in everything:
 * connections, bytes of a request, time to send one. One request at a time on
 * a connection; what a client sends ahead waits in its buffer.
 */
#include "http_server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "http_request.h"
#include "log/log.h"

struct http_client
{
	struct http_client *prev, *next;
	struct http_server *server;
	uv_tcp_t tcp;
	uv_timer_t silence;
	uv_write_t write;
	int handles_open;
	bool writing, last;
	char head[256];
	char *body; /* being written; owned */
	size_t in_len;
	char in[HTTP_REQUEST_MAX];
};

struct http_server
{
	uv_loop_t *loop;
	uv_tcp_t listener;
	bool listener_open, closing;
	const struct http_page *pages;
	void *arg;
	struct http_client *clients;
	int n_clients;
};

static void release(struct http_server *s)
{
	if(s->closing && s->n_clients == 0 && !s->listener_open)
		free(s);
}

static void handle_closed(uv_handle_t *h)
{
	struct http_client *c = h->data;
	struct http_server *s = c->server;

	if(--c->handles_open > 0)
		return;
	if(c->prev)
		c->prev->next = c->next;
	else
		s->clients = c->next;
	if(c->next)
		c->next->prev = c->prev;
	s->n_clients--;
	free(c->body);
	free(c);
	release(s);
}

static void client_close(struct http_client *c)
{
	if(uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	uv_close((uv_handle_t *)&c->tcp, handle_closed);
	uv_close((uv_handle_t *)&c->silence, handle_closed);
}

static void silent(uv_timer_t *t)
{
	client_close(t->data);
}

static void next_request(struct http_client *c);

static void written(uv_write_t *req, int status)
{
	struct http_client *c = req->data;

	c->writing = false;
	free(c->body);
	c->body = NULL;
	if(status < 0 || c->last)
		client_close(c);
	else if(!uv_is_closing((uv_handle_t *)&c->tcp))
		next_request(c);
}

static const char *reason(int status)
{
	switch(status) {
		case 200:
			return "OK";
		case 400:
			return "Bad Request";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 431:
			return "Request Header Fields Too Large";
		case 501:
			return "Not Implemented";
		case 503:
			return "Service Unavailable";
		default:
			return "Internal Server Error";
	}
}

/* Takes the body; NULL: the reason of the status is one. */
static void respond(struct http_client *c, int status, const char *type,
		char *body, size_t n, bool with_body)
{
	uv_buf_t bufs[2];
	int head;

	if(body == NULL) {
		body = malloc(64);
		if(body == NULL)
			abort();
		n = (size_t)snprintf(body, 64, "%s\n", reason(status));
		type = "text/plain; charset=utf-8";
	}
	head = snprintf(c->head, sizeof(c->head),
			"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			"Cache-Control: no-store\r\n%s%s\r\n",
			status, reason(status), type, n,
			status == 405 ? "Allow: GET, HEAD\r\n" : "",
			c->last ? "Connection: close\r\n" : "");
	c->body = body;
	c->writing = true;
	c->write.data = c;
	bufs[0] = uv_buf_init(c->head, (unsigned)head);
	bufs[1] = uv_buf_init(body, (unsigned)n);
	if(uv_write(&c->write, (uv_stream_t *)&c->tcp, bufs, with_body ? 2 : 1,
			   written)
			< 0) {
		c->writing = false;
		client_close(c);
	}
}

static void serve(struct http_client *c, const struct http_request *rq)
{
	bool head = slice_eq(rq->method, SLICE("HEAD"));
	int status = 200;
	size_t n = 0;
	char *body;

	if(!head && !slice_eq(rq->method, SLICE("GET"))) {
		respond(c, 405, NULL, NULL, 0, true);
		return;
	}
	for(const struct http_page *p = c->server->pages; p->path; p++) {
		if(!slice_eq(rq->path, slice_str(p->path)))
			continue;
		body = p->make(c->server->arg, &status, &n);
		respond(c, body ? status : 500, p->content_type, body, n, !head);
		return;
	}
	respond(c, 404, NULL, NULL, 0, !head);
}

static void next_request(struct http_client *c)
{
	struct http_request rq;
	long used = http_request_parse(slice_of(c->in, c->in_len), &rq);

	if(used == 0) {
		uv_timer_start(&c->silence, silent, HTTP_SILENT_MS, 0);
		return;
	}
	if(used < 0) {
		c->last = true;
		c->in_len = 0;
		respond(c,
				used == -E2BIG             ? 431
						: used == -ENOTSUP ? 501
										   : 400,
				NULL, NULL, 0, true);
		return;
	}
	c->last = !rq.keep_alive;
	serve(c, &rq);
	c->in_len -= (size_t)used;
	memmove(c->in, c->in + used, c->in_len);
}

static void alloc_in(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct http_client *c = h->data;

	(void)suggested;
	*buf = uv_buf_init(
			c->in + c->in_len, (unsigned)(sizeof(c->in) - c->in_len));
}

static void read_in(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct http_client *c = stream->data;

	(void)buf;
	if(n < 0) { /* also UV_ENOBUFS: more sent ahead than we keep */
		client_close(c);
		return;
	}
	c->in_len += (size_t)n;
	if(!c->writing && !c->last)
		next_request(c);
}

static void incoming(uv_stream_t *listener, int status)
{
	struct http_server *s = listener->data;
	struct http_client *c;

	if(status < 0 || s->closing)
		return;
	c = calloc(1, sizeof(*c));
	if(c == NULL)
		abort();
	c->server = s;
	c->next = s->clients;
	if(c->next)
		c->next->prev = c;
	s->clients = c;
	s->n_clients++;
	uv_tcp_init(s->loop, &c->tcp);
	uv_timer_init(s->loop, &c->silence);
	c->tcp.data = c->silence.data = c;
	c->handles_open = 2;
	if(uv_accept(listener, (uv_stream_t *)&c->tcp) < 0
			|| s->n_clients > HTTP_CLIENTS_MAX
			|| uv_read_start((uv_stream_t *)&c->tcp, alloc_in, read_in) < 0) {
		client_close(c);
		return;
	}
	uv_timer_start(&c->silence, silent, HTTP_SILENT_MS, 0);
}

int http_server_start(uv_loop_t *loop, const char *address, int port,
		const struct http_page *pages, void *arg, struct http_server **out)
{
	struct http_server *s;
	struct sockaddr_storage at;
	int rc = uv_ip4_addr(address, port, (struct sockaddr_in *)&at);

	if(rc < 0)
		rc = uv_ip6_addr(address, port, (struct sockaddr_in6 *)&at);
	if(rc < 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if(s == NULL)
		abort();
	s->loop = loop;
	s->pages = pages;
	s->arg = arg;
	uv_tcp_init(loop, &s->listener);
	s->listener.data = s;
	s->listener_open = true;
	rc = uv_tcp_bind(&s->listener, (struct sockaddr *)&at, 0);
	if(rc == 0)
		rc = uv_listen((uv_stream_t *)&s->listener, 64, incoming);
	if(rc < 0) {
		log_error("HTTP %s port %d: %s", address, port, uv_strerror(rc));
		http_server_close(&s);
		return rc;
	}
	*out = s;
	return 0;
}

static void listener_closed(uv_handle_t *h)
{
	struct http_server *s = h->data;

	s->listener_open = false;
	release(s);
}

void http_server_close(struct http_server **sp)
{
	struct http_server *s = *sp;

	*sp = NULL;
	if(s == NULL || s->closing)
		return;
	s->closing = true;
	uv_close((uv_handle_t *)&s->listener, listener_closed);
	for(struct http_client *c = s->clients; c; c = c->next)
		client_close(c);
}
