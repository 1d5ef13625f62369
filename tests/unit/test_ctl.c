/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The codec of the control protocol (modules/cpm/proto/ctl.c,
 * docs/control-protocol.md): shapes taken and refused, limits, round trips.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static int decode(const char *line, struct ctl_msg *m)
{
	return ctl_decode(line, strlen(line), m);
}

static const struct
{
	const char *line;
	int rc;
	enum ctl_kind kind;
} shapes[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", 0, CTL_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"a.b\",\"params\":{}}",
				0, CTL_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}", 0,
				CTL_EVENT},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 0, CTL_RESULT},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}", 0, CTL_RESULT},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,"
		 "\"message\":\"m\",\"data\":\"d\"}}",
				0, CTL_ERROR},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"
		 "\"message\":\"m\"}}",
				0, CTL_ERROR},
		/* not JSON */
		{"", CTL_E_PARSE, 0},
		{"{", CTL_E_PARSE, 0},
		{"nonsense", CTL_E_PARSE, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", CTL_E_PARSE, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
				CTL_E_PARSE, 0}, /* which one is meant? */
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\"} x", CTL_E_PARSE, 0},
		/* JSON of another shape */
		{"[]", CTL_E_REQUEST, 0},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", CTL_E_REQUEST,
				0}, /* a batch */
		{"{}", CTL_E_REQUEST, 0},
		{"{\"id\":1,\"method\":\"ping\"}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", CTL_E_REQUEST,
				0},
		{"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", CTL_E_REQUEST,
				0},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", CTL_E_REQUEST,
				0},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", CTL_E_REQUEST,
				0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\"}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\",\"params\":[1]}",
				CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\",\"result\":1}",
				CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{\"code\":1,"
		 "\"message\":\"m\"}}",
				CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"result\":1}", CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":\"x\","
		 "\"message\":\"m\"}}",
				CTL_E_REQUEST, 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":7}", CTL_E_REQUEST, 0},
};

Test(ctl, each_shape_is_taken_or_refused_with_its_code)
{
	for(size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ctl_msg m;

		cr_expect_eq(
				decode(shapes[i].line, &m), shapes[i].rc, "%s", shapes[i].line);
		if(shapes[i].rc == 0)
			cr_expect_eq(m.kind, shapes[i].kind, "%s", shapes[i].line);
		ctl_msg_clear(&m);
		ctl_msg_clear(&m); /* safe twice */
	}
}

Test(ctl, a_refused_request_keeps_its_id)
{
	struct ctl_msg m;

	cr_assert_eq(decode("{\"jsonrpc\":\"2.0\",\"id\":\"q7\",\"method\":\"p\","
						"\"params\":[]}",
						 &m),
			CTL_E_REQUEST);
	cr_assert_str_eq(json_string_value(m.id), "q7");
	ctl_msg_clear(&m);
}

Test(ctl, an_id_that_cannot_be_repeated_is_refused)
{
	char line[256];
	char id[CTL_ID_MAX + 2];
	struct ctl_msg m;

	memset(id, 'a', sizeof(id));
	id[CTL_ID_MAX + 1] = '\0';
	snprintf(line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"p\"}", id);
	cr_assert_eq(decode(line, &m), CTL_E_REQUEST);
	ctl_msg_clear(&m);
	id[CTL_ID_MAX] = '\0';
	snprintf(line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"p\"}", id);
	cr_assert_eq(decode(line, &m), 0);
	ctl_msg_clear(&m);
}

