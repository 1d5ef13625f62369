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

enum opt
{
	O_USER = 256,
	O_PASSWORD,
	O_PASSWORD_FILE,
	O_AUTH_USER,
	O_DOMAIN,
	O_INSTANCE,
	O_PROXY,
	O_LOCAL,
	O_TRANSPORT,
	O_IDENTITY,
	O_FROM,
	O_USER_AGENT,
	O_REGISTER,
	O_NO_REGISTER,
	O_NO_UNREGISTER,
	O_REGISTER_EXPIRES,
	O_GRUU,
	O_TO,
	O_EXPLODER,
	O_CONFERENCE,
	O_GROUP,
	O_FILE,
	O_TEXT,
	O_TYPE,
	O_SUBJECT,
	O_MULTIPART,
	O_MODE,
	O_REPLY_TO,
	O_EXPIRES,
	O_IMDN,
	O_IMDN_ID,
	O_ANONYMOUS,
	O_CONVERSATION,
	O_CONTRIBUTION,
	O_IN_REPLY_TO,
	O_REPLY_FROM,
	O_REPLY_ADDRESS,
	O_HEADER,
	O_CANCEL_AFTER,
	O_OUT,
	O_NO_ANSWER,
	O_RAW,
	O_NO_IMDN,
	O_NO_DISPLAY,
	O_ANSWER_CODE,
	O_RING,
	O_RATE,
	O_MSRP_ANSWER,
	O_MAX_BYTES,
	O_SETUP,
	O_NO_CEMA,
	O_TLS,
	O_EXACT_RANGE,
	O_SUCCESS_REPORT,
	O_CHUNK,
	O_CHUNK_ATTRIBUTE,
	O_COUNT,
	O_PARALLEL,
	O_TIMEOUT,
	O_PROGRESS,
	O_HELP,
	O_VERSION
};

struct row
{
	const char *name, *arg; /* arg NULL: takes none */
	enum opt id;
	const char *help; /* a row without a name is a heading */
};

