/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line: one table of options gives both getopt and --help. Called
 * once by main. The manual page cpm-client.1 says more about each.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"

#define PASSWORD_MAX 256
#define ROW_BASE 1000 /* getopt's value of the first row */

/* What an option does; the first four just fill a field. */
enum opt
{
	O_STRING,
	O_FLAG,
	O_INT,
	O_U64,
	O_PASSWORD_FILE,
	O_TRANSPORT,
	O_NO_REGISTER,
	O_HEADER,
	O_TO,
	O_FILE,
	O_TYPE,
	O_MODE,
	O_EXPIRES,
	O_ANSWER_CODE,
	O_MSRP_ANSWER,
	O_SETUP,
	O_HELP,
	O_VERSION,
};

struct row
{
	const char *name, *arg; /* arg NULL: takes none */
	enum opt id;
	size_t at;        /* the field */
	uint64_t max;     /* of a number */
	const char *help; /* a row without a name is a heading */
};

#define STRING(field) O_STRING, offsetof(struct cl_opts, field), 0
#define FLAG(field) O_FLAG, offsetof(struct cl_opts, field), 0
#define INT(field, max) O_INT, offsetof(struct cl_opts, field), (max)
#define U64(field, max) O_U64, offsetof(struct cl_opts, field), (max)
#define SPECIAL(id) (id), 0, 0
#define HEADING NULL, NULL, SPECIAL(0)