Test(ctl, a_line_of_65536_bytes_is_the_longest)
{
	static char line[CTL_LINE_MAX + 16];
	struct ctl_msg m;
	int head = snprintf(line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");

	memset(line + head, ' ', sizeof(line) - (size_t)head);
	cr_assert_eq(ctl_decode(line, CTL_LINE_MAX - 1, &m), 0);
	ctl_msg_clear(&m);
	cr_assert_eq(ctl_decode(line, CTL_LINE_MAX, &m), CTL_E_PARSE);
	ctl_msg_clear(&m);
}

Test(ctl, deep_nesting_is_refused_and_not_fatal)
{
	static char line[60000];
	struct ctl_msg m;

	memset(line, '[', sizeof(line));
	cr_assert_eq(ctl_decode(line, sizeof(line), &m), CTL_E_PARSE);
	ctl_msg_clear(&m);
}

Test(ctl, every_torn_line_is_refused)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\","
					   "\"params\":{\"a\":[1,2,\"x\"]}}";

	for(size_t n = 0; n < strlen(line); n++) {
		struct ctl_msg m;
		/* Of just that size, so that a sanitizer sees a byte too much. */
		char *torn = malloc(n + 1);

		memcpy(torn, line, n);
		cr_expect_eq(ctl_decode(torn, n, &m), CTL_E_PARSE, "%zu bytes", n);
		ctl_msg_clear(&m);
		free(torn);
	}
}

Test(ctl, what_is_encoded_is_decoded_again)
{
	json_t *params = json_pack("{s:s, s:i}", "session", "a1", "n", 7);
	json_t *id = json_integer(42);
	struct ctl_msg m;
	size_t n = 0;
	char *line = ctl_encode_request(42, "session.show", params, &n);

	cr_assert_eq(line[n - 1], '\n');
	cr_assert_eq(ctl_decode(line, n - 1, &m), 0);
	cr_assert_eq(m.kind, CTL_REQUEST);
	cr_assert_eq(json_integer_value(m.id), 42);
	cr_assert_str_eq(m.method, "session.show");
	cr_assert(json_equal(m.params, params));
	ctl_msg_clear(&m);
	free(line);

	line = ctl_encode_result(id, params, &n);
	cr_assert_eq(ctl_decode(line, n - 1, &m), 0);
	cr_assert_eq(m.kind, CTL_RESULT);
	cr_assert(json_equal(m.result, params));
	ctl_msg_clear(&m);
	free(line);

	line = ctl_encode_event("event", params, &n);
	cr_assert_eq(ctl_decode(line, n - 1, &m), 0);
	cr_assert_eq(m.kind, CTL_EVENT);
	ctl_msg_clear(&m);
	free(line);

	line = ctl_encode_error(NULL, CTL_E_PARAMS, NULL, id, &n);
	cr_assert_eq(ctl_decode(line, n - 1, &m), 0);
	cr_assert_eq(m.kind, CTL_ERROR);
	cr_assert_eq(m.code, CTL_E_PARAMS);
	cr_assert_null(m.id);
	cr_assert_str_eq(m.message, ctl_code_text(CTL_E_PARAMS));
	cr_assert_eq(json_integer_value(m.data), 42);
	ctl_msg_clear(&m);
	free(line);
	json_decref(params);
	json_decref(id);
}

Test(ctl, an_answer_longer_than_a_line_is_not_made)
{
	static char big[CTL_LINE_MAX + 1];
	json_t *params;
	size_t n = 7;

	memset(big, 'x', CTL_LINE_MAX);
	params = json_pack("{s:s}", "x", big);
	errno = 0;
	cr_assert_null(ctl_encode_event("event", params, &n));
	cr_assert_eq(errno, E2BIG);
	cr_assert_eq(n, 7, "written on success only");
	json_decref(params);
}

Test(ctl, a_newline_in_a_value_does_not_end_the_line)
{
	json_t *params = json_pack("{s:s}", "x", "a\nb");
	size_t n = 0;
	char *line = ctl_encode_event("event", params, &n);

	cr_assert_eq(memchr(line, '\n', n), line + n - 1);
	free(line);
	json_decref(params);
}

Test(ctl, names_are_short_and_plain)
{
	cr_assert(ctl_name_ok("a", 64));
	cr_assert(ctl_name_ok("A-z_0.9", 7));
	cr_assert_not(ctl_name_ok("A-z_0.9", 6));
	cr_assert_not(ctl_name_ok("", 64));
	cr_assert_not(ctl_name_ok(NULL, 64));
	cr_assert_not(ctl_name_ok("a b", 64));
	cr_assert_not(ctl_name_ok("a/b", 64));
	cr_assert_not(ctl_name_ok("\xc3\xa4", 64));
}
