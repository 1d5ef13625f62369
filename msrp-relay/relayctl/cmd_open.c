/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session open: a session with two legs by hand, so that any MSRP tool can be
 * pointed at a running daemon. Prints, for each leg, the relay's path (To-Path
 * of the tool) and the peer's path (From-Path of the tool), as an SDP offer
 * and answer would have exchanged them.
 */
#include "relayctl.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "slice.h"

#define PATH_BYTES 128 /* of an invented path */

struct open_args
{
	const char *id, *from, *to, *match;
	bool connect_from, connect_to, tls_from, tls_to;
	const char *fingerprint_from, *fingerprint_to;
	uint64_t max_bytes, idle_s, chunk_bytes;
};

static const struct option options[] = {{"id", required_argument, NULL, 'i'},
		{"from", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		{"connect-from", no_argument, NULL, 'F'},
		{"connect", no_argument, NULL, 'T'}, {"tls", no_argument, NULL, 's'},
		{"tls-from", no_argument, NULL, '1'},
		{"tls-to", no_argument, NULL, '2'},
		{"fingerprint-from", required_argument, NULL, '3'},
		{"fingerprint-to", required_argument, NULL, '4'},
		{"match", required_argument, NULL, 'm'},
		{"max-bytes", required_argument, NULL, 'b'},
		{"idle", required_argument, NULL, 'w'},
		{"chunk-bytes", required_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};

static int usage(void)
{
	fputs("usage: msrp-relayctl session open [options]\n"
		  "  --from PATH    path of the tool that sends to the relay\n"
		  "  --to PATH      path of the tool that the relay sends to\n"
		  "                 (without: one is invented, to be used as "
		  "From-Path)\n"
		  "  --connect      the relay connects to --to, else it waits\n"
		  "  --connect-from the relay connects to --from, else it waits\n"
		  "  --tls          TLS on both legs; --tls-from, --tls-to: on one\n"
		  "  --fingerprint-from FP, --fingerprint-to FP\n"
		  "                 \"SHA-256 AB:..\" that the peer's certificate must "
		  "have\n"
		  "  --match full   compare the whole path, not just the session id\n"
		  "  --id ID        of the session, else one is invented\n"
		  "  --max-bytes N  largest message\n"
		  "  --idle N       seconds of silence that end the session\n"
		  "  --chunk-bytes N  largest chunk towards --to\n",
			stderr);
	return RC_USAGE;
}

static int read_args(int argc, char **argv, struct open_args *a)
{
	const uint64_t most = (uint64_t)INT64_MAX;
	bool ok = true;
	int opt;

	while(ok && (opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		struct slice value = slice_str(optarg);

		switch(opt) {
			case 'i':
				a->id = optarg;
				break;
			case 'f':
				a->from = optarg;
				break;
			case 't':
				a->to = optarg;
				break;
			case 'F':
				a->connect_from = true;
				break;
			case 'T':
				a->connect_to = true;
				break;
			case 's':
				a->tls_from = a->tls_to = true;
				break;
			case '1':
				a->tls_from = true;
				break;
			case '2':
				a->tls_to = true;
				break;
			case '3':
				a->fingerprint_from = optarg;
				break;
			case '4':
				a->fingerprint_to = optarg;
				break;
			case 'm':
				a->match = optarg;
				break;
			case 'b':
				ok = slice_u64(value, most, &a->max_bytes);
				break;
			case 'w':
				ok = slice_u64(value, 86400, &a->idle_s);
				break;
			case 'c':
				ok = slice_u64(value, most, &a->chunk_bytes);
				break;
			default:
				ok = false;
		}
	}
	if(!ok || optind != argc)
		return usage();
	if((a->connect_to && a->to == NULL)
			|| (a->connect_from && a->from == NULL)) {
		fprintf(stderr, "msrp-relayctl: to connect needs the peer's path\n");
		return usage();
	}
	return RC_OK;
}

/* A path for a peer that only has to be recognised: its session id counts. */
static int invent(char *path, bool tls)
{
	uint64_t id;

	if(getrandom(&id, sizeof(id), 0) != sizeof(id))
		return RC_UNREACHED;
	snprintf(path, PATH_BYTES, "%s://127.0.0.1:9/%016" PRIx64 ";tcp",
			tls ? "msrps" : "msrp", id);
	return RC_OK;
}

static void put_u64(json_t *o, const char *name, uint64_t v)
{
	if(v > 0)
		json_object_set_new(o, name, json_integer((json_int_t)v));
}

static json_t *leg(const char *name, const char *direction, bool tls,
		const char *path, bool connect, const char *fingerprint,
		const struct open_args *a)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:s*}, s:s*}", "leg",
			name, "direction", direction, "transport", tls ? "tls" : "tcp",
			"connect", (int)connect, "peer", "path", path, "fingerprint",
			fingerprint, "match", a->match);

	if(strcmp(direction, "send") == 0)
		put_u64(o, "chunk_bytes", a->chunk_bytes);
	return o;
}

/* The answer's legs, each with the path that its peer has to use. */
static void add_peer_paths(json_t *result, const char *from, const char *to)
{
	json_t *legs = json_object_get(result, "legs"), *one;
	size_t i;

	json_array_foreach(legs, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "leg"));
		bool in = name && strcmp(name, "in") == 0;

		json_object_set_new(one, "peer_path", json_string(in ? from : to));
	}
}

int relayctl_open(struct relayctl *rc, int argc, char **argv)
{
	struct open_args a = {0};
	char from[PATH_BYTES], to[PATH_BYTES], id[32];
	json_t *params, *result;
	uint64_t random;
	int status = read_args(argc, argv, &a);

	if(status != RC_OK)
		return status;
	if((a.from == NULL && invent(from, a.tls_from) != RC_OK)
			|| (a.to == NULL && invent(to, a.tls_to) != RC_OK)
			|| getrandom(&random, sizeof(random), 0) != sizeof(random)) {
		fprintf(stderr, "msrp-relayctl: no random numbers\n");
		return RC_UNREACHED;
	}
	snprintf(id, sizeof(id), "ctl-%016" PRIx64, random);
	if(a.from == NULL)
		a.from = from;
	if(a.to == NULL)
		a.to = to;
	params = json_pack("{s:s, s:[o, o]}", "session", a.id ? a.id : id, "legs",
			leg("in", "recv", a.tls_from, a.from, a.connect_from,
					a.fingerprint_from, &a),
			leg("out", "send", a.tls_to, a.to, a.connect_to, a.fingerprint_to,
					&a));
	put_u64(params, "max_bytes", a.max_bytes);
	put_u64(params, "idle_ms", a.idle_s * 1000);
	status = relayctl_ask(rc, "session.create", params, &result);
	if(status != RC_OK)
		return status;
	add_peer_paths(result, a.from, a.to);
	if(rc->json) {
		relayctl_print(result);
	} else {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(result);
	return RC_OK;
}
