/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of sessions. One session carries one message: leg 0 is the
 * inbound leg (we are UAS of its INVITE, or of a MESSAGE that has grown too
 * large; down from the start when the message comes from the store), legs 1 to
 * n-1 are outbound (UAC). Each recipient, or in the terminating role each
 * client, is one delivery; a delivery is served by one leg at a time, and by a
 * further one when it is handed on to the interworking function.
 *
 * Rules: a cpm_session_t pointer is good between cpm_session_lock() and
 * cpm_session_unlock() and nowhere else; a cpm_leg_t pointer besides only until
 * cpm_session_leg_add(), which may move all legs. Under the lock nothing of tm,
 * of the link or of the log's slow path is called: decide, copy what is needed,
 * set the new state, unlock, act. A session whose last leg is down and whose
 * relay session is closed is freed by cpm_session_unlock(). Whoever comes
 * later with its id finds nothing, and that is fine.
 */
#ifndef CPM_SESSION_H
#define CPM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/ip_addr.h"
#include "../../core/str.h"
#include "cpm_id.h"
#include "cpm_strs.h"

#define CPM_LEGS_MAX 4096 /* legs of one session; the relay takes no more */
#define CPM_FORKS_MAX 4   /* further 200s of one forked INVITE remembered */

#define CPM_IN 0 /* the inbound leg */

/* Life of a session. */
typedef enum cpm_session_state
{
	CPM_S_SETUP,    /* session.create is at the relay */
	CPM_S_CALLING,  /* INVITE is out, no final answer */
	CPM_S_STARTING, /* a callee has answered 200; leg.start is at the relay */
	CPM_S_ANSWERED, /* our 200 is out, the ACK has not been seen */
	CPM_S_UP,       /* both dialogs stand, media may flow; of a MESSAGE: a
					 * recipient has answered */
	CPM_S_LEFT,     /* the originator has gone, all was received: recipients
					 * are still being served */
	CPM_S_CLOSING,  /* over; waits for answers to BYE and session.close */
	CPM_S_NSTATES
} cpm_session_state_t;

/* Life of a leg: one dialog. */
typedef enum cpm_leg_state
{
	CPM_L_IDLE,      /* nothing sent */
	CPM_L_INVITED,   /* INVITE sent (out) or received (in), no 1xx */
	CPM_L_RINGING,   /* a 1xx other than 100 has passed */
	CPM_L_CANCELLED, /* out: we gave up, the final answer is awaited */
	CPM_L_ANSWERED,  /* in: 200 is out, ACK awaited */
	CPM_L_UP,        /* the dialog stands */
	CPM_L_BYE,       /* our BYE is out, its answer is awaited */
	CPM_L_DOWN,      /* the dialog is over; final */
	CPM_L_NSTATES
} cpm_leg_state_t;

/* What the originator has sent; leg 0. */
typedef enum cpm_uas_kind
{
	CPM_UAS_INVITE,  /* a dialog with MSRP media */
	CPM_UAS_MESSAGE, /* a transaction only, the content is in the session */
	CPM_UAS_STORE,   /* nothing: a stored message is pushed */
	CPM_UAS_FETCH    /* a dialog in which a client gets a stored message */
} cpm_uas_kind_t;

/* Life of a delivery: one recipient. */
typedef enum cpm_dlv_state
{
	CPM_V_PENDING, /* not decided */
	CPM_V_DONE,    /* he has all of it; final */
	CPM_V_FAILED   /* he does not get it; final */
} cpm_dlv_state_t;

/* How far a session is with the store of deferred messages (cpm_term.h). */
typedef enum cpm_defer_state
{
	CPM_F_OFF,     /* it is not for the store */
	CPM_F_WANTED,  /* it is, session.defer has not been sent */
	CPM_F_ASKED,   /* it has, without an answer yet */
	CPM_F_ON,      /* the relay stores it when nobody takes it */
	CPM_F_NO,      /* the store does not take it; final */
	CPM_F_DEFERRED /* it is stored; final */
} cpm_defer_state_t;

