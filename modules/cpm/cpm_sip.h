/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SIP side of the module as cpm_mod.c and cpm_rpc.c see it: hooks of the
 * module's life, script functions in their KEMI form, and copies of the
 * sessions for the operator. Script functions return by Kamailio's rules:
 * 1 done, go on; 0 handled, leave the script; negative: no.
 */
#ifndef CPM_SIP_H
#define CPM_SIP_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/parser/msg_parser.h"

/* ---- life ---- */

/* In mod_init, after the parameters are known and tm can be bound: 0 or -1. */
int cpm_sip_mod_init(void);

/* In child_init of every rank; forks the timer process in PROC_MAIN. */
int cpm_sip_child_init(int rank);

/* In mod_destroy. */
void cpm_sip_destroy(void);

/**
 * exports.response_f: sees every reply before tm (cpm is loaded after tm) and
 * acknowledges each 2xx to an INVITE of ours, retransmitted and forked ones
 * too (RFC 3261 13.2.2.4).
 *
 * @return 1: go on with tm; 0: the reply ends here
 */
int cpm_sip_on_reply(sip_msg_t *msg);

/* ---- script functions: whole procedures ---- */

/**
 * The originating role, whole: a large-message INVITE becomes a session
 * (B2BUA), a pager MESSAGE is checked, rewritten and relayed through tm.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 and 8.2.1.2.
 *
 * @return 0 handled; -1 not a CPM message (nothing was sent)
 */
int ki_cpm_originating(sip_msg_t *msg);

/**
 * A request within one of our dialogs (its To-tag is ours): ACK, BYE, UPDATE,
 * re-INVITE and the rest.
 *
 * @return 0 handled; -1 the To-tag is not ours (nothing was sent)
 */
int ki_cpm_in_dialog(sip_msg_t *msg);

/**
 * CANCEL of an INVITE that ki_cpm_originating() took.
 *
 * @return 0 handled; -1 no such session (nothing was sent)
 */
int ki_cpm_cancel(sip_msg_t *msg);

/* ---- script functions: the steps ---- */

/* 1 when Accept-Contact has the pager ICSI (...oma.cpm.msg), else -1. */
int ki_cpm_is_pager(sip_msg_t *msg);

/* 1 when Accept-Contact has the large ICSI (...oma.cpm.largemsg), else -1. */
int ki_cpm_is_large(sip_msg_t *msg);

/* Does the request come from an address of modparam trusted_peers? 1 or -1. */
int ki_cpm_trusted(sip_msg_t *msg);

/* Find the session case out and keep it as $cpm(case): 1 originating, 2
 * terminating, -1 nothing tells. */
int ki_cpm_session_case(sip_msg_t *msg);

/* The checks in their order, or one of them: 1 all is well; -1 not, and
 * $cpm(refusal) is the reason for cpm_reject(). */
int ki_cpm_check(sip_msg_t *msg);
int ki_cpm_check_authorised(sip_msg_t *msg); /* OP-01 */
int ki_cpm_check_version(sip_msg_t *msg);    /* OP-02 */
int ki_cpm_check_anonymity(sip_msg_t *msg);  /* OP-03 */
int ki_cpm_check_expires(sip_msg_t *msg);    /* OP-04 */
int ki_cpm_check_timer(sip_msg_t *msg);      /* OL-05; 1 for a MESSAGE */
int ki_cpm_check_require(sip_msg_t *msg);    /* extensions: 420 */
int ki_cpm_check_size(sip_msg_t *msg);       /* $cpm(max_message) */

/* 1 when the Request-URI is one of modparam exploder_uri, else -1. */
int ki_cpm_is_exploder(sip_msg_t *msg);

/**
 * A MESSAGE to the EXPLODER-URI: the checks of its list, one MESSAGE for each
 * recipient, the answer to the sender (OP-13 to OP-22). The checks common to
 * all requests are the caller's.
 *
 * @return 0 handled; -1 no MESSAGE, or its Request-URI is another (nothing was
 *         sent)
 */
int ki_cpm_explode(sip_msg_t *msg);

