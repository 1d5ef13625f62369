/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small HTTP server for operators' tools: a few GET pages, each made anew
 * for each request, on the main loop.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stddef.h>
#include <uv.h>

#define HTTP_CLIENTS_MAX 64  /* connections; more are closed at once */
#define HTTP_SILENT_MS 10000 /* for a request, and between two */

struct http_server;

/* One page. */
struct http_page
{
	const char *path;
	const char *content_type;
	/* The body, freed by the server with free(), and its status (200, 503).
	 * NULL: 500. */
	char *(*make)(void *arg, int *status, size_t *n);
};

/**
 * Listen and serve.
 *
 * @param pages  ends with a page of path NULL; must stay valid
 * @return 0 or a negative errno; the log has the reason
 */
int http_server_start(uv_loop_t *loop, const char *address, int port,
		const struct http_page *pages, void *arg, struct http_server **out);

/* Close everything; *s becomes NULL, the memory is freed as the loop goes. */
void http_server_close(struct http_server **s);

#endif
