/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One leg: an MSRP session with one peer. What commands and the SDP say about
 * it, its connection (opened by us or found by a request for its session id),
 * and how it ends. RFC 4975 section 5.4, RFC 6135, RFC 6714 (the address to
 * connect to need not be that of the path).
 */
#include "session/session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "msrp/write.h"
#include "msrp_uri.h"

struct leg *leg_find(struct worker *w, struct slice id)
{
	struct leg *l = NULL;

	if(id.n == LEG_ID_LEN)
		HASH_FIND(hh, w->legs, id.p, LEG_ID_LEN, l);
	return l;
}

static char *copy(const char *s)
{
	return s ? xstrndup(s, strlen(s)) : NULL;
}

struct leg *leg_new(struct session *s, const struct relay_leg_params *p)
{
	struct worker *w = s->w;
	const struct relay_conf *conf = w->conf;
	struct leg *l = xcalloc(sizeof(*l)), **at = &s->legs;
	const char *host =
			conf->advertise_host ? conf->advertise_host : conf->listen_host;
	char path[RELAY_PATH_MAX];
	bool tls = p->transport == RELAY_TLS;

	l->session = s;
	l->name_n = (uint8_t)snprintf(l->name, sizeof(l->name), "%s", p->leg);
	l->direction = p->direction;
	l->transport = p->transport;
	l->cpim_to = copy(p->cpim_to);
	l->cpim_add = copy(p->cpim_add);
	l->copy = p->copy;
	worker_random_id(w, l->id, LEG_ID_LEN);
	msrp_uri_print(path, sizeof(path), tls, slice_str(host),
			(unsigned)(tls ? w->tls.port : w->tcp.port),
			slice_of(l->id, LEG_ID_LEN));
	l->path = copy(path);
	while(*at)
		at = &(*at)->next;
	*at = l;
	s->n_legs++;
	if(p->direction == RELAY_RECV)
		s->in = l;
	HASH_ADD_KEYPTR(hh, w->legs, l->id, LEG_ID_LEN, l);
	stat_add(&w->stats, legs, 1);
	return l;
}

struct leg *leg_source(struct session *s)
{
	struct leg *l = xcalloc(sizeof(*l));

	l->session = s;
	l->direction = RELAY_RECV;
	l->state = RELAY_LEG_BOUND;
	return l;
}

void leg_free(struct leg *l)
{
	struct worker *w = l->session->w;

	if(l->session->content && l == l->session->in) {
		free(l);
		return;
	}
	leg_detach(l);
	HASH_DEL(w->legs, l);
	msrp_conn_leg_changed(w, l);
	stat_sub(&w->stats, legs, 1);
	free(l->path);
	free(l->cpim_to);
	free(l->cpim_add);
	free(l->peer_path);
	free(l->peer_host);
	free(l->accept_types);
	free(l->accept_wrapped_types);
	free(l->fingerprint);
	free(l->paths);
	free(l->answer);
	free(l->req_to);
	free(l->req_from);
	free(l->reply);
	free(l);
}

