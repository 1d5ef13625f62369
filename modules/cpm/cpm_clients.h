/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The registered clients of a user: one interface, whether this Kamailio is
 * the registrar (usrloc, cpm_usrloc.c) or an application server that learns of
 * registrations by third-party REGISTER and the reg event package (cpm_reg.c;
 * 3GPP TS 24.229 5.7.1.1, RFC 3680, RFC 5628). Modparam contacts decides.
 *
 * OMA-TS-CPM_Conv_Fnct 8.1.3, 8.3.2.1.1 #6 (TL-06, TL-07).
 *
 * What comes out of here is a copy in private memory, good for the process
 * that asked: nothing in it changes, and nothing of it may be put into shared
 * memory but by copying texts.
 */
#ifndef CPM_CLIENTS_H
#define CPM_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/ip_addr.h"
#include "../../core/parser/msg_parser.h"
#include "../../core/str.h"
#include "cpm_hdr.h"
#include "proto/product.h"

#define CPM_USER_BUF 256    /* bytes for a user's name with its NUL */
#define CPM_CLIENTS_IDS 16  /* public identities of one user */
#define CPM_CLIENTS_MAX 128 /* clients of one user that are looked at */

/* Services that a client has registered feature tags for (+g.3gpp.icsi-ref). */
enum
{
	CPM_CAN_MSG = 1,      /* ...oma.cpm.msg */
	CPM_CAN_LARGE = 2,    /* ...oma.cpm.largemsg */
	CPM_CAN_DEFERRED = 4, /* ...oma.cpm.deferred */
	CPM_CAN_SESSION = 8,  /* ...oma.cpm.session */
	CPM_CAN_KNOWN = 128   /* its feature tags are known, whatever they are */
};

/* One registered client. Texts may be empty but for uri. */
typedef struct cpm_client
{
	str uri;      /* Contact URI */
	str gruu;     /* public GRUU (RFC 5627) */
	str instance; /* "urn:uuid:..." without < > and quotes */
	str ua;       /* User-Agent of its REGISTER */
	str path;     /* Route value that leads to it: its Path (RFC 3327) */
	str received; /* SIP URI it registered from, where that is not uri */
	struct socket_info *sock; /* it registered at; NULL: not known */
	unsigned tags;            /* CPM_CAN_* */
	bool chosen;              /* by cpm_clients_choose() */
} cpm_client_t;

typedef struct cpm_clients
{
	str user; /* canonical: his first identity, not always that asked for */
	str ids[CPM_CLIENTS_IDS]; /* all his identities, canonical; user too */
	unsigned n_ids;
	unsigned n;   /* clients */
	str charging; /* complete lines for requests on the core's behalf of him:
				   * P-Charging-Function-Addresses; may be empty */
	char *text;   /* where the next text goes; of whoever fills it */
	char *end;    /* of the room for texts */
	cpm_client_t v[];
} cpm_clients_t;

/* ---- names of users ---- */

/**
 * The one way to write a user: "sip:user@domain" without parameters, port
 * 5060 and escapes that need not be, domain in lower case; "tel:+..." for tel
 * URIs and SIP URIs with user=phone and a global number.
 *
 * @param uri any SIP, SIPS or tel URI, a public GRUU too
 * @param buf text with NUL
 *
 * @return its length; -EBADMSG no such URI, no user in it, or too long
 */
int cpm_user_name(str uri, char buf[CPM_USER_BUF]);

/* ---- who is registered ---- */

/**
 * The clients of a user that are registered now. Never waits.
 *
 * @param user any of his addresses; need not be canonical
 * @param out  on 0 only: for cpm_clients_free(); n is 0 when none is registered
 *
 * @return 0; -EAGAIN nothing is known of him yet: the core is being asked, see
 *         cpm_clients_when_known(); -EBADMSG user is no address; -ENOTSUP
 *         modparam contacts is "none"; -ENOMEM
 */
int cpm_clients_get(const str *user, cpm_clients_t **out)
		__attribute__((warn_unused_result));

/* The same, but nothing is asked of the core when it is not known. */
int cpm_clients_peek(const str *user, cpm_clients_t **out)
		__attribute__((warn_unused_result));

/* Free and clear the pointer; NULL is fine. */
void cpm_clients_free(cpm_clients_t **c);