/* Texts of the same: cpm_session_t.defer_text. */
enum
{
	CPM_DT_USER,   /* whose message it is, canonical */
	CPM_DT_SENDER, /* asserted identity of the originator */
	CPM_DT_REF,    /* of the stored message; CPM_UAS_STORE, _FETCH */
	CPM_DT_KIND,   /* of it, "pager" or "large"; CPM_UAS_FETCH */
	CPM_DT_IMDN,   /* "1": it is a disposition notification; likewise */
	CPM_DT_N
};

typedef struct cpm_dlv
{
	uint16_t leg;     /* the one that serves it now */
	uint16_t code;    /* why it failed, as the originator would be told */
	uint8_t state;    /* cpm_dlv_state_t */
	bool interworked; /* it was handed on to the ISF */
} cpm_dlv_t;

/* How far the relay is with our session. */
typedef enum cpm_relay_state
{
	CPM_R_NONE,     /* nothing asked for yet */
	CPM_R_CREATING, /* session.create sent */
	CPM_R_OPEN,     /* the relay has it */
	CPM_R_CLOSING,  /* session.close sent */
	CPM_R_CLOSED    /* gone there, or given up; final */
} cpm_relay_state_t;

/* Texts of a leg's dialog: cpm_leg_t.dlg. */
enum
{
	CPM_D_CALL_ID,
	CPM_D_LOCAL_TAG,
	CPM_D_REMOTE_TAG, /* empty until the first answer */
	CPM_D_LOCAL,      /* From or To value of ours without the tag */
	CPM_D_REMOTE,     /* the peer's */
	CPM_D_TARGET,     /* the peer's Contact URI */
	CPM_D_ROUTES,     /* route set as one header value, in sending order */
	CPM_D_NEXT_HOP,   /* outbound proxy's URI, may be empty */
	CPM_D_N
};

/* Texts of the peer's SDP: cpm_leg_t.peer. */
enum
{
	CPM_P_PATH,
	CPM_P_HOST, /* of the connection address, where CEMA is in force */
	CPM_P_TYPES,
	CPM_P_WRAPPED,
	CPM_P_FINGERPRINT,
	CPM_P_N
};

/* Texts of our own media: cpm_leg_t.local. */
enum
{
	CPM_M_PATH,
	CPM_M_HOST,
	CPM_M_FINGERPRINT,
	CPM_M_SDP, /* as last sent, for refreshing re-INVITEs */
	CPM_M_N
};

/* Texts of the message itself: cpm_session_t.msg. */
enum
{
	CPM_T_HEADERS,  /* what the outgoing INVITE carries, but for its own and
					 * its body's */
	CPM_T_LIST,     /* a further part of its body: headers, empty line, text;
					 * else empty */
	CPM_T_TYPES,    /* a=accept-types value */
	CPM_T_WRAPPED,  /* a=accept-wrapped-types value */
	CPM_T_OFFER,    /* the offer itself when it has other m= lines, which the
					 * answer must refuse; else empty */
	CPM_T_FROM,     /* From of the outgoing INVITEs without the tag */
	CPM_T_TO,       /* To likewise, where there is no list of recipients */
	CPM_T_TARGET,   /* Request-URI, where there is no list of recipients */
	CPM_T_ROUTES,   /* Route set of an INVITE to the core, one header value */
	CPM_T_NEXT_HOP, /* where to send it without a Route; may be empty */
	CPM_T_CONTENT_TYPE, /* of the content, CPM_UAS_MESSAGE */
	CPM_T_MESSAGE_ID,   /* MSRP Message-ID of it, may be empty */
	CPM_T_N
};

/* Texts of the final answer to the originator: cpm_session_t.answer. */
enum
{
	CPM_A_REASON,
	CPM_A_HEADERS,
	CPM_A_BODY,
	CPM_A_N
};