bool leg_peer_ok(const struct relay_peer *p)
{
	struct msrp_uri first;

	return p->path != NULL && strlen(p->path) <= RELAY_PATH_MAX
			&& msrp_path_parse(slice_str(p->path), &first, NULL) >= 1
			&& p->port >= 0 && p->port <= 65535;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool leg_same(const struct leg *l, const struct relay_leg_params *p)
{
	return strcmp(l->name, p->leg) == 0 && l->direction == p->direction
			&& l->transport == p->transport && l->copy == p->copy
			&& same(l->cpim_to, p->cpim_to) && same(l->cpim_add, p->cpim_add);
}

bool leg_peer_same(const struct leg *l, const struct relay_peer *p)
{
	return same(l->peer_path, p->path) && l->connect == p->connect
			&& l->match_full == p->match_full
			&& same(l->fingerprint, p->fingerprint)
			&& same(l->accept_types, p->accept_types)
			&& (p->host == NULL || same(l->peer_host, p->host))
			&& (p->port == 0 || l->peer_port == p->port);
}

void leg_bound(struct leg *l)
{
	if(l->bound || l->mc == NULL)
		return;
	l->bound = true;
	l->error = NULL;
	wheel_disarm(&l->session->w->net.wheel, &l->timer);
	if(l->state != RELAY_LEG_DONE)
		l->state = RELAY_LEG_BOUND;
	stat_add(&l->session->w->stats, legs_bound_total, 1);
	log_debug("session %s leg %s: bound to %s", l->session->name, l->name,
			l->mc->net.addr);
	session_event(l->session, RELAY_EV_LEG_BOUND, l, NULL, 0, 0, NULL);
	leg_ready(l);
}

void leg_attach(struct leg *l, struct msrp_conn *mc)
{
	l->mc = mc;
	l->mc_next = mc->legs;
	mc->legs = l;
}

void leg_ready(struct leg *l)
{
	struct msrp_conn *mc = l->mc;

	if(mc == NULL || !l->bound || l->ready || l->queue == NULL)
		return;
	l->ready = true;
	l->ready_next = NULL;
	if(mc->ready_tail)
		mc->ready_tail->ready_next = l;
	else
		mc->ready = l;
	mc->ready_tail = l;
	conn_wake(&mc->net);
}

static void ready_remove(struct leg *l)
{
	struct leg **at = &l->mc->ready, *prev = NULL;

	if(!l->ready)
		return;
	while(*at != l) {
		prev = *at;
		at = &(*at)->ready_next;
	}
	*at = l->ready_next;
	if(l->mc->ready_tail == l)
		l->mc->ready_tail = prev;
	l->ready = false;
}

void leg_detach(struct leg *l)
{
	struct msrp_conn *mc = l->mc;
	struct leg **at;
	struct message *m;

	outbound_forget(l);
	if(mc == NULL)
		return;
	ready_remove(l);
	for(at = &mc->legs; *at != l; at = &(*at)->mc_next)
		;
	*at = l->mc_next;
	l->mc = NULL;
	l->bound = false;
	if(mc->last == l)
		mc->last = NULL;
	if(mc->chunk.leg == l) {
		m = mc->chunk.m;
		mc->chunk.leg = NULL;
		mc->chunk.m = NULL;
		if(m)
			m->in_chunk = false;
	}
	if(l->stopped) {
		l->stopped = false;
		conn_resume(&mc->net);
	}
	if(mc->legs == NULL)
		msrp_conn_unused(mc);
}

/* End what passes: deliveries fail, unfinished messages are given up. */
static const char *leg_empty(struct leg *l, int status, char id[])
{
	struct delivery *d;
	struct message *m, *next;
	const char *first = NULL;

	while((d = l->queue) != NULL) {
		m = d->m;
		if(first == NULL) {
			snprintf(id, MSRP_IDENT_MAX + 1, "%s", m->id);
			first = id;
		}
		delivery_close(d, status, NULL);
		message_settle(m);
	}
	while((d = l->await) != NULL) {
		m = d->m;
		delivery_await_end(d);
		message_settle(m);
	}
	for(m = l->messages_list; m; m = next) {
		next = m->next;
		if(!m->complete && !m->aborted && first == NULL) {
			snprintf(id, MSRP_IDENT_MAX + 1, "%s", m->id);
			first = id;
		}
		m->in_chunk = false;
		message_abort(m);
		message_settle(m);
	}
	return first;
}

void leg_fail(struct leg *l, int status, const char *error)
{
	char id[MSRP_IDENT_MAX + 1];
	const char *first;

	if(l->state == RELAY_LEG_CLOSED)
		return;
	leg_detach(l);
	first = leg_empty(l, status, id);
	l->state = RELAY_LEG_FAILED;
	l->status = status;
	l->error = error;
	stat_add(&l->session->w->stats, legs_failed_total, 1);
	log_info("session %s leg %s: failed: %s", l->session->name, l->name, error);
	session_event(
			l->session, RELAY_EV_LEG_FAILED, l, first, l->bytes, status, error);
	outbound_wait_less(l);
	session_check_end(l->session);
}

void leg_close(struct leg *l)
{
	char id[MSRP_IDENT_MAX + 1];

	if(l->state == RELAY_LEG_CLOSED)
		return;
	leg_detach(l);
	l->state = RELAY_LEG_CLOSED;
	leg_empty(l, 481, id);
	msrp_conn_leg_changed(l->session->w, l);
	outbound_wait_less(l);
}

void leg_give_up(struct leg *l)
{
	char id[MSRP_IDENT_MAX + 1];

	/* What is stored need not wait for a peer that may never answer. */
	if(l->direction != RELAY_SEND || l->bound
			|| (l->state == RELAY_LEG_CONNECTING && l->session->claim == NULL))
		return;
	leg_empty(l, 481, id);
}

static void store(char **to, size_t *to_n, struct slice s)
{
	free(*to);
	*to = xstrndup(s.p, s.n);
	*to_n = s.n;
}

/* Responses go to the previous hop: the first URI of its From-Path (RFC 4975
 * section 7.2), and name us as the peer did. */
void leg_paths_seen(struct leg *l, struct slice to, struct slice from)
{
	char reply[2 * PATHS_MAX + 64];
	size_t n;

	if(slice_eq(to, slice_of(l->req_to, l->req_to_n))
			&& slice_eq(from, slice_of(l->req_from, l->req_from_n)))
		return;
	store(&l->req_to, &l->req_to_n, to);
	store(&l->req_from, &l->req_from_n, from);
	n = msrp_write_paths(reply, sizeof(reply), slice_cut(from, ' ', NULL), to);
	store(&l->reply, &l->reply_n, slice_of(reply, n));
}

/* A host that is a number: filled, 0. */
static int address_of(const char *host, int port, struct sockaddr_storage *out)
{
	if(uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0)
		return 0;
	return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out);
}

