/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm-client: what its parts share. One process is one CPM client of one user,
 * with one SIP stack (sofia-sip's nua, media off) and one event loop.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>
#include <sofia-sip/nua.h>
#include <sofia-sip/nua_tag.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/su_wait.h>

#include "cl_sdp.h"
#include "peer_session.h"

#define CL_TO_MAX 256
#define CL_FILES_MAX 16
#define CL_PAGER_MAX 1300 /* bytes of message/cpim (OMA CPM 7.2.1.3) */

/* Exit codes; --help and the manual page list them. */
enum cl_exit
{
	CL_OK = 0,
	CL_INTERNAL = 1,     /* files, sockets, memory */
	CL_USAGE = 2,        /* command line */
	CL_REGISTRATION = 3, /* not registered */
	CL_REJECTED = 4,     /* a final SIP answer over 299 */
	CL_TIMEOUT = 5,      /* no final answer, or fewer messages than awaited */
	CL_MSRP = 6,         /* the message broke off on its MSRP session */
	CL_CANCELLED = 7,    /* given up by --cancel-after or a signal */
	CL_AUTH = 8,         /* user name or password refused */
};

/* nua's own status: the same challenge again after we answered it */
#define CL_NO_CREDENTIALS 904

enum cl_command
{
	CL_REGISTER,
	CL_SEND,
	CL_RECEIVE,
	CL_FETCH,
	CL_MATCH
};
enum cl_mode
{
	CL_AUTO,
	CL_PAGER,
	CL_LARGE
};

/* The command line. Strings live as long as the process. */
struct cl_opts
{
	enum cl_command command;
	const char *user, *password, *auth_user, *domain, *instance;
	const char *proxy; /* HOST[:PORT] */
	const char *local; /* ADDR[:PORT] */
	bool tcp;
	const char *identity, *from, *user_agent;
	bool do_register, keep_registration, gruu;
	const char *tags;      /* last parts of the registered ICSIs, comma list */
	const char *subscribe; /* to the deferred messages of this address */
	int register_expires;
	int min_se; /* smallest session interval; RFC 4028: 90 s */

	const char *to[CL_TO_MAX];
	int n_to;
	const char *exploder, *conference;
	bool group; /* --to is a pre-defined group */
	struct
	{
		const char *path, *type;
	} file[CL_FILES_MAX];
	int n_files;
	const char *text, *type, *subject, *multipart;
	enum cl_mode mode;
	const char *reply_to, *expires, *imdn, *imdn_id;
	bool anonymous;
	const char *conversation_id, *contribution_id, *in_reply_to, *reply_from;
	const char *reply_address;
	const char *header[32];
	int n_headers;
	int cancel_after_ms;

	const char *out;
	const char *events, *folder; /* match */
	bool no_answer, raw, no_imdn, no_display;
	int answer_code, ring_ms, answer_after_ms;
	uint64_t drop_at; /* hang the MSRP connection up after so many bytes */
	const char *ref;  /* fetch: of the deferred message */
	const char *answer_reason;
	uint64_t rate;         /* bytes a second to read; 0 = no limit */
	int msrp_code;         /* answer to chunks; 0 = 200; PEER_MUTE = none */
	uint64_t msrp_code_at; /* from this byte on */
	uint64_t max_bytes;

	enum cl_setup setup;
	bool setup_given, no_cema, tls, exact_range, success_report;
	uint64_t chunk;
	const char *chunk_attr;

	int count, parallel, timeout_s;
	bool progress;
	int verbose;
};

struct client;

/* One message that is sent: cl_message.c builds it, cl_send.c sends it. */
struct cl_message
{
	char *from, *to; /* CPIM addresses, without <> */
	char *ruri;      /* Request-URI */
	char *list;      /* resource-lists document; NULL = none */
	size_t list_len;
	bool group; /* several recipients or a group: .group service */
	char *conversation_id, *contribution_id, *in_reply_to;
	char *imdn_id;
	char *head; /* CPIM headers */
	size_t head_len;
	struct peer_source body; /* the whole message/cpim entity */
	uint64_t bytes;
	struct cl_payload *payload; /* shared by all copies of --count */
	char *datetime, *xml;
	bool is_imdn;          /* a report of ours, not a user's message */
	const char *imdn_kind; /* delivered, displayed */
};

/* What a handle of nua belongs to. */
enum cl_kind
{
	CL_H_REGISTER,
	CL_H_OUT,
	CL_H_IN,
	CL_H_WATCH
};
struct cl_handle
{
	enum cl_kind kind;
	int auth_tries;
};

struct client
{
	struct cl_opts o;
	su_home_t home[1];
	su_root_t *root;
	nua_t *nua;
	struct peer_loop loop; /* over root */
	su_timer_t *tick;
	SSL_CTX *tls;
	char fingerprint[210];

	char local_host[64];
	int local_port;
	char *aor; /* sip:user@domain */
	char *proxy_url;
	char *instance; /* urn:uuid:... without <> */
	char *gruu;     /* public GRUU, once registered; or NULL */

	struct cl_handle reg;
	nua_handle_t *reg_nh;
	bool registered, unregistering;
	bool registered_once;
	int64_t register_at_ms; /* when to try again; 0 = no need */
	int register_wait_ms;   /* before the next try */

	struct cl_payload *payload;
	int started, running, finished; /* messages sent */
	int received;
	int reports_running; /* IMDNs on their way */
	int64_t deadline_ms; /* 0 = none */
	bool stopping, shut;
	bool done; /* --count messages were received */
	int64_t stop_deadline_ms;
	enum cl_exit exit_code;
};

/* ---- cl_opts.c */
/** Parse the command line; on a fault or --help it prints and exits. */
void cl_opts_parse(struct cl_opts *o, int argc, char **argv);

/* ---- cl_loop.c */
/** Let MSRP endpoints live in the client's su_root. */
void cl_loop_init(struct client *c);

/* ---- cl_sip.c */
int cl_sip_start(struct client *c);
/** Answer a challenge. @return false when there is nothing to answer it with */
bool cl_sip_authenticate(struct client *c, nua_handle_t *nh,
		struct cl_handle *h, const sip_t *sip);
/** "<sip:...>;features" for Contact; to be freed. */
char *cl_sip_contact(const struct client *c, const char *icsi);
/** Leave: unregister, shut the stack down, end the loop. */
void cl_stop(struct client *c, enum cl_exit code);

/* ---- cl_register.c */
void cl_register_start(struct client *c);
/** Try again when a registration that stood was lost. */
void cl_register_tick(struct client *c);
void cl_register_event(struct client *c, nua_event_t event, int status,
		const char *phrase, const sip_t *sip);

/* ---- cl_send.c */
/** Start as many of --count messages as --parallel allows. */
void cl_send_next(struct client *c);
/** Send one message, which the callee owns; large says how. */
void cl_send_message(struct client *c, struct cl_message *m, bool large);
void cl_send_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip);
/** Give all messages under way up. */
void cl_send_cancel_all(struct client *c);
void cl_send_tick(struct client *c);

