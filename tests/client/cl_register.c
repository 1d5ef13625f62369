/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registration: CPM feature tags, instance id, refresh, GRUU (RFC 3261 section
 * 10, RFC 5627, RFC 3840). Called by main and cl_sip.c.
 */
#include "client.h"

#include <sofia-sip/msg_header.h>

#include <stdio.h>
#include <stdlib.h>

#include "cl_body.h"

#define RETRY_MIN_MS 2000
#define RETRY_MAX_MS 60000

#define ICSI "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

/* "msg,largemsg" as the value of the feature tag; to be freed. */
static char *icsi_list(const char *tags)
{
	struct slice rest = slice_str(tags), one;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		abort();
	while(rest.n > 0) {
		one = slice_cut(rest, ',', &rest);
		fprintf(f, "%s%.*s%s", ICSI, SLICE_ARG(one), rest.n > 0 ? "," : "");
	}
	if(fclose(f) != 0)
		abort();
	return text;
}

void cl_register_start(struct client *c)
{
	char *icsi = icsi_list(c->o.tags);
	char *contact = cl_sip_contact(c, icsi);
	char registrar[300], expires[16];

	snprintf(expires, sizeof(expires), "%d", c->o.register_expires);
	snprintf(registrar, sizeof(registrar), "sip:%s", c->o.domain);
	c->reg.kind = CL_H_REGISTER;
	c->reg_nh = nua_handle(c->nua, (nua_hmagic_t *)&c->reg,
			SIPTAG_TO_STR(c->aor), SIPTAG_FROM_STR(c->aor), TAG_END());
	nua_register(c->reg_nh, NUTAG_REGISTRAR(registrar),
			SIPTAG_CONTACT_STR(contact), SIPTAG_SUPPORTED_STR("gruu, path"),
			SIPTAG_EXPIRES_STR(expires), TAG_END());
	free(contact);
	free(icsi);
}

/* Our own binding in the 200: the one with our instance. */
static const sip_contact_t *own_binding(
		const struct client *c, const sip_t *sip)
{
	for(const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		const char *i = msg_params_find(m->m_params, "+sip.instance=");
		if(i && strstr(i, c->instance))
			return m;
	}
	return NULL;
}

static void gruu_keep(struct client *c, const sip_contact_t *m)
{
	const char *g = msg_params_find(m->m_params, "pub-gruu=");
	struct slice s;

	if(!g)
		return;
	s = slice_str(g);
	if(s.n >= 2 && s.p[0] == '"')
		s = slice_of(s.p + 1, s.n - 2);
	free(c->gruu);
	c->gruu = strndup(s.p, s.n);
}

static void registered(struct client *c, const sip_t *sip)
{
	const sip_contact_t *own = own_binding(c, sip);
	json_t *e = cl_event_new("registered");
	json_t *bindings = json_array();
	bool again = c->registered_once;

	if(own)
		gruu_keep(c, own);
	c->registered = c->registered_once = true;
	c->register_wait_ms = RETRY_MIN_MS;
	cl_event_text(e, "aor", c->aor);
	cl_event_text(e, "instance", c->instance);
	cl_event_text(e, "gruu", c->gruu);
	json_object_set_new(e, "refresh", json_boolean(again));
	json_object_set_new(e, "expires",
			json_integer(own && own->m_expires
							? strtol(own->m_expires, NULL, 10)
							: sip->sip_expires
							? (json_int_t)sip->sip_expires->ex_delta
							: 0));
	for(const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		char *u = url_as_string(NULL, m->m_url);
		json_array_append_new(bindings, json_string(u));
		su_free(NULL, u);
	}
	json_object_set_new(e, "contacts", bindings);
	cl_event_sip(e, sip);
	cl_event_print(e);
	if(again)
		return;
	cl_watch_start(c);
	if(c->o.command == CL_SEND)
		cl_send_next(c);
	else if(c->o.command == CL_FETCH)
		cl_fetch_start(c);
	else if(c->o.command == CL_REGISTER && c->o.timeout_s == 0)
		cl_stop(c, CL_OK);
}

static void unregistered(struct client *c, int status, const char *phrase)
{
	json_t *e = cl_event_new("unregistered");

	json_object_set_new(e, "status", json_integer(status));
	cl_event_text(e, "phrase", phrase);
	cl_event_print(e);
	c->registered = false;
	nua_shutdown(c->nua);
}

/* A registration that stood was lost: the network may come back. */
static void retry_later(struct client *c)
{
	c->register_at_ms = peer_now_ms() + c->register_wait_ms;
	c->register_wait_ms *= 2;
	if(c->register_wait_ms > RETRY_MAX_MS)
		c->register_wait_ms = RETRY_MAX_MS;
}

static void refused(
		struct client *c, int status, const char *phrase, const sip_t *sip)
{
	json_t *e = cl_event_new("register_failed");
	bool credentials = status == 401 || status == 403 || status == 407
			|| status == CL_NO_CREDENTIALS;

	cl_event_status(e, status, phrase, sip);
	cl_event_print(e);
	c->registered = false;
	if(credentials)
		cl_stop(c, CL_AUTH);
	else if(c->registered_once && c->o.command == CL_RECEIVE)
		retry_later(c);
	else
		cl_stop(c, CL_REGISTRATION);
}

void cl_register_tick(struct client *c)
{
	if(c->register_at_ms == 0 || peer_now_ms() < c->register_at_ms
			|| c->stopping)
		return;
	c->register_at_ms = 0;
	nua_handle_bind(c->reg_nh, NULL);
	nua_handle_destroy(c->reg_nh);
	c->reg.auth_tries = 0;
	cl_register_start(c);
}

void cl_register_event(struct client *c, nua_event_t event, int status,
		const char *phrase, const sip_t *sip)
{
	if((event != nua_r_register && event != nua_r_unregister) || status < 200)
		return;
	if((status == 401 || status == 407)
			&& cl_sip_authenticate(c, c->reg_nh, &c->reg, sip))
		return;
	if(event == nua_r_unregister) {
		if(c->unregistering) {
			c->unregistering = false;
			unregistered(c, status, phrase);
		}
		return;
	}
	c->reg.auth_tries = 0;
	if(c->stopping)
		return;
	if(status < 300 && sip)
		registered(c, sip);
	else
		refused(c, status, phrase, sip);
}
