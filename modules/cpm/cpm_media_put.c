/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * content.put: the relay gets a message that came without MSRP, piece by piece,
 * each when it has taken the one before (docs/control-protocol.md). Runs in
 * the link process.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_media.h"
#include "proto/base64.h"

#define PIECE 32766 /* bytes in one go, before base64; a multiple of three */

/* One piece, copied under the lock. */
struct piece
{
	char *bytes; /* private memory, owned */
	uint32_t n, offset;
	bool last;
};

static int take(uint64_t id, struct piece *c)
{
	char *buf = pkg_malloc(PIECE);
	cpm_session_t *s;
	int rc = -ENOENT;

	if(buf == NULL)
		return -ENOMEM;
	s = cpm_session_lock(id);
	if(s && s->state != CPM_S_CLOSING && s->content
			&& s->content_at < s->content_n) {
		c->offset = s->content_at;
		c->n = s->content_n - s->content_at;
		if(c->n > PIECE)
			c->n = PIECE;
		c->last = c->offset + c->n == s->content_n;
		memcpy(buf, s->content + c->offset, c->n);
		c->bytes = buf;
		buf = NULL;
		rc = 0;
	}
	if(s)
		cpm_session_unlock(s);
	if(buf)
		pkg_free(buf);
	return rc;
}

static void on_put(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	json_int_t have = json_integer_value(json_object_get(result, "received"));
	cpm_session_t *s;
	char *sent = NULL;
	bool more = false;

	(void)leg;
	if(rc != CPM_LINK_OK) {
		cpm_media_log(id, "content.put", rc, code);
		cpm_b2b_end(id, cpm_media_failure(rc, code), CPM_IN, (str){NULL, 0});
		return;
	}
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	if(have > s->content_at && have <= s->content_n) {
		s->content_at = (uint32_t)have;
		more = s->content_at < s->content_n;
	}
	/* the relay holds it from here on, for the ISF too */
	if(s->content_at == s->content_n) {
		sent = s->content;
		s->content = NULL;
	}
	cpm_session_unlock(s);
	if(sent)
		shm_free(sent);
	if(more)
		cpm_media_put(id);
}

static json_t *params(uint64_t id, const struct piece *c)
{
	char *text = pkg_malloc(BASE64_LEN(c->n) + 1);
	json_t *p = cpm_media_params(id);
	int bad = p == NULL || text == NULL;

	if(!bad) {
		size_t n = base64_encode(text, c->bytes, c->n);

		bad = json_object_set_new(p, "data", json_stringn(text, n))
				|| json_object_set_new(p, "offset", json_integer(c->offset))
				|| json_object_set_new(p, "last", json_boolean(c->last));
	}
	if(text)
		pkg_free(text);
	if(bad) {
		json_decref(p);
		return NULL;
	}
	return p;
}

void cpm_media_put(uint64_t id)
{
	struct piece c = {.bytes = NULL};
	int rc = take(id, &c);
	json_t *p;

	if(rc == -ENOENT)
		return;
	if(rc == 0) {
		p = params(id, &c);
		rc = p ? cpm_link_send("content.put", p, 0, on_put, id, 0) : -ENOMEM;
	}
	if(c.bytes)
		pkg_free(c.bytes);
	if(rc < 0) {
		LM_WARN("session " CPM_ID_FMT
				": content.put could not be queued (%d)\n",
				CPM_ID_ARG(id), rc);
		cpm_b2b_end(id, rc == -ENOMEM ? CPM_END_MEMORY : CPM_END_RELAY_AWAY,
				CPM_IN, (str){NULL, 0});
	}
}
