/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owns the SIP stack: where it listens, how it reaches the network, digest
 * answers, and which part of the client each event goes to. Called by main.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/tport_tag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define AUTH_TRIES 3 /* challenges answered for one request */
#define PORT_TRIES 20
#define STOP_MS 3000
/* Requests that wait for their connection; beyond it they fail with 503.
 * The stack takes no higher number. */
#define QUEUED_MAX 1000

#define ICSI(x) "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm." x

/* "host:port", "[v6]:port" or "host". @return port; 0 = none given */
static int split_host(const char *in, char *host, size_t cap)
{
	struct slice s = slice_str(in), h, p = {0};
	uint64_t port = 0;

	if(s.n > 0 && s.p[0] == '[') {
		h = slice_cut(slice_skip(s, 1), ']', &p);
		slice_cut(p, ':', &p);
	} else {
		h = slice_cut(s, ':', &p);
	}
	snprintf(host, cap, "%.*s", SLICE_ARG(h));
	if(p.n > 0 && !slice_u64(p, 65535, &port))
		port = 0;
	return (int)port;
}

/* The address that packets to host leave from. */
static int source_of(const char *host, char *out, size_t cap)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *ai;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd, rc = -EADDRNOTAVAIL;

	if(getaddrinfo(host, "5060", &hints, &ai) != 0)
		return rc;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if(fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0
			&& getsockname(fd, (struct sockaddr *)&ss, &len) == 0
			&& getnameinfo((struct sockaddr *)&ss, len, out, (socklen_t)cap,
					   NULL, 0, NI_NUMERICHOST)
					== 0)
		rc = 0;
	if(fd >= 0)
		close(fd);
	freeaddrinfo(ai);
	return rc;
}

/* A port that is free for both UDP and TCP right now. */
static int free_port(const char *host)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int port = 0, fd = peer_listen(host, &port), udp;

	if(fd < 0)
		return -1;
	if(inet_pton(AF_INET, host, &a.sin_addr) == 1) {
		a.sin_port = htons((uint16_t)port);
		udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if(udp < 0 || bind(udp, (struct sockaddr *)&a, len) != 0)
			port = -1;
		if(udp >= 0)
			close(udp);
	}
	close(fd);
	return port;
}

/* A UUID that is the same for the same user on the same device (RFC 5626). */
static char *instance_make(const char *aor, const char *host)
{
	unsigned char d[SHA256_DIGEST_LENGTH];
	char *seed, *s;

	if(asprintf(&seed, "cpm-client %s %s", aor, host) < 0)
		abort();
	SHA256((unsigned char *)seed, strlen(seed), d);
	free(seed);
	if(asprintf(&s,
			   "urn:uuid:%02x%02x%02x%02x-%02x%02x-5%01x%02x-a%01x%02x-"
			   "%02x%02x%02x%02x%02x%02x",
			   d[0], d[1], d[2], d[3], d[4], d[5], d[6] & 15, d[7], d[8] & 15,
			   d[9], d[10], d[11], d[12], d[13], d[14], d[15])
			< 0)
		abort();
	return s;
}

char *cl_sip_contact(const struct client *c, const char *icsi)
{
	bool v6 = strchr(c->local_host, ':') != NULL;
	char *uri, *s;
	int rc;

	if(c->o.gruu && c->gruu)
		rc = asprintf(&uri, "%s", c->gruu);
	else
		rc = asprintf(&uri, "sip:%s@%s%s%s:%d%s", c->o.user, v6 ? "[" : "",
				c->local_host, v6 ? "]" : "", c->local_port,
				c->o.tcp ? ";transport=tcp" : "");
	if(rc < 0)
		abort();
	if(asprintf(&s, "<%s>%s%s%s;+sip.instance=\"<%s>\"", uri,
			   icsi[0] ? ";+g.3gpp.icsi-ref=\"" : "", icsi, icsi[0] ? "\"" : "",
			   c->instance)
			< 0)
		abort();
	free(uri);
	return s;
}

bool cl_sip_authenticate(struct client *c, nua_handle_t *nh,
		struct cl_handle *h, const sip_t *sip)
{
	const msg_auth_t *ch = sip
			? (sip->sip_www_authenticate ? sip->sip_www_authenticate
										 : sip->sip_proxy_authenticate)
			: NULL;
	const char *realm = ch ? msg_params_find(ch->au_params, "realm=") : NULL;
	char *auth;

	if(!realm || !c->o.password || h->auth_tries++ >= AUTH_TRIES)
		return false;
	if(asprintf(&auth, "%s:%s:%s:%s", ch->au_scheme, realm,
			   c->o.auth_user ? c->o.auth_user : c->o.user, c->o.password)
			< 0)
		abort();
	nua_authenticate(nh, NUTAG_AUTH(auth), TAG_END());
	free(auth);
	return true;
}