static const struct row rows[] = {
		{HEADING, "The user and his network"},
		{"user", "NAME", STRING(user), "user part of the address (required)"},
		{"domain", "NAME", STRING(domain), "home domain (required)"},
		{"password", "WORD", STRING(password),
				"digest password; better $CPM_PASSWORD or a file"},
		{"password-file", "PATH", SPECIAL(O_PASSWORD_FILE),
				"first line of the file is the password"},
		{"auth-user", "NAME", STRING(auth_user),
				"digest user name, when it is not --user"},
		{"proxy", "HOST[:PORT]", STRING(proxy),
				"where requests go (P-CSCF, SBC, core); default: by the "
				"Request-URI"},
		{"local", "ADDR[:PORT]", STRING(local),
				"local address for SIP and MSRP"},
		{"transport", "udp|tcp", SPECIAL(O_TRANSPORT),
				"towards the proxy; udp changes to tcp for requests over 1300 "
				"bytes (RFC 3261 18.1.1)"},
		{"instance", "URN", STRING(instance),
				"+sip.instance, e.g. urn:gsma:imei:...; default: a UUID of "
				"user "
				"and address"},
		{"gruu", NULL, FLAG(gruu), "use the registered public GRUU as Contact"},
		{"register", NULL, FLAG(do_register), "send: register first"},
		{"no-register", NULL, SPECIAL(O_NO_REGISTER),
				"receive: do not register"},
		{"tags", "LIST", STRING(tags),
				"CPM services to register: default msg,largemsg,deferred; "
				"\"\": none"},
		{"subscribe", "URI", STRING(subscribe),
				"receive: SUBSCRIBE there to the event deferred-messages"},
		{"no-unregister", NULL, FLAG(keep_registration),
				"stay registered on exit"},
		{"register-expires", "SECONDS", INT(register_expires, 604800),
				"asked for with REGISTER; default 600"},
		{"min-se", "SECONDS", INT(min_se, 86400),
				"smallest session interval; default 90 (RFC 4028), less for "
				"tests"},
		{"user-agent", "TEXT", STRING(user_agent),
				"default \"CPM-client/OMA2.2 cpm-client/" CPM_VERSION "\""},
		{"header", "'NAME: VALUE'", SPECIAL(O_HEADER),
				"extra header field in requests (send) or answers (receive); "
				"may be repeated"},
		{HEADING, "What to send, and to whom"},
		{"to", "ADDRESS", SPECIAL(O_TO),
				"recipient: a URI, +NUMBER or a user of the domain; may be "
				"repeated with a list"},
		{"exploder", "URI", STRING(exploder),
				"1-to-many: EXPLODER-URI; each --to goes into the list"},
		{"conference", "URI", STRING(conference),
				"ad-hoc group: Controlling Function; each --to goes into the "
				"list"},
		{"group", NULL, FLAG(group), "--to is a pre-defined group"},
		{"text", "TEXT", STRING(text), "a text part"},
		{"file", "PATH", SPECIAL(O_FILE),
				"a part from a file; several parts become multipart"},
		{"type", "TYPE", SPECIAL(O_TYPE),
				"media type of the --file before it, or of the text"},
		{"multipart", "mixed|related", STRING(multipart),
				"kind of multipart; also for a single part"},
		{"subject", "TEXT", STRING(subject), "Subject"},
		{"mode", "auto|pager|large", SPECIAL(O_MODE),
				"default auto: large over 1300 bytes of message/cpim"},
		{"reply-to", "URI", STRING(reply_to),
				"Reply-To: where replies should go"},
		{"identity", "URI", STRING(identity),
				"P-Preferred-Identity and CPIM From: one of the registered "
				"addresses"},
		{"from", "ADDRESS", STRING(from), "From; default: sip:USER@DOMAIN"},
		{"anonymous", NULL, FLAG(anonymous), "Privacy: id, anonymous From"},
		{"expires", "SECONDS", SPECIAL(O_EXPIRES),
				"Expires (pager) or Message-Expires (large)"},
		{"imdn", "LIST", STRING(imdn),
				"reports asked for: delivered,displayed,failed,interworked"},
		{"imdn-id", "ID", STRING(imdn_id), "imdn.Message-ID; default: random"},
		{"conversation-id", "ID", STRING(conversation_id),
				"of an existing conversation; default: new"},
		{"contribution-id", "ID", STRING(contribution_id), "default: new"},
		{"in-reply-to", "ID", STRING(in_reply_to),
				"InReplyTo-Contribution-ID: of the message that is answered"},
		{"reply-from", "PATH", STRING(reply_from),
				"reply to the last \"received\" event in this file"},
		{"reply-address", "URI", STRING(reply_address),
				"reply to this address instead"},
		{"cancel-after", "MS", INT(cancel_after_ms, 86400000),
				"give up after so long"},
		{"count", "N", INT(count, INT32_MAX),
				"send: copies; receive: messages before it ends (0: no end)"},
		{"parallel", "N", INT(parallel, 10000),
				"send: copies under way at once"},
		{HEADING, "Receiving"},
		{"out", "DIR", STRING(out), "directory for payloads; default ."},
		{"raw", NULL, FLAG(raw), "write the whole CPIM entity instead"},
		{"ring", "MS", INT(ring_ms, 600000),
				"180 first, the final answer so much later"},
		{"answer-after", "MS", INT(answer_after_ms, 600000),
				"the final answer so much later, nothing before it"},
		{"answer-code", "N", SPECIAL(O_ANSWER_CODE),
				"answer with this SIP status"},
		{"no-answer", NULL, FLAG(no_answer), "give no final answer"},
		{"no-imdn", NULL, FLAG(no_imdn), "send no reports"},
		{"no-display", NULL, FLAG(no_display), "send no displayed report"},
		{"msrp-answer", "CODE[@BYTE]", SPECIAL(O_MSRP_ANSWER),
				"MSRP status for chunks from this byte on; 0: none at all"},
		{"drop-at", "BYTE", U64(drop_at, UINT64_MAX),
				"close the MSRP connection when this byte has come"},
		{"rate", "BYTES", U64(rate, UINT64_MAX / 1000000),
				"read at most so many bytes a second"},
		{"max-bytes", "N", U64(max_bytes, UINT64_MAX),
				"largest message that is taken"},
		{"ref", "REF", STRING(ref),
				"fetch: reference of the deferred message; --to is the "
				"function's address, default sip:deferred@DOMAIN"},
		{HEADING, "MSRP"},
		{"setup", "actpass|active|passive", SPECIAL(O_SETUP),
				"role that is offered (actpass) or answered (active)"},
		{"no-cema", NULL, FLAG(no_cema), "no a=msrp-cema"},
		{"tls", NULL, FLAG(tls), "MSRP over TLS with a=fingerprint"},
		{"chunk", "BYTES", U64(chunk, UINT64_MAX),
				"largest chunk; default 65536, 0: the message in one"},
		{"chunk-attribute", "NAME", STRING(chunk_attr),
				"SDP attribute that negotiates the chunk size"},
		{"exact-range", NULL, FLAG(exact_range),
				"end in every Byte-Range, not \"*\""},
		{"success-report", NULL, FLAG(success_report), "Success-Report: yes"},
		{HEADING, "Finding stored copies (match)"},
		{"events", "PATH", STRING(events),
				"what send and receive have printed"},
		{"folder", "NAME", STRING(folder),
				"folder of the objects that --file names, as UID.eml"},
		{HEADING, "Everything else"},
		{"timeout", "SECONDS", INT(timeout_s, INT32_MAX / 1000),
				"end after so long; register: stay so long; default send 60, "
				"else none"},
		{"progress", NULL, FLAG(progress), "events while bytes go out"},
		{"help", NULL, SPECIAL(O_HELP), "this text"},
		{"version", NULL, SPECIAL(O_VERSION), "the version"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void help(void)
{
	puts("Usage: cpm-client register|send|receive|fetch|match [OPTION]...\n"
		 "\n"
		 "An OMA CPM client: standalone messages in pager and large message "
		 "mode.\nPrints one JSON object a line for every event.\n");
	for(size_t i = 0; i < ROWS; i++) {
		char left[64];

		if(!rows[i].name) {
			printf("\n%s:\n", rows[i].help);
			continue;
		}
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
				rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		printf("  %-30s %s\n", left, rows[i].help);
	}
	puts("  -v                             SIP trace on stderr\n"
		 "\nExit status: 0 done; 1 internal error; 2 usage; 3 not registered; "
		 "4 refused by SIP;\n5 no answer in time; 6 failed on MSRP; 7 given "
		 "up; 8 user name or password refused.\n"
		 "\nExamples:\n"
		 "  cpm-client receive --user bob --domain cpm.test --proxy "
		 "127.20.1.10 \\\n      --local 127.20.1.102:5060 --out inbox\n"
		 "  cpm-client send --user alice --domain cpm.test --proxy 127.20.1.10 "
		 "\\\n      --to sip:bob@cpm.test --file photo.jpg --imdn "
		 "delivered,displayed");
}

static void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("cpm-client: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry: cpm-client --help\n", stderr);
	exit(CL_USAGE);
}

static uint64_t number(const char *name, struct slice s, uint64_t max)
{
	uint64_t v;

	if(!slice_u64(s, max, &v))
		usage("--%s wants a number up to %llu", name, (unsigned long long)max);
	return v;
}

static const char *password_read(const char *path)
{
	static char buf[PASSWORD_MAX];
	FILE *f = fopen(path, "r");

	if(!f || !fgets(buf, sizeof(buf), f))
		usage("%s: no password in it", path);
	fclose(f);
	buf[strcspn(buf, "\r\n")] = '\0';
	return buf;
}

/* An address as people type it: "bob", "bob@host", "+15550102" or a URI. */
static const char *address(const struct cl_opts *o, const char *in)
{
	char *s;
	int rc;

	if(!in || strchr(in, ':'))
		return in;
	if(in[0] == '+')
		rc = asprintf(&s, "tel:%s", in);
	else if(strchr(in, '@'))
		rc = asprintf(&s, "sip:%s", in);
	else
		rc = asprintf(&s, "sip:%s@%s", in, o->domain);
	if(rc < 0)
		abort();
	return s;
}

static void addresses(struct cl_opts *o)
{
	for(int i = 0; i < o->n_to; i++)
		o->to[i] = address(o, o->to[i]);
	o->exploder = address(o, o->exploder);
	o->conference = address(o, o->conference);
	o->reply_to = address(o, o->reply_to);
	o->reply_address = address(o, o->reply_address);
	o->identity = address(o, o->identity);
}

static void special_option(struct cl_opts *o, const struct row *r, char *arg)
{
	struct slice s = slice_str(arg), rest;
	const char *n = r->name;

	switch(r->id) {
		case O_PASSWORD_FILE:
			o->password = password_read(arg);
			break;
		case O_TRANSPORT:
			if(strcmp(arg, "udp") != 0 && strcmp(arg, "tcp") != 0)
				usage("--transport is udp or tcp");
			o->tcp = arg[0] == 't';
			break;
		case O_NO_REGISTER:
			o->do_register = false;
			break;
		case O_TO:
			if(o->n_to == CL_TO_MAX)
				usage("at most %d --to", CL_TO_MAX);
			o->to[o->n_to++] = arg;
			break;
		case O_FILE:
			if(o->n_files == CL_FILES_MAX - 1)
				usage("at most %d --file", CL_FILES_MAX - 1);
			o->file[o->n_files++].path = arg;
			break;
		case O_TYPE:
			if(o->n_files > 0)
				o->file[o->n_files - 1].type = arg;
			else
				o->type = arg;
			break;
		case O_MODE:
			o->mode = strcmp(arg, "pager") == 0 ? CL_PAGER
					: strcmp(arg, "large") == 0 ? CL_LARGE
												: CL_AUTO;
			if(o->mode == CL_AUTO && strcmp(arg, "auto") != 0)
				usage("--mode is auto, pager or large");
			break;
		case O_EXPIRES:
			number(n, s, UINT32_MAX);
			o->expires = arg;
			break;
		case O_HEADER:
			if(o->n_headers == 32 || !strchr(arg, ':') || strpbrk(arg, "\r\n"))
				usage("--header is 'Name: value', at most 32 times");
			o->header[o->n_headers++] = arg;
			break;
		case O_ANSWER_CODE:
			o->answer_code = (int)number(n, slice_cut(s, ' ', &rest), 699);
			o->answer_reason = rest.p;
			break;
		case O_MSRP_ANSWER:
			o->msrp_code = (int)number(n, slice_cut(s, '@', &rest), 999);
			if(o->msrp_code == 0)
				o->msrp_code = PEER_MUTE;
			if(rest.p)
				o->msrp_code_at = number(n, rest, UINT64_MAX);
			break;
		case O_SETUP:
			o->setup = cl_setup_of(s);
			o->setup_given = true;
			if(o->setup == CL_SETUP_NONE || o->setup == CL_SETUP_HOLDCONN)
				usage("--setup is actpass, active or passive");
			break;
		case O_HELP:
			help();
			exit(CL_OK);
		case O_VERSION:
			puts("cpm-client " CPM_VERSION);
			exit(CL_OK);
		default:
			break;
	}
}

static void command_read(struct cl_opts *o, int argc, char **argv)
{
	static const char *const names[] = {
			"register", "send", "receive", "fetch", "match"};

	if(argc > 1)
		for(int i = 0; i < 5; i++)
			if(strcmp(argv[1], names[i]) == 0) {
				o->command = (enum cl_command)i;
				return;
			}
	if(argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("cpm-client " CPM_VERSION);
		exit(CL_OK);
	}
	if(argc > 1
			&& (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		help();
		exit(CL_OK);
	}
	usage("the first word is register, send, receive, fetch or match");
}

static void check(struct cl_opts *o)
{
	if(o->command == CL_MATCH) {
		if(!o->events || !o->folder || o->n_files == 0)
			usage("match wants --events, --folder and --file");
		return;
	}
	if(!o->user || !o->domain)
		usage("--user and --domain are required");
	addresses(o);
	if(!o->password)
		o->password = getenv("CPM_PASSWORD");
	if(o->parallel < 1)
		usage("--parallel is at least 1");
	if(o->command == CL_FETCH) {
		if(!o->ref)
			usage("fetch wants --ref");
		if(o->timeout_s < 0)
			o->timeout_s = 60;
		if(o->n_to == 0)
			o->to[o->n_to++] = address(o, "deferred");
	}
	if(o->command != CL_SEND)
		return;
	if(!o->text && o->n_files == 0)
		usage("nothing to send: give --text or --file");
	if(o->exploder && o->conference)
		usage("--exploder and --conference exclude each other");
	if(o->n_to == 0 && !o->reply_from && !o->reply_address)
		usage("nobody to send to: give --to");
	if(o->n_to > 1 && !o->exploder && !o->conference)
		usage("several --to need --exploder or --conference");
	if(o->count < 1)
		usage("--count is at least 1");
	if(o->timeout_s < 0)
		o->timeout_s = 60;
}

void cl_opts_parse(struct cl_opts *o, int argc, char **argv)
{
	static struct option longs[ROWS + 1];
	int id, n = 0;

	*o = (struct cl_opts){.out = ".",
			.register_expires = 600,
			.tags = "msg,largemsg,deferred",
			.min_se = 90,
			.user_agent = "CPM-client/OMA2.2 cpm-client/" CPM_VERSION,
			.setup = CL_SETUP_ACTPASS,
			.chunk = 65536,
			.cancel_after_ms = -1,
			.timeout_s = -1,
			.count = -1,
			.parallel = 1};
	command_read(o, argc, argv);
	o->do_register = o->command != CL_SEND && o->command != CL_FETCH;
	for(size_t i = 0; i < ROWS; i++)
		if(rows[i].name)
			longs[n++] = (struct option){rows[i].name,
					rows[i].arg ? required_argument : no_argument, NULL,
					ROW_BASE + (int)i};
	optind = 2;
	opterr = 0;
	while((id = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
		const struct row *r = &rows[id - ROW_BASE];

		if(id == 'v')
			o->verbose++;
		else if(id < ROW_BASE)
			usage("unknown option or missing value: %s", argv[optind - 1]);
		else if(r->id == O_STRING)
			*(const char **)((char *)o + r->at) = optarg;
		else if(r->id == O_FLAG)
			*(bool *)((char *)o + r->at) = true;
		else if(r->id == O_INT)
			*(int *)((char *)o + r->at) =
					(int)number(r->name, slice_str(optarg), r->max);
		else if(r->id == O_U64)
			*(uint64_t *)((char *)o + r->at) =
					number(r->name, slice_str(optarg), r->max);
		else
			special_option(o, r, optarg);
	}
	if(optind < argc)
		usage("what is \"%s\"?", argv[optind]);
	if(o->count < 0)
		o->count = o->command == CL_SEND || o->command == CL_FETCH;
	check(o);
	if(o->timeout_s < 0)
		o->timeout_s = 0;
}