typedef struct cpm_leg
{
	uint16_t n;           /* own number */
	uint16_t dlv;         /* the delivery that it serves (out) */
	uint16_t instead_of;  /* the leg whose place it has taken, 0 none */
	uint8_t state;        /* cpm_leg_state_t */
	bool isf;             /* to the interworking function */
	bool adding;          /* leg.add is at the relay */
	bool paced;           /* its INVITE holds a place in the queue */
	bool peer_timer;      /* peer supports RFC 4028 */
	bool peer_update;     /* peer allows UPDATE */
	bool peer_asks_us;    /* in: peer wants us to refresh */
	bool refresh_us;      /* we are the refresher */
	bool refresh_pending; /* our UPDATE or re-INVITE is out */
	bool tls;             /* MSRP over TLS */
	bool peer_cema;       /* a=msrp-cema in the peer's SDP */
	bool connect;         /* the relay opens the connection */
	uint8_t setup;        /* enum sdp_setup that we offer (out) */
	bool started;         /* leg.start was answered */
	bool media_gone;      /* leg.close was sent */
	bool bye_due;         /* in: BYE as soon as the ACK has come */
	bool delivered;       /* the relay saw the peer take all of it */
	bool failed;          /* the relay lost this leg */
	bool acked;           /* an ACK for the 200 has been sent */
	bool placed;          /* tindex and tlabel are known */
	uint8_t n_forks;      /* in forks[] */
	uint8_t bye_tries;    /* BYEs that could not be sent, CANCELs repeated */
	uint16_t peer_port;   /* of the connection address */
	uint16_t local_port;  /* ours */
	uint32_t cseq;        /* last of our requests in this dialog */
	uint32_t peer_cseq;   /* last of the peer's */
	uint32_t expires_s;   /* session timer's interval, 0 none */
	uint32_t min_se_s;    /* asked for by a 422, 0 none */
	uint32_t sdp_version; /* o= line */
	unsigned tindex;      /* INVITE transaction at tm (out) */
	unsigned tlabel;      /* */
	uint64_t peer_max;    /* a=max-size of the peer, 0 none */
	uint64_t bye_id;      /* transaction of the peer's BYE whose 200 waits, as
						   * cpm_id_make(); 0 none */
	uint64_t ring_at;     /* the callee has to answer by, ms; 0 none */
	uint64_t timer_at;    /* refresh due or session expired, ms; 0 none */
	uint64_t refresh_by;  /* our refresh must have been answered, ms */
	uint64_t answered_by; /* hash of the To-tag whose 200 counts, 0 none */
	uint64_t forks[CPM_FORKS_MAX]; /* hashes of To-tags sent away */
	struct socket_info *sock;      /* to send from; NULL: the core's choice */
	cpm_strs_t *dlg;               /* CPM_D_*, owned */
	cpm_strs_t *peer;              /* CPM_P_*, owned */
	cpm_strs_t *local;             /* CPM_M_*, owned */
} cpm_leg_t;

struct cpm_rcpts; /* a list of recipients (cpm_rcpts.h) */
struct cpm_pace;  /* a place in the queue of requests (cpm_pace.h) */