static void on_event(nua_event_t event, int status, char const *phrase,
		nua_t *nua, nua_magic_t *magic, nua_handle_t *nh, nua_hmagic_t *hmagic,
		sip_t const *sip, tagi_t tags[])
{
	struct client *c = (struct client *)magic;
	struct cl_handle *h = (struct cl_handle *)hmagic;

	(void)nua;
	(void)tags;
	if(event == nua_r_shutdown) {
		if(status >= 200) {
			c->shut = true;
			su_root_break(c->root);
		}
		return;
	}
	if(event == nua_i_message && sip) {
		cl_receive_message(c, nh, sip);
		return;
	}
	if(event == nua_i_invite && !h && sip) {
		cl_accept_invite(c, nh, h, sip);
		return;
	}
	if(!h) {
		/* OPTIONS and whatever else nua answers itself */
		if(event >= nua_i_invite && event != nua_i_state && nh
				&& event != nua_i_terminated)
			nua_handle_destroy(nh);
		return;
	}
	if(h->kind == CL_H_REGISTER)
		cl_register_event(c, event, status, phrase, sip);
	else if(h->kind == CL_H_WATCH)
		cl_watch_event(c, h, event, status, phrase, sip);
	else if(h->kind == CL_H_OUT)
		cl_send_event(c, h, event, status, phrase, sip);
	else
		cl_accept_event(c, h, event, status, phrase, sip);
}

static int local_choose(struct client *c)
{
	char proxy_host[256] = "";

	if(c->o.local)
		c->local_port =
				split_host(c->o.local, c->local_host, sizeof(c->local_host));
	if(c->local_host[0])
		return 0;
	split_host(c->o.proxy ? c->o.proxy : c->o.domain, proxy_host,
			sizeof(proxy_host));
	if(source_of(proxy_host, c->local_host, sizeof(c->local_host)) != 0) {
		cl_warn("cannot find a local address to reach %s; give --local",
				proxy_host);
		return -EADDRNOTAVAIL;
	}
	return 0;
}

static void proxy_choose(struct client *c)
{
	char host[256];
	int port;

	if(!c->o.proxy)
		return;
	port = split_host(c->o.proxy, host, sizeof(host));
	if(asprintf(&c->proxy_url, "sip:%s%s%s:%d;lr%s",
			   strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "",
			   port ? port : 5060, c->o.tcp ? ";transport=tcp" : "")
			< 0)
		abort();
}

static nua_t *nua_start(struct client *c)
{
	char url[128];
	bool v6 = strchr(c->local_host, ':') != NULL;

	snprintf(url, sizeof(url), "sip:%s%s%s:%d", v6 ? "[" : "", c->local_host,
			v6 ? "]" : "", c->local_port);
	return nua_create(c->root, on_event, (nua_magic_t *)c, NUTAG_URL(url),
			NUTAG_MEDIA_ENABLE(0),
			NUTAG_OUTBOUND("no-outbound no-natify "
						   "no-gruuize no-validate "
						   "no-options-keepalive"),
			SIPTAG_ALLOW_STR("INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, "
							 "MESSAGE, NOTIFY"),
			NUTAG_ALLOW_EVENTS("deferred-messages"),
			SIPTAG_SUPPORTED_STR("timer"), NUTAG_USER_AGENT(c->o.user_agent),
			NUTAG_AUTOANSWER(0), NUTAG_AUTOALERT(0), NUTAG_SESSION_TIMER(0),
			NUTAG_MIN_SE((unsigned)c->o.min_se), NUTAG_UPDATE_REFRESH(1),
			NUTAG_APPL_METHOD("MESSAGE"), NUTAG_APPL_METHOD("BYE"),
			NUTAG_DETECT_NETWORK_UPDATES(NUA_NW_DETECT_NOTHING),
			TAG_IF(c->proxy_url, NUTAG_PROXY(c->proxy_url)),
			NTATAG_MAXSIZE(1024 * 1024), TPTAG_REUSE(1),
			TPTAG_QUEUESIZE(QUEUED_MAX), TAG_END());
}

int cl_sip_start(struct client *c)
{
	bool fixed;
	int rc = local_choose(c);

	if(rc != 0)
		return rc;
	proxy_choose(c);
	if(asprintf(&c->aor, "sip:%s@%s", c->o.user, c->o.domain) < 0)
		abort();
	c->instance = c->o.instance ? strdup(c->o.instance)
								: instance_make(c->aor, c->local_host);
	fixed = c->local_port != 0;
	for(int i = 0; i < (fixed ? 1 : PORT_TRIES) && !c->nua; i++) {
		if(!fixed)
			c->local_port = free_port(c->local_host);
		if(c->local_port > 0)
			c->nua = nua_start(c);
	}
	if(!c->nua) {
		cl_warn("cannot listen on %s port %d", c->local_host, c->local_port);
		return -EADDRINUSE;
	}
	return 0;
}

/* The one way out of the loop. Safe to call again. */
void cl_stop(struct client *c, enum cl_exit code)
{
	if(c->exit_code == CL_OK)
		c->exit_code = code;
	if(c->stopping)
		return;
	c->stopping = true;
	c->stop_deadline_ms = peer_now_ms() + STOP_MS;
	if(c->registered && !c->o.keep_registration) {
		c->unregistering = true;
		c->reg.auth_tries = 0;
		nua_unregister(c->reg_nh, TAG_END());
		return;
	}
	if(c->registered && c->o.keep_registration) {
		su_root_break(c->root); /* nua's shutdown would unregister */
		return;
	}
	nua_shutdown(c->nua);
}