/* ---- cl_receive.c, cl_accept.c */
void cl_receive_message(struct client *c, nua_handle_t *nh, const sip_t *sip);
void cl_accept_invite(struct client *c, nua_handle_t *nh, struct cl_handle *h,
		const sip_t *sip);
void cl_accept_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip);
/** @return number of dialogs that are still there */
int cl_accept_tick(struct client *c);
/** One message more; the last of --count ends the client. */
void cl_receive_counted(struct client *c);

/** The final answers that --answer-after has put off. */
void cl_receive_tick(struct client *c);

/* ---- cl_fetch.c */
/** Command fetch: INVITE for one deferred message. */
void cl_fetch_start(struct client *c);

/* ---- cl_watch.c */
/** SUBSCRIBE to the deferred messages, where --subscribe asks for it. */
void cl_watch_start(struct client *c);
void cl_watch_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip);
/** A body that lists deferred messages: keys refs and list of the event. */
void cl_watch_list(json_t *event, const sip_t *sip);
/** Is it one? */
bool cl_watch_is_list(const sip_t *sip);

/* ---- cl_sync.c */
/** The command `match`. @return exit code */
int cl_sync_match(const struct cl_opts *o);

/* ---- cl_event.c */
json_t *cl_event_new(const char *name);
/** Print the event as one line on stdout and free it. */
void cl_event_print(json_t *event);
void cl_event_str(json_t *event, const char *key, struct slice v);
void cl_event_text(json_t *event, const char *key, const char *v);
/** All header fields of a SIP message, and those worth a key of their own. */
void cl_event_sip(json_t *event, const sip_t *sip);
/** Status, phrase, Warning, Reason, Message-UID of a response. */
void cl_event_status(
		json_t *event, int status, const char *phrase, const sip_t *sip);
/** Value of a header field that sofia-sip does not know; NULL = not there. */
const char *cl_sip_header(const sip_t *sip, const char *name);
/** Message for people on stderr. */
void __attribute__((format(printf, 1, 2))) cl_warn(const char *fmt, ...);

#endif