typedef struct cpm_session
{
	struct cpm_session *next; /* in the slot */
	uint64_t id;
	uint8_t state;       /* cpm_session_state_t */
	uint8_t relay;       /* cpm_relay_state_t */
	uint8_t kind;        /* cpm_uas_kind_t */
	uint8_t offer_setup; /* enum sdp_setup of the originator's offer */
	uint16_t n_legs;     /* in use */
	uint16_t max_legs;   /* room */
	uint16_t winner;     /* the leg whose 200 we passed on; 0 none yet */
	uint16_t n_dlv;      /* deliveries */
	uint16_t n_done;     /* of them delivered */
	uint16_t n_failed;   /* of them failed */
	uint16_t n_in[CPM_L_NSTATES]; /* legs in each state */
	uint16_t n_copies;            /* for the sender's other clients: deliveries
								   * behind the n_dlv */
	uint16_t n_copies_open;       /* of them not decided */
	uint16_t n_first;             /* outbound legs that session.create named */
	uint16_t add_next;            /* next leg to ask the relay for; 0 none */
	uint16_t n_byes;              /* BYEs whose 200 waits for the recording */
	uint16_t n_adding;            /* leg.add without an answer yet */
	uint16_t end_next;            /* first leg that is still to be ended by the
								   * timer process; 0 none */
	bool uas_busy;        /* somebody replies on the inbound transaction */
	bool uas_done;        /* a final answer was given */
	bool uas_held;        /* our second reference to it exists */
	bool sized;           /* the offer announced bytes */
	bool interworking;    /* policy: failures may be handed on to the ISF */
	bool keep;            /* the relay keeps the message from its first byte */
	bool received;        /* the relay has the whole message */
	bool retarget;        /* each recipient gets a CPIM To of his own */
	uint8_t stay;         /* so many work with it: unlock must not free it */
	bool copies_begin;    /* the clients for copies are being chosen */
	bool term;            /* the deliveries are clients of one user */
	bool choosing;        /* the user's clients are not known yet */
	bool push_left;       /* the push has gone on without it; CPM_UAS_STORE */
	bool isf_hint;        /* a client failed in a way that the ISF may mend */
	uint8_t defer;        /* cpm_defer_state_t */
	int defer_code;       /* of the relay's refusal, CPM_F_NO */
	uint32_t lifetime_s;  /* how long it may be kept, s */
	unsigned min_version; /* of a client, while choosing; 0 any */
	uint64_t fence;       /* of the stored message; CPM_UAS_STORE, _FETCH */
	uint64_t push_tag;    /* of whoever pushes; CPM_UAS_STORE */
	uint16_t want_1xx;    /* to be sent, 0 none */
	uint16_t want_final;  /* likewise */
	uint16_t fail_code;   /* lowest failure of a delivery so far, 0 none */
	uint8_t fail_why;     /* cpm_end_t of the same */
	uint64_t bytes;       /* announced size, 0 unknown */
	int max_bytes;        /* more than that is stopped; 0: the relay's own */
	uint64_t created_ms, state_ms;
	uint64_t ring_at;        /* the originator has to be answered, 0 none */
	uint64_t ack_at;         /* the originator has to ACK, 0 none */
	uint64_t media_at;       /* both ends are given up after, 0 none */
	uint64_t end_at;         /* BYE both: set where it cannot be done, 0 none */
	uint64_t bye_at;         /* BYEs that wait are answered, 0 none */
	uint64_t watch_at;       /* stuck in this state */
	uint64_t seen_ms;        /* the relay listed it */
	cpm_strs_t *msg;         /* CPM_T_*, owned */
	cpm_strs_t *answer;      /* CPM_A_*, owned */
	cpm_strs_t *fail_answer; /* CPM_A_* of fail_code, owned; may be NULL */
	cpm_strs_t *reason;      /* one text: Reason value for our BYEs, owned */
	struct cpm_rcpts *rcpts; /* the recipients in the deliveries' order, one
							  * block, owned; NULL: CPM_T_TARGET alone */
	struct cpm_direct_who *direct; /* whose other clients get copies, not begun
									* yet; owned; NULL: nobody's */
	struct cpm_rcpts *copies;      /* the clients who get them, owned */
	struct cpm_pace *pace;         /* made, but not started; owned */
	cpm_strs_t *defer_text;        /* CPM_DT_*, owned; NULL: CPM_F_OFF */
	char *content; /* CPM_UAS_MESSAGE: what is to be sent, owned; freed when the
					* relay has it */
	uint32_t content_n;  /* its bytes */
	uint32_t to_bytes;   /* of them its CPIM To; with retarget */
	uint32_t content_at; /* of them handed to the relay */
	cpm_dlv_t *dlv;      /* n_dlv and n_copies, owned */
	cpm_leg_t *legs;     /* n_legs, owned; moves when it grows */
} cpm_session_t;

/* Make the table in shared memory, before the fork: 0 or -ENOMEM. */
int cpm_session_init(unsigned slots);

/* Free the table and all in it. */
void cpm_session_exit(void);

/* Monotonic milliseconds, the same in all processes. */
uint64_t cpm_now_ms(void);

/**
 * Allocate a session that is in no table yet: leg 0, and for each delivery one
 * leg that serves it (leg i + 1 serves delivery i), all idle.
 *
 * @param n_dlv recipients; 0 only in the terminating role
 *
 * @return the session for cpm_session_add() or cpm_session_free(), or NULL
 */
cpm_session_t *cpm_session_new(uint64_t id, unsigned n_dlv);

/* Free a session that was never added. */
void cpm_session_free(cpm_session_t *s);

