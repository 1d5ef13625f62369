/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The HTTP request parser of the monitoring pages (msrp-relay/http, RFC 9112),
 * whole, torn and hostile; and what is put on the pages (msrp-relay/stats).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http_request.h"
#include "stats/stats_out.h"

static const struct
{
	const char *text;
	long rc; /* 1: the whole text */
	const char *path;
	bool keep_alive;
} requests[] = {
		{"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 1, "/metrics", true},
		{"GET / HTTP/1.0\r\n\r\n", 1, "/", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1, "/", true},
		{"GET /x HTTP/1.1\r\nconnection:  CLOSE \r\n\r\n", 1, "/x", false},
		{"GET /healthz?x=1 HTTP/1.1\r\n\r\n", 1, "/healthz", true},
		{"HEAD /metrics HTTP/1.1\nHost: a\n\n", 1, "/metrics", true},
		{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1, "/", true},
		{"", 0, NULL, false},
		{"GET / HTTP/1.1\r\n", 0, NULL, false},
		{"\r\n", -EBADMSG, NULL, false},
		{"GET /\r\n\r\n", -EBADMSG, NULL, false}, /* HTTP/0.9 */
		{"GET / HTTP/2.0\r\n\r\n", -EBADMSG, NULL, false},
		{"GET  / HTTP/1.1\r\n\r\n", -EBADMSG, NULL, false},
		{"GET http://a/ HTTP/1.1\r\n\r\n", -EBADMSG, NULL, false},
		{"G@T / HTTP/1.1\r\n\r\n", -EBADMSG, NULL, false},
		{"GET /\x01 HTTP/1.1\r\n\r\n", -EBADMSG, NULL, false},
		{"GET / HTTP/1.1\r\nno colon\r\n\r\n", -EBADMSG, NULL, false},
		{"GET / HTTP/1.1\r\n : x\r\n\r\n", -EBADMSG, NULL, false},
		{"GET / HTTP/1.1\r\nHost : x\r\n\r\n", -EBADMSG, NULL, false},
		{"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", -EBADMSG, NULL, false},
		{"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", -ENOTSUP, NULL, false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -ENOTSUP,
				NULL, false},
};

Test(http, requests_are_taken_or_refused)
{
	for(size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct slice in = slice_str(requests[i].text);
		struct http_request rq;
		long rc = http_request_parse(in, &rq);

		cr_expect_eq(rc, requests[i].rc == 1 ? (long)in.n : requests[i].rc,
				"%s: %ld", requests[i].text, rc);
		if(requests[i].rc != 1 || rc <= 0)
			continue;
		cr_expect(slice_eq(rq.path, slice_str(requests[i].path)), "%s",
				requests[i].text);
		cr_expect_eq(
				rq.keep_alive, requests[i].keep_alive, "%s", requests[i].text);
	}
}

Test(http, a_torn_request_asks_for_more)
{
	const char *text = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /";
	size_t whole = strlen(text) - 5;
	struct http_request rq;

	for(size_t n = 0; n < whole; n++)
		cr_expect_eq(http_request_parse(slice_of(text, n), &rq), 0, "%zu", n);
	/* What follows belongs to the next request. */
	cr_assert_eq(http_request_parse(slice_str(text), &rq), (long)whole);
}

Test(http, a_request_over_8_KiB_is_too_large)
{
	static char text[HTTP_REQUEST_MAX + 100];
	struct http_request rq;
	size_t n;

	memset(text, 'a', sizeof(text));
	cr_assert_eq(
			http_request_parse(slice_of(text, HTTP_REQUEST_MAX), &rq), -E2BIG);
	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	while(n < HTTP_REQUEST_MAX)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X: y\r\n");
	cr_assert_eq(
			http_request_parse(slice_of(text, HTTP_REQUEST_MAX), &rq), -E2BIG);
	cr_assert_eq(http_request_parse(slice_of(text, 100), &rq), 0);
}

/* Prometheus' convention: counters, and only they, end in _total. */
static void check_one(
		const char *text, const json_t *o, const char *name, const char *kind)
{
	char line[160];
	size_t n = strlen(name);
	bool total = n > 6 && strcmp(&name[n - 6], "_total") == 0;

	snprintf(line, sizeof(line), "# TYPE msrp_relay_%s %s\n", name, kind);
	cr_expect(strstr(text, line), "%s", line);
	snprintf(line, sizeof(line), "# HELP msrp_relay_%s ", name);
	cr_expect(strstr(text, line), "%s", line);
	cr_expect_eq(strcmp(kind, "counter") == 0, total, "%s", name);
	cr_expect_not_null(json_object_get(o, name), "%s", name);
}

Test(stats, every_statistic_is_in_both_outputs_with_its_kind)
{
	struct stats s = {0};
	struct stats_process p = {.version = "9.9", .draining = 1};
	size_t n = 0;
	char *text, line[160];
	json_t *o;

	s.sessions = 3;
	s.content_bytes_total = UINT64_C(1) << 40;
	text = stats_prometheus(&s, &p, &n);
	o = stats_json(&s, &p);
	cr_assert_eq(strlen(text), n);
	cr_assert_eq(text[n - 1], '\n');
#define CHECK(name, kind, help) check_one(text, o, #name, #kind);
	STATS_TABLE(CHECK)
#undef CHECK
	cr_assert(strstr(text, "\nmsrp_relay_sessions 3\n"));
	snprintf(line, sizeof(line),
			"\nmsrp_relay_content_bytes_total 1099511627776\n");
	cr_assert(strstr(text, line));
	cr_assert(strstr(text, "\nmsrp_relay_info{version=\"9.9\"} 1\n"));
	cr_assert_eq(json_integer_value(json_object_get(o, "sessions")), 3);
	cr_assert_eq(json_integer_value(json_object_get(o, "draining")), 1);
	free(text);
	json_decref(o);
}

Test(stats, the_process_is_measured)
{
	struct stats_process p = {0};

	stats_process_read(&p);
	cr_assert_gt(p.resident_bytes, 100000u);
	cr_assert_geq(p.open_fds, 3u);
}
