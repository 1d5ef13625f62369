/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every module parameter in one struct. Written by the core while it reads
 * the configuration, checked once by cpm_conf_check() in mod_init, and read
 * only from then on. A name here is the name of the modparam.
 */
#ifndef CPM_CONF_H
#define CPM_CONF_H

#include "../../core/str.h"
#include "../../core/sr_module.h"

/* msrp_transport, as parsed. */
typedef enum cpm_transport
{
	CPM_TRANSPORT_TCP,
	CPM_TRANSPORT_TLS
} cpm_transport_t;

/* isf_mode, as parsed. */
typedef enum cpm_isf_mode
{
	CPM_ISF_DIRECT, /* Route: the ISF alone */
	CPM_ISF_CORE    /* the core's own Route entries first, then the ISF */
} cpm_isf_mode_t;

/* exploder_answer, as parsed. */
typedef enum cpm_answer
{
	CPM_ANSWER_ACCEPT,   /* 202 when the list has been checked */
	CPM_ANSWER_AGGREGATE /* when the recipients' answers are known */
} cpm_answer_t;

/* contacts, as parsed. */
typedef enum cpm_contacts
{
	CPM_CONTACTS_NONE,
	CPM_CONTACTS_USRLOC, /* we are the registrar */
	CPM_CONTACTS_REG     /* third-party REGISTER and the reg event package */
} cpm_contacts_t;

/* client_target, as parsed. */
typedef enum cpm_client_target_by
{
	CPM_TARGET_GRUU,   /* through the core, by GRUU or instance */
	CPM_TARGET_CONTACT /* straight to the Contact URI */
} cpm_client_target_by_t;

/* How users are told of deferred messages. */
enum
{
	CPM_NOTIFY_MESSAGE = 1,
	CPM_NOTIFY_NOTIFY = 2
};

typedef struct cpm_conf
{
	/* the relay (docs/control-protocol.md) */
	str relay_socket;        /* path of its control socket */
	str relay_owner;         /* our name there */
	int relay_timeout;       /* ms a command may take */
	int relay_reconnect_min; /* ms before the first reconnection */
	int relay_reconnect_max; /* ms at most between two attempts */
	str event_callback;      /* KEMI function for event routes; empty: none */
	int relay_queue;         /* commands that may wait, all workers */

	/* our place in the SIP network */
	str contact;        /* SIP URI of the PF: Contact of our dialogs */
	str server_token;   /* User-Agent and Server, "CPM-serv/OMA2.2" */
	str outbound_proxy; /* SIP URI every own request goes to; empty: Route
						 * or Request-URI decide */
	str warn_agent;     /* agent in Warning headers; empty: contact's host */

	/* whom we believe, and for whom we act (3GPP TS 24.229 5.7) */
	str trusted_peers; /* addresses and networks; empty: everyone */
	str orig_user;     /* user of our Route: originating */
	str term_user;     /* terminating */
	str loop_header;   /* name of the mark on what we send; empty: none */
	str loop_secret;   /* its key, the same on all nodes; empty: drawn */
	str instance;      /* our name in it; empty: from contact */

	/* sessions */
	int hash_size;       /* slots of the session table, a power of two */
	int session_expires; /* s, RFC 4028 */
	int min_se;          /* s, RFC 4028 */
	int ring_timeout;    /* ms a client may ring */
	int ring_spare;      /* ms more, in the originating role */
	int switch_timeout;  /* ms until a MESSAGE that became large is answered */

	/* messages */
	int max_message;        /* bytes of a large message */
	int pager_limit;        /* bytes of a pager message's body */
	str min_client_version; /* CPM-client/OMA below is refused; empty: none */
	int authorised;         /* 1: originators may use CPM */
	int version_required;   /* 1: and without such a token */
	int clock_skew;         /* s that a sender's clock may be wrong */
	str error_info;         /* URI in Error-Info of 132 */
	int anonymity;          /* 1: senders may be anonymous */
	int list_anonymity;     /* 1: to a list of recipients, too */
	int interworking;       /* 1: the ISF may be tried */
	int defer;              /* 1: what nobody takes is stored */
	str deferred_uri;       /* our address for stored messages; empty: none */
	int max_recipients;     /* of one message */

	/* messages to many */
	str exploder_uri;      /* our address for them; several with commas */
	int exploder_parallel; /* requests of one message at a time */
	int exploder_window;   /* requests of all messages at a time */
	str exploder_answer;   /* "accept" or "aggregate" */
	cpm_answer_t answer;   /* exploder_answer, parsed */
	int exploder_wait;     /* ms until an aggregate is answered anyhow */
	int rewrite_cpim_to;   /* 1: CPIM To becomes the recipient */

	/* copies for the sender's other clients */
	int direct_delivery;  /* 1: they get them */
	str direction_prefix; /* of Message-Direction in the wrapper; mostly none */

	/* notification of deferred messages */
	str defer_notify;      /* "none", "message", "notify" or "both" */
	unsigned notify_by;    /* the same: CPM_NOTIFY_* */
	int notify_list_max;   /* messages in a list */
	int subscribe_default; /* s, where SUBSCRIBE has no Expires */
	int subscribe_min, subscribe_max; /* s */

	/* interworking */
	str isf_uri;           /* SIP URI of the ISF; empty: none */
	str isf_mode;          /* "direct" or "core" */
	cpm_isf_mode_t isf_by; /* isf_mode, parsed */

	/* registered clients */
	str contacts;               /* "none", "usrloc" or "reg" */
	cpm_contacts_t contacts_by; /* contacts, parsed */
	int contacts_unknown; /* 1: clients without known feature tags are tried */
	str contacts_domain;  /* of usrloc's users where it keeps none */
	str usrloc_table;     /* usrloc's table, "location" */
	int contacts_max_users;   /* that are kept in memory */
	int contacts_max_clients; /* contacts of one of them, of all identities */
	str reg_route;            /* where SUBSCRIBE goes; empty: the S-CSCF of the
							   * third-party REGISTER, else outbound_proxy */
	int reg_expires;          /* s, of subscriptions */
	int reg_wait;             /* ms until an unknown user is not registered */
	int reg_retry;            /* s before the first new attempt; doubled */
	str client_target;        /* "gruu" or "contact"; empty: by contacts */
	cpm_client_target_by_t target; /* client_target, parsed */

	/* deferred messages */
	int fork_wait;      /* ms until a pager message is kept and answered */
	int defer_lifetime; /* s that a message is kept at most */
	int imdn_lifetime;  /* s, of a disposition notification */
	int push;           /* 1: what is kept goes out by itself */
	int push_settle;    /* ms from a registration to the first push */
	int push_parallel;  /* users who are pushed to at a time */
	int push_lease;     /* ms of a claim */
	int push_permanent; /* refusals after which a message is given up */
	str push_retries;   /* s between attempts: "60 300 900 3600" */
	str push_route;     /* Route of what is pushed; empty: outbound_proxy */
	str imdn_route;     /* Route of our notifications, likewise */

	/* MSRP */
	str msrp_transport;        /* "tcp" or "tls" */
	cpm_transport_t transport; /* msrp_transport, parsed */
	int msrp_idle;             /* ms without a byte end a session */
} cpm_conf_t;

extern cpm_conf_t cpm_conf;

/* modparam refusal: "name=code phrase;warning" (cpm_reject.c). */
int cpm_reject_param(modparam_t type, void *value);

/* For exports.params. */
extern param_export_t cpm_params[];

/* Check and complete the parameters; logs what is wrong: 0 or -1. */
int cpm_conf_check(void);

#endif