/**
 * What to do when a user's clients are known: called once, in any process,
 * without a lock held, possibly before cpm_clients_when_known() has returned;
 * at the latest after modparam reg_wait ms, when cpm_clients_get() may still
 * say -EAGAIN: the user then counts as not registered.
 *
 * @param arg as given: an id, no pointer to private memory
 */
typedef void (*cpm_clients_known_f)(const str *user, uint64_t arg);

/**
 * After -EAGAIN: be called when it is known.
 *
 * @return 0 f will be called; -EALREADY it is known by now and f will not be
 *         called; -ENOMEM neither
 */
int cpm_clients_when_known(const str *user, cpm_clients_known_f f, uint64_t arg)
		__attribute__((warn_unused_result));

/**
 * A user has become reachable, or may have: a client has registered anew, has
 * got other feature tags, or has told the registrar that it is still there
 * (again == true: nothing else is new).
 *
 * Called in the process that noticed (a SIP worker or the one that pushes),
 * without a lock held, in the middle of its work: queue something, no more.
 * Several calls for one registration are possible.
 *
 * @param user canonical; borrowed for the call
 */
typedef void (*cpm_clients_change_f)(const str *user, bool again);

/* In mod_init; at most 4 of them. */
void cpm_clients_on_change(cpm_clients_change_f f);

/* ---- choosing (TL-06) ---- */

/* A client that is not to be chosen: the one that has sent the message. Empty
 * fields say nothing; any that matches excludes. */
typedef struct cpm_except
{
	str instance; /* as cpm_client_t's */
	str gruu;     /* */
	str uri;      /* Contact URI */
	str host;     /* its address, where only that is known */
	int port;     /* */
} cpm_except_t;

/**
 * The client a request came from: Contact with +sip.instance or a GRUU, else
 * the lowest Via (a MESSAGE has no Contact).
 *
 * @param msg headers parsed to the end
 * @param out borrowed from msg
 */
void cpm_except_of(sip_msg_t *msg, cpm_except_t *out);

/**
 * Choose the clients for a service: they have registered its feature tag (or
 * nothing is known of their tags and modparam contacts_unknown is 1; never for
 * CPM_CAN_DEFERRED), and their User-Agent is not too old as cpm_check_version()
 * judges it. One device that is registered twice is chosen once.
 *
 * @param what        CPM_CAN_MSG, CPM_CAN_LARGE or CPM_CAN_DEFERRED
 * @param min_version of $cpm(min_version); 0: any
 * @param except      may be NULL
 *
 * @return number of clients whose `chosen` is now true; the others' is false
 */
unsigned cpm_clients_choose(cpm_clients_t *c, unsigned what,
		product_version min_version, const cpm_except_t *except);

/* ---- reaching one ---- */

/* How a request for one client is addressed (TL-07, OP-49, OL-27). Texts are
 * borrowed from the client or from buf. */
typedef struct cpm_target
{
	str ruri;     /* Request-URI */
	str lines;    /* complete header lines to be added; may be empty */
	str routes;   /* direct: Route value, may be empty */
	str next_hop; /* direct: SIP URI to send to; empty: Route or Request-URI */
	struct socket_info *sock; /* direct: to send from; NULL: the usual one */
	bool direct; /* false: with the core's Route entries, through the core, as
				  * any other request; true: straight to the client by
				  * routes, next_hop and sock, we are its registrar */
	cpm_buf_t buf;
} cpm_target_t;

/**
 * Modparam client_target "gruu": the public GRUU; without one the user's
 * address and "Accept-Contact: *;+sip.instance=...;explicit;require"; without
 * an instance the Contact URI. "contact": the Contact URI by its Path.
 *
 * @param c   where client v[i] is
 * @param out for cpm_client_target_free(), always
 *
 * @return 0 or -ENOMEM
 */
int cpm_client_target(const cpm_clients_t *c, unsigned i, cpm_target_t *out)
		__attribute__((warn_unused_result));
void cpm_client_target_free(cpm_target_t *t);

/* ---- for the module ---- */

/* In mod_init: binds the source that modparam contacts names: 0 or -1. */
int cpm_clients_init(void);

/* In mod_destroy. */
void cpm_clients_destroy(void);

/* From the timer process, each second. */
void cpm_clients_tick(void);

/* Tell of what the source has noted; in any process, as often as one likes. */
void cpm_clients_work(void);

/* For the sources alone: tell those who asked by cpm_clients_on_change(). */
void cpm_clients_changed(const str *user, bool again);

#endif
