/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Codec of the control protocol (docs/control-protocol.md, JSON-RPC 2.0): a
 * line to a checked struct and back. Used by cpm.so's link process, by
 * msrp-relay and by msrp-relayctl. No I/O.
 */
#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct
{
	int code;
	const char *text;
} texts[] = {
		{CTL_E_PARSE, "not JSON or too long"},
		{CTL_E_REQUEST, "not a request"},
		{CTL_E_METHOD, "unknown method"},
		{CTL_E_PARAMS, "invalid parameter"},
		{CTL_E_INTERNAL, "internal error"},
		{CTL_E_CONFLICT, "exists with other parameters"},
		{CTL_E_UNKNOWN, "no such session or leg"},
		{CTL_E_LIMIT, "limit reached"},
		{CTL_E_DRAINING, "draining"},
		{CTL_E_STATE, "not allowed in this state"},
		{CTL_E_LATE, "too late for a further leg"},
		{CTL_E_OFFSET, "the content does not go on there"},
		{CTL_E_HELLO, "hello first"},
		{CTL_E_VERSION, "no protocol version in common"},
		{CTL_E_QUOTA, "the user's quota is used up"},
		{CTL_E_FULL, "the store is full"},
		{CTL_E_STORE, "no store, or it cannot be reached"},
		{CTL_E_CLAIM, "the claim is lost, or not allowed in this state"},
};

const char *ctl_code_text(int code)
{
	for(size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if(texts[i].code == code)
			return texts[i].text;
	return "error";
}

bool ctl_name_ok(const char *s, size_t max)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
								  "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = s ? strlen(s) : 0;

	return n > 0 && n <= max && strspn(s, allowed) == n;
}

/* An id that can be repeated in an answer. */
static bool id_ok(const json_t *id)
{
	return json_is_integer(id)
			|| (json_is_string(id) && json_string_length(id) <= CTL_ID_MAX);
}

static bool params_ok(const json_t *params)
{
	return params == NULL || json_is_object(params);
}

static int decode_call(struct ctl_msg *m, json_t *method)
{
	m->params = json_object_get(m->root, "params");
	if(!json_is_string(method) || json_string_length(method) == 0
			|| json_string_length(method) > CTL_METHOD_MAX)
		return CTL_E_REQUEST;
	if(!params_ok(m->params) || json_object_get(m->root, "result")
			|| json_object_get(m->root, "error"))
		return CTL_E_REQUEST;
	m->method = json_string_value(method);
	m->kind = m->id ? CTL_REQUEST : CTL_EVENT;
	return 0;
}

static int decode_answer(struct ctl_msg *m)
{
	json_t *error = json_object_get(m->root, "error");

	m->result = json_object_get(m->root, "result");
	if((m->result == NULL) == (error == NULL))
		return CTL_E_REQUEST;
	if(m->result) {
		m->kind = CTL_RESULT;
		return m->id ? 0 : CTL_E_REQUEST;
	}
	json_t *code = json_object_get(error, "code");
	json_t *text = json_object_get(error, "message");
	json_int_t v = json_integer_value(code);

	if(!json_is_integer(code) || v < INT32_MIN || v > INT32_MAX
			|| !json_is_string(text))
		return CTL_E_REQUEST;
	m->kind = CTL_ERROR;
	m->code = (int)v;
	m->message = json_string_value(text);
	m->data = json_object_get(error, "data");
	return 0;
}

int ctl_decode(const char *line, size_t n, struct ctl_msg *out)
{
	memset(out, 0, sizeof(*out));
	if(n >= CTL_LINE_MAX)
		return CTL_E_PARSE;
	out->root = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	if(out->root == NULL)
		return CTL_E_PARSE;
	if(!json_is_object(out->root))
		return CTL_E_REQUEST;

	json_t *id = json_object_get(out->root, "id");
	const char *version =
			json_string_value(json_object_get(out->root, "jsonrpc"));
	json_t *method = json_object_get(out->root, "method");

	if(id_ok(id))
		out->id = id;
	else if(id && !(json_is_null(id) && method == NULL))
		return CTL_E_REQUEST;
	if(version == NULL || strcmp(version, "2.0") != 0)
		return CTL_E_REQUEST;
	return method ? decode_call(out, method) : decode_answer(out);
}

void ctl_msg_clear(struct ctl_msg *m)
{
	json_decref(m->root);
	memset(m, 0, sizeof(*m));
}

/* The object as one line; takes the reference, which may be NULL. */
static char *encode(json_t *o, size_t *n)
{
	/* 15 digits: what was 2.28 is not told as 2.2799999999999998. */
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
	char *line;
	size_t len;

	if(o == NULL) {
		errno = EINVAL;
		return NULL;
	}
	len = json_dumpb(o, NULL, 0, flags);
	if(len == 0 || len >= CTL_LINE_MAX) {
		json_decref(o);
		errno = len == 0 ? EINVAL : E2BIG;
		return NULL;
	}
	line = malloc(len + 2);
	if(line) {
		json_dumpb(o, line, len, flags);
		line[len] = '\n';
		line[len + 1] = '\0';
		*n = len + 1;
	} else {
		errno = ENOMEM;
	}
	json_decref(o);
	return line;
}

/* A borrowed value as packed by the format "O"; NULL becomes null. */
static json_t *borrow(const json_t *v)
{
	return v ? (json_t *)v : json_null();
}

static json_t *call(const char *method, const json_t *params)
{
	json_t *o = json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", method);

	if(o && params && json_object_set(o, "params", (json_t *)params) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

char *ctl_encode_request(
		uint64_t id, const char *method, const json_t *params, size_t *n)
{
	json_t *o = call(method, params);

	if(o && json_object_set_new(o, "id", json_integer((json_int_t)id)) < 0) {
		json_decref(o);
		o = NULL;
	}
	return encode(o, n);
}

char *ctl_encode_event(const char *method, const json_t *params, size_t *n)
{
	return encode(call(method, params), n);
}

char *ctl_encode_result(const json_t *id, const json_t *result, size_t *n)
{
	return encode(json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "id",
						  borrow(id), "result", borrow(result)),
			n);
}

char *ctl_encode_error(const json_t *id, int code, const char *message,
		const json_t *data, size_t *n)
{
	json_t *error = json_pack("{s:i, s:s}", "code", code, "message",
			message ? message : ctl_code_text(code));

	if(error && data && json_object_set(error, "data", (json_t *)data) < 0) {
		json_decref(error);
		error = NULL;
	}
	if(error == NULL) {
		errno = EINVAL;
		return NULL;
	}
	return encode(json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id",
						  borrow(id), "error", error),
			n);
}