static void leg_connect_to(struct leg *l, const struct sockaddr *sa)
{
	struct msrp_conn *mc;
	int err = 0;

	mc = msrp_conn_open(l->session->w, sa, l->transport == RELAY_TLS, &err);
	if(mc == NULL) {
		leg_fail(l, 0, strerrordesc_np(-err));
		return;
	}
	leg_attach(l, mc);
}

struct lookup
{
	uv_getaddrinfo_t req; /* first member */
	struct worker *w;
	char id[LEG_ID_LEN];
};

/* One of the family we listen with, if there is any. */
static const struct addrinfo *address_choose(
		const struct worker *w, const struct addrinfo *res)
{
	const struct addrinfo *a = res;

	while(a && a->ai_family != w->net.source.ss_family)
		a = a->ai_next;
	return a ? a : res;
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct lookup *lk = (struct lookup *)req;
	struct worker *w = lk->w;
	struct leg *l = leg_find(w, slice_of(lk->id, LEG_ID_LEN));

	if(l && l->state == RELAY_LEG_CONNECTING && l->mc == NULL) {
		if(status < 0)
			leg_fail(l, 0, "the peer's host name is not known");
		else
			leg_connect_to(l, address_choose(w, res)->ai_addr);
	}
	uv_freeaddrinfo(res);
	free(lk);
	net_flush(&w->net);
}

static void leg_connect(struct leg *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct sockaddr_storage sa;
	struct lookup *lk;
	char port[8];
	int err;

	l->state = RELAY_LEG_CONNECTING;
	if(address_of(l->peer_host, l->peer_port, &sa) == 0) {
		leg_connect_to(l, (struct sockaddr *)&sa);
		return;
	}
	lk = xcalloc(sizeof(*lk));
	lk->w = l->session->w;
	memcpy(lk->id, l->id, LEG_ID_LEN);
	snprintf(port, sizeof(port), "%d", l->peer_port);
	err = uv_getaddrinfo(
			&lk->w->loop, &lk->req, on_lookup, l->peer_host, port, &hints);
	if(err != 0) {
		free(lk);
		leg_fail(l, 0, uv_strerror(err));
	}
}

/* In a session that keeps its message the others shall not wait for a peer
 * that does not come. */
static void on_wait_time(struct wheel_timer *timer)
{
	struct leg *l = (struct leg *)((char *)timer - offsetof(struct leg, timer));

	leg_fail(l, 408, "the peer did not connect");
}

void leg_start(struct leg *l, const struct relay_peer *p)
{
	struct msrp_uri first;
	char paths[2 * PATHS_MAX + 64];
	size_t n;

	if(msrp_path_parse(slice_str(p->path), &first, NULL) < 1)
		return; /* leg_peer_ok has seen to it */
	l->peer_path = copy(p->path);
	l->peer_host =
			p->host ? copy(p->host) : xstrndup(first.host.p, first.host.n);
	l->peer_port = p->port ? p->port : msrp_uri_port(&first);
	l->connect = p->connect;
	l->match_full = p->match_full;
	l->accept_types = copy(p->accept_types);
	l->accept_wrapped_types = copy(p->accept_wrapped_types);
	l->fingerprint = copy(p->fingerprint);
	l->peer_max_bytes = p->max_bytes;
	l->chunk_bytes =
			p->chunk_bytes ? p->chunk_bytes : l->session->w->conf->chunk_bytes;
	n = msrp_write_paths(
			paths, sizeof(paths), slice_str(l->peer_path), slice_str(l->path));
	store(&l->paths, &l->paths_n, slice_of(paths, n));
	n = msrp_write_paths(
			paths, sizeof(paths), slice_str(l->path), slice_str(l->peer_path));
	store(&l->answer, &l->answer_n, slice_of(paths, n));
	delivery_recheck(l);
	l->state = RELAY_LEG_WAITING;
	session_activity(l->session);
	if(l->connect) {
		leg_connect(l);
		return;
	}
	if(l->session->keep && l->direction == RELAY_SEND)
		wheel_arm(&l->session->w->net.wheel, &l->timer,
				(uint64_t)l->session->idle_ms, on_wait_time);
	msrp_conn_leg_changed(l->session->w, l);
}