static const struct row rows[] = {
		{NULL, NULL, 0, "The user and his network"},
		{"user", "NAME", O_USER, "user part of the address (required)"},
		{"domain", "NAME", O_DOMAIN, "home domain (required)"},
		{"password", "WORD", O_PASSWORD,
				"digest password; better $CPM_PASSWORD or a file"},
		{"password-file", "PATH", O_PASSWORD_FILE,
				"first line of the file is the password"},
		{"auth-user", "NAME", O_AUTH_USER,
				"digest user name, when it is not --user"},
		{"proxy", "HOST[:PORT]", O_PROXY,
				"where requests go (P-CSCF, SBC, core); default: by the "
				"Request-URI"},
		{"local", "ADDR[:PORT]", O_LOCAL, "local address for SIP and MSRP"},
		{"transport", "udp|tcp", O_TRANSPORT,
				"towards the proxy; udp changes to tcp for requests over 1300 "
				"bytes (RFC 3261 18.1.1)"},
		{"instance", "URN", O_INSTANCE,
				"+sip.instance, e.g. urn:gsma:imei:...; default: a UUID of "
				"user "
				"and address"},
		{"gruu", NULL, O_GRUU, "use the registered public GRUU as Contact"},
		{"register", NULL, O_REGISTER, "send: register first"},
		{"no-register", NULL, O_NO_REGISTER, "receive: do not register"},
		{"no-unregister", NULL, O_NO_UNREGISTER, "stay registered on exit"},
		{"register-expires", "SECONDS", O_REGISTER_EXPIRES,
				"asked for with REGISTER; default 600"},
		{"user-agent", "TEXT", O_USER_AGENT,
				"default \"CPM-client/OMA2.2 cpm-client/" CPM_VERSION "\""},
		{"header", "'NAME: VALUE'", O_HEADER,
				"extra header field in requests (send) or answers (receive); "
				"may be repeated"},
		{NULL, NULL, 0, "What to send, and to whom"},
		{"to", "ADDRESS", O_TO,
				"recipient: a URI, +NUMBER or a user of the domain; may be "
				"repeated with a list"},
		{"exploder", "URI", O_EXPLODER,
				"1-to-many: EXPLODER-URI; each --to goes into the list"},
		{"conference", "URI", O_CONFERENCE,
				"ad-hoc group: Controlling Function; each --to goes into the "
				"list"},
		{"group", NULL, O_GROUP, "--to is a pre-defined group"},
		{"text", "TEXT", O_TEXT, "a text part"},
		{"file", "PATH", O_FILE,
				"a part from a file; several parts become multipart"},
		{"type", "TYPE", O_TYPE,
				"media type of the --file before it, or of the text"},
		{"multipart", "mixed|related", O_MULTIPART,
				"kind of multipart; also for a single part"},
		{"subject", "TEXT", O_SUBJECT, "Subject"},
		{"mode", "auto|pager|large", O_MODE,
				"default auto: large over 1300 bytes of message/cpim"},
		{"reply-to", "URI", O_REPLY_TO, "Reply-To: where replies should go"},
		{"identity", "URI", O_IDENTITY,
				"P-Preferred-Identity and CPIM From: one of the registered "
				"addresses"},
		{"from", "ADDRESS", O_FROM, "From; default: sip:USER@DOMAIN"},
		{"anonymous", NULL, O_ANONYMOUS, "Privacy: id, anonymous From"},
		{"expires", "SECONDS", O_EXPIRES,
				"Expires (pager) or Message-Expires (large)"},
		{"imdn", "LIST", O_IMDN,
				"reports asked for: delivered,displayed,failed,interworked"},
		{"imdn-id", "ID", O_IMDN_ID, "imdn.Message-ID; default: random"},
		{"conversation-id", "ID", O_CONVERSATION,
				"of an existing conversation; default: new"},
		{"contribution-id", "ID", O_CONTRIBUTION, "default: new"},
		{"in-reply-to", "ID", O_IN_REPLY_TO,
				"InReplyTo-Contribution-ID: of the message that is answered"},
		{"reply-from", "PATH", O_REPLY_FROM,
				"reply to the last \"received\" event in this file"},
		{"reply-address", "URI", O_REPLY_ADDRESS,
				"reply to this address instead"},
		{"cancel-after", "MS", O_CANCEL_AFTER, "give up after so long"},
		{"count", "N", O_COUNT,
				"send: copies; receive: messages before it ends (0: no end)"},
		{"parallel", "N", O_PARALLEL, "send: copies under way at once"},
		{NULL, NULL, 0, "Receiving"},
		{"out", "DIR", O_OUT, "directory for payloads; default ."},
		{"raw", NULL, O_RAW, "write the whole CPIM entity instead"},
		{"ring", "MS", O_RING, "180 first, the final answer so much later"},
		{"answer-code", "N", O_ANSWER_CODE, "answer with this SIP status"},
		{"no-answer", NULL, O_NO_ANSWER, "give no final answer"},
		{"no-imdn", NULL, O_NO_IMDN, "send no reports"},
		{"no-display", NULL, O_NO_DISPLAY, "send no displayed report"},
		{"msrp-answer", "CODE[@BYTE]", O_MSRP_ANSWER,
				"MSRP status for chunks from this byte on; 0: none at all"},
		{"rate", "BYTES", O_RATE, "read at most so many bytes a second"},
		{"max-bytes", "N", O_MAX_BYTES, "largest message that is taken"},
		{NULL, NULL, 0, "MSRP"},
		{"setup", "actpass|active|passive", O_SETUP,
				"role that is offered (actpass) or answered (active)"},
		{"no-cema", NULL, O_NO_CEMA, "no a=msrp-cema"},
		{"tls", NULL, O_TLS, "MSRP over TLS with a=fingerprint"},
		{"chunk", "BYTES", O_CHUNK,
				"largest chunk; default 65536, 0: the message in one"},
		{"chunk-attribute", "NAME", O_CHUNK_ATTRIBUTE,
				"SDP attribute that negotiates the chunk size"},
		{"exact-range", NULL, O_EXACT_RANGE,
				"end in every Byte-Range, not \"*\""},
		{"success-report", NULL, O_SUCCESS_REPORT, "Success-Report: yes"},
		{NULL, NULL, 0, "Everything else"},
		{"timeout", "SECONDS", O_TIMEOUT,
				"end after so long; register: stay so long; default send 60, "
				"else none"},
		{"progress", NULL, O_PROGRESS, "events while bytes go out"},
		{"help", NULL, O_HELP, "this text"},
		{"version", NULL, O_VERSION, "the version"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void help(void)
{
	puts("Usage: cpm-client register|send|receive [OPTION]...\n"
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

/* Options that are just a string. */
static const char **string_option(struct cl_opts *o, enum opt id)
{
	switch(id) {
		case O_USER:
			return &o->user;
		case O_PASSWORD:
			return &o->password;
		case O_AUTH_USER:
			return &o->auth_user;
		case O_DOMAIN:
			return &o->domain;
		case O_INSTANCE:
			return &o->instance;
		case O_PROXY:
			return &o->proxy;
		case O_LOCAL:
			return &o->local;
		case O_IDENTITY:
			return &o->identity;
		case O_FROM:
			return &o->from;
		case O_USER_AGENT:
			return &o->user_agent;
		case O_EXPLODER:
			return &o->exploder;
		case O_CONFERENCE:
			return &o->conference;
		case O_TEXT:
			return &o->text;
		case O_SUBJECT:
			return &o->subject;
		case O_REPLY_TO:
			return &o->reply_to;
		case O_IMDN:
			return &o->imdn;
		case O_IMDN_ID:
			return &o->imdn_id;
		case O_CONVERSATION:
			return &o->conversation_id;
		case O_CONTRIBUTION:
			return &o->contribution_id;
		case O_IN_REPLY_TO:
			return &o->in_reply_to;
		case O_REPLY_FROM:
			return &o->reply_from;
		case O_REPLY_ADDRESS:
			return &o->reply_address;
		case O_OUT:
			return &o->out;
		case O_CHUNK_ATTRIBUTE:
			return &o->chunk_attr;
		default:
			return NULL;
	}
}

/* Options that are just a switch. */
static bool *switch_option(struct cl_opts *o, enum opt id)
{
	switch(id) {
		case O_REGISTER:
			return &o->do_register;
		case O_NO_UNREGISTER:
			return &o->keep_registration;
		case O_GRUU:
			return &o->gruu;
		case O_GROUP:
			return &o->group;
		case O_ANONYMOUS:
			return &o->anonymous;
		case O_NO_ANSWER:
			return &o->no_answer;
		case O_RAW:
			return &o->raw;
		case O_NO_IMDN:
			return &o->no_imdn;
		case O_NO_DISPLAY:
			return &o->no_display;
		case O_NO_CEMA:
			return &o->no_cema;
		case O_TLS:
			return &o->tls;
		case O_EXACT_RANGE:
			return &o->exact_range;
		case O_SUCCESS_REPORT:
			return &o->success_report;
		case O_PROGRESS:
			return &o->progress;
		default:
			return NULL;
	}
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
		case O_REGISTER_EXPIRES:
			o->register_expires = (int)number(n, s, 604800);
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
		case O_MULTIPART:
			o->multipart = arg;
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
		case O_CANCEL_AFTER:
			o->cancel_after_ms = (int)number(n, s, 86400000);
			break;
		case O_ANSWER_CODE:
			o->answer_code = (int)number(n, slice_cut(s, ' ', &rest), 699);
			o->answer_reason = rest.p;
			break;
		case O_RING:
			o->ring_ms = (int)number(n, s, 600000);
			break;
		case O_RATE:
			o->rate = number(n, s, UINT64_MAX / 1000000);
			break;
		case O_MSRP_ANSWER:
			o->msrp_code = (int)number(n, slice_cut(s, '@', &rest), 999);
			if(o->msrp_code == 0)
				o->msrp_code = PEER_MUTE;
			if(rest.p)
				o->msrp_code_at = number(n, rest, UINT64_MAX);
			break;
		case O_MAX_BYTES:
			o->max_bytes = number(n, s, UINT64_MAX);
			break;
		case O_SETUP:
			o->setup = cl_setup_of(s);
			o->setup_given = true;
			if(o->setup == CL_SETUP_NONE || o->setup == CL_SETUP_HOLDCONN)
				usage("--setup is actpass, active or passive");
			break;
		case O_CHUNK:
			o->chunk = number(n, s, UINT64_MAX);
			break;
		case O_COUNT:
			o->count = (int)number(n, s, INT32_MAX);
			break;
		case O_PARALLEL:
			o->parallel = (int)number(n, s, 10000);
			break;
		case O_TIMEOUT:
			o->timeout_s = (int)number(n, s, INT32_MAX / 1000);
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
	static const char *const names[] = {"register", "send", "receive"};

	if(argc > 1)
		for(int i = 0; i < 3; i++)
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
	usage("the first word is register, send or receive");
}

static void check(struct cl_opts *o)
{
	if(!o->user || !o->domain)
		usage("--user and --domain are required");
	addresses(o);
	if(!o->password)
		o->password = getenv("CPM_PASSWORD");
	if(o->parallel < 1)
		usage("--parallel is at least 1");
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
			.user_agent = "CPM-client/OMA2.2 cpm-client/" CPM_VERSION,
			.setup = CL_SETUP_ACTPASS,
			.chunk = 65536,
			.cancel_after_ms = -1,
			.timeout_s = -1,
			.count = -1,
			.parallel = 1};
	command_read(o, argc, argv);
	o->do_register = o->command != CL_SEND;
	for(size_t i = 0; i < ROWS; i++)
		if(rows[i].name)
			longs[n++] = (struct option){rows[i].name,
					rows[i].arg ? required_argument : no_argument, NULL,
					(int)rows[i].id};
	optind = 2;
	opterr = 0;
	while((id = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
		const struct row *r = NULL;
		const char **text;
		bool *flag;

		if(id == 'v') {
			o->verbose++;
			continue;
		}
		for(size_t i = 0; i < ROWS && !r; i++)
			if(rows[i].name && (int)rows[i].id == id)
				r = &rows[i];
		if(!r)
			usage("unknown option or missing value: %s", argv[optind - 1]);
		text = string_option(o, r->id);
		flag = switch_option(o, r->id);
		if(text)
			*text = optarg;
		else if(flag)
			*flag = true;
		else
			special_option(o, r, optarg);
	}
	if(optind < argc)
		usage("what is \"%s\"?", argv[optind]);
	if(o->count < 0)
		o->count = o->command == CL_SEND ? 1 : 0;
	check(o);
	if(o->timeout_s < 0)
		o->timeout_s = 0;
}