/* Hand it to the table: 0; -EEXIST the id is taken (it stays the caller's). */
int cpm_session_add(cpm_session_t *s);

/* The session, its slot locked; NULL when there is none (nothing locked). */
cpm_session_t *cpm_session_lock(uint64_t id);

/* Unlock; frees the session when it is over. The pointer is dead. */
void cpm_session_unlock(cpm_session_t *s);

/* The leg, or NULL when the session has no such one. */
cpm_leg_t *cpm_session_leg(cpm_session_t *s, unsigned n);

/* A further outbound leg for a delivery; NULL without memory. All pointers to
 * legs are dead after it. */
cpm_leg_t *cpm_session_leg_add(cpm_session_t *s, unsigned dlv);

/**
 * Deliveries for a session that has none yet, each with its leg.
 *
 * @param rcpts taken over on success
 *
 * @return 0; -EEXIST it has some; -ENOMEM
 */
int cpm_session_dlv_set(cpm_session_t *s, struct cpm_rcpts *rcpts);

/**
 * Copies for other clients of the sender: further deliveries, each with its
 * leg, that the sender's answer does not depend on.
 *
 * @param rcpts taken over on success
 *
 * @return number of the first leg; 0: no memory, or it has some
 */
unsigned cpm_session_copies_add(cpm_session_t *s, struct cpm_rcpts *rcpts);

/* Is leg n one of a copy? */
static inline bool cpm_session_is_copy(const cpm_session_t *s, unsigned n)
{
	return n != CPM_IN && n < s->n_legs && s->legs[n].dlv >= s->n_dlv
			&& s->n_copies > 0;
}

/* Are there copies under way, or still to begin? */
static inline bool cpm_session_copies_left(const cpm_session_t *s)
{
	return s->direct || s->copies_begin || s->n_copies_open > 0;
}

/* The delivery that leg n serves now; NULL: none, or another leg does. */
cpm_dlv_t *cpm_session_dlv(cpm_session_t *s, unsigned n);

/* Deliveries that are not decided. */
static inline unsigned cpm_session_pending(const cpm_session_t *s)
{
	return (unsigned)(s->n_dlv - s->n_done - s->n_failed);
}

/* Has anybody got all of it? */
static inline bool cpm_session_delivered(const cpm_session_t *s)
{
	if(s->kind == CPM_UAS_FETCH)
		return s->legs[CPM_IN].delivered;
	return s->n_done > 0 || (s->winner && s->legs[s->winner].delivered);
}

/* One message for one recipient over one pair of dialogs: what ends one side
 * ends the other. */
static inline bool cpm_session_is_pair(const cpm_session_t *s)
{
	return s->n_dlv == 1 && s->kind == CPM_UAS_INVITE && !s->term
			&& s->state != CPM_S_LEFT;
}

/* Is leg n one of those two? */
static inline bool cpm_session_in_pair(const cpm_session_t *s, unsigned n)
{
	return cpm_session_is_pair(s) && !cpm_session_is_copy(s, n);
}

/* Move; an illegal move is refused and logged: 0 or -EINVAL. */
int cpm_session_move(cpm_session_t *s, cpm_session_state_t to);
int cpm_leg_move(cpm_session_t *s, cpm_leg_t *l, cpm_leg_state_t to);

const char *cpm_session_state_name(unsigned state);
const char *cpm_leg_state_name(unsigned state);

/**
 * Ids of sessions for which something is due. Call with *slot == 0 first;
 * slots are locked one at a time.
 *
 * @param now  cpm_now_ms()
 * @param slot where to go on; set to the number of slots at the end
 * @param ids  filled
 * @param max  room in ids
 *
 * @return ids filled in; 0 at the end of the table
 */
unsigned cpm_session_due(
		uint64_t now, unsigned *slot, uint64_t *ids, unsigned max);

/**
 * The first leg from `from` on for which something is due.
 *
 * @return its number; n_legs: none
 */
unsigned cpm_session_leg_due(
		const cpm_session_t *s, unsigned from, uint64_t now);

/* Ids of all sessions, in the same manner. */
unsigned cpm_session_ids(unsigned *slot, uint64_t *ids, unsigned max);

#endif