/**
 * A MESSAGE over $cpm(pager_limit) goes on as a large message (OP-25 to OP-46).
 * The checks common to all requests are the caller's.
 *
 * @return 0 handled; -1 no MESSAGE, not over the limit, or to the EXPLODER-URI
 *         (nothing was sent)
 */
int ki_cpm_to_large(sip_msg_t *msg);

/* Turn a request that is to be relayed to the ISF: Request-URI, Route, next
 * hop; the script relays it. 1, or -1 when there is no ISF. */
int ki_cpm_to_isf(sip_msg_t *msg);

/**
 * P-Preferred-Service with a CPM ICSI becomes P-Asserted-Service (OP-09,
 * OL-12).
 *
 * @return 1 rewritten or nothing to do; -1 a P-Asserted-Service is there that
 *         has no CPM ICSI
 */
int ki_cpm_service_header(sip_msg_t *msg);

/**
 * Refuse the request, by the name of the reason: a Warning code ("127",
 * "119", "102", ...) or one of "expired", "relay", "too-large" and so on.
 * Status, phrase, Warning text and further headers come from one table.
 *
 * @return 0 refused; -1 no such reason or no reply could be sent
 */
int ki_cpm_reject(sip_msg_t *msg, str *reason);

/* ---- script functions: registration ---- */

/**
 * In the REGISTER route behind save(), where modparam contacts is usrloc: keep
 * the feature tags of the clients that register, and say who they are.
 *
 * @param identities the user's further addresses with commas between them
 *                   ("tel:+15550101"); may be empty
 *
 * @return 1; -1 no REGISTER, or its To is no address
 */
int ki_cpm_register_tags(sip_msg_t *msg, str *identities);

/**
 * A third-party REGISTER of the core, where modparam contacts is reg (3GPP TS
 * 24.229 5.7.1.1): answered, and followed by a subscription to the user's
 * registration state.
 *
 * @return 0 handled; -1 no REGISTER (nothing was sent)
 */
int ki_cpm_third_party_register(sip_msg_t *msg);

/* ---- sessions for RPC ---- */

#define CPM_INFO_LEGS 8

/* A copy of one leg; texts are cut to fit. */
struct cpm_leg_info
{
	unsigned n;          /* 0 inbound, 1.. outbound */
	bool isf;            /* to the interworking function */
	char state[16];      /* name of the leg's state */
	char call_id[96];    /* */
	char peer[96];       /* URI of the peer */
	char media[16];      /* last word of the relay on this leg */
	unsigned expires_s;  /* session timer's interval, 0 none */
	unsigned left_s;     /* until refresh or end of the session timer */
	int refresher_is_us; /* */
};

/* A copy of one session. */
struct cpm_session_info
{
	char id[32];      /* as in the log and at the relay */
	char state[16];   /* name of the session's state */
	unsigned age_s;   /* since the INVITE */
	unsigned state_s; /* in this state */
	uint64_t bytes;   /* size of the message as announced, 0 unknown */
	char request[8];  /* what the originator has sent: INVITE or MESSAGE */
	unsigned recipients, delivered, failed; /* deliveries */
	char counts[96];   /* legs in each state: "up 3, bye 1" */
	unsigned legs_all; /* of the session; the first ones are in legs[] */
	unsigned n_legs;   /* in legs[] */
	struct cpm_leg_info legs[CPM_INFO_LEGS];
};

/* Called for each session without a lock held; non-zero stops. */
typedef int (*cpm_session_info_f)(
		const struct cpm_session_info *info, void *arg);

/**
 * Copy out the sessions, one after the other.
 *
 * @return number of sessions reported
 */
unsigned cpm_session_each(cpm_session_info_f f, void *arg);

/* Copy out one session by its id as printed: 0 or -ENOENT. */
int cpm_session_info_get(const str *id, struct cpm_session_info *out);

/* End one session by its id as printed (operator): 0 or -ENOENT. */
int cpm_session_kill(const str *id);

/* Sessions in the table now. */
unsigned cpm_session_count(void);

#endif
