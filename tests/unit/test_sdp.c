/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session descriptions: what the standards show, what clients send, what is
 * refused and why.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "sdp.h"
#include "torn.h"

/* RFC 4975 section 8.6, the offer, with what CPM adds. */
#define OFFER                                                                  \
	"v=0\r\n"                                                                  \
	"o=alice 2890844526 2890844527 IN IP4 alice.example.com\r\n"               \
	"s= -\r\n"                                                                 \
	"c=IN IP4 alice.example.com\r\n"                                           \
	"t=0 0\r\n"                                                                \
	"m=message 7394 TCP/MSRP *\r\n"                                            \
	"a=sendonly\r\n"                                                           \
	"a=accept-types:message/cpim\r\n"                                          \
	"a=accept-wrapped-types:*\r\n"                                             \
	"a=setup:actpass\r\n"                                                      \
	"a=path:msrp://alice.example.com:7394/2s93i9ek2a;tcp\r\n"                  \
	"a=file-selector:name:\"my size:7.jpg\" type:image/jpeg size:4092"         \
	" hash:sha-1:72:24\r\n"                                                    \
	"a=msrp-cema\r\n"

static enum sdp_error parse_str(const char *text, struct sdp *s)
{
	return sdp_parse(slice_str(text), s);
}

/* OFFER with one line exchanged, removed ("") or added. */
static enum sdp_error parse_changed(
		const char *line, const char *by, struct sdp *s)
{
	static char text[4096];
	const char *at = strstr(OFFER, line);

	cr_assert(at != NULL, "%s", line);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - OFFER), OFFER, by,
			at + strlen(line));
	return parse_str(text, s);
}

Test(sdp, reads_an_offer_in_full)
{
	struct sdp s;

	cr_assert_eq(parse_str(OFFER, &s), SDP_OK);
	cr_assert(slice_eq(s.sess_id, SLICE("2890844526")));
	cr_assert(slice_eq(s.sess_version, SLICE("2890844527")));
	cr_assert(!s.secure && !s.ipv6 && s.port == 7394);
	cr_assert(slice_eq(s.host, SLICE("alice.example.com")));
	cr_assert(slice_eq(
			s.path, SLICE("msrp://alice.example.com:7394/2s93i9ek2a;tcp")));
	cr_assert(slice_eq(s.accept_types, SLICE("message/cpim")));
	cr_assert(slice_eq(s.accept_wrapped_types, SLICE("*")));
	cr_assert(s.setup == SDP_SETUP_ACTPASS && s.dir == SDP_SENDONLY);
	cr_assert(s.cema && s.has_file_size);
	cr_assert_eq(s.file_size, 4092, "not the 7 within the name");
	cr_assert(s.max_size == 0 && s.connection == SDP_CONN_NONE);
	cr_assert(s.media_index == 0 && s.media_count == 1);
}

Test(sdp, accepts_what_clients_really_send)
{
	struct sdp s;

	/* LF alone; order of o, s, c, t changed; no file-selector */
	cr_assert_eq(parse_str("v=0\no=- 3 3 IN IP4 10.0.0.1\nt=0 0\ns=-\n"
						   "c=IN IP4 10.0.0.1\nm=message 9 TCP/MSRP *\n"
						   "a=accept-types:message/cpim\n"
						   "a=accept-wrapped-types:*\na=setup:active\n"
						   "a=path:msrp://10.0.0.1:9/x;tcp\na=sendonly",
						 &s),
			SDP_OK);
	cr_assert(!s.has_file_size && !s.cema && s.setup == SDP_SETUP_ACTIVE);
	/* upper case */
	cr_assert_eq(parse_changed("m=message 7394 TCP/MSRP *",
						 "m=MESSAGE 50002 tcp/msrp *", &s),
			SDP_OK);
	cr_assert_eq(s.port, 50002);
	/* no a=setup: RFC 4975 */
	cr_assert_eq(parse_changed("a=setup:actpass\r\n", "", &s), SDP_OK);
	cr_assert_eq(s.setup, SDP_SETUP_NONE);
	/* no direction: both */
	cr_assert_eq(parse_changed("a=sendonly\r\n", "", &s), SDP_OK);
	cr_assert_eq(s.dir, SDP_SENDRECV);
	/* unknown attributes, blanks behind the colon */
	cr_assert_eq(parse_changed("a=sendonly\r\n",
						 "a=maxsize:10000\r\na=sendonly\r\n"
						 "a=connection: new\r\n",
						 &s),
			SDP_OK);
	cr_assert_eq(s.connection, SDP_CONN_NEW);
	/* direction and setup for the whole session */
	cr_assert_eq(parse_str("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n"
						   "a=recvonly\r\na=setup:passive\r\n"
						   "m=message 1 TCP/MSRP *\r\nc=IN IP4 h\r\n"
						   "a=path:msrp://h:1/x;tcp\r\n",
						 &s),
			SDP_OK);
	cr_assert(s.dir == SDP_RECVONLY && s.setup == SDP_SETUP_PASSIVE);
}

Test(sdp, media_level_values_go_before_session_level_ones)
{
	struct sdp s;

	cr_assert_eq(
			parse_str("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\n"
					  "t=0 0\r\na=fingerprint:SHA-256 AA:BB\r\na=sendrecv\r\n"
					  "m=message 1 TCP/TLS/MSRP *\r\nc=IN IP6 2001:db8::1\r\n"
					  "a=fingerprint:SHA-1 11:22\r\n"
					  "a=fingerprint:sha-256 CC:DD\r\n"
					  "a=path:msrps://[2001:db8::1]:1/x;tcp\r\n"
					  "a=recvonly\r\na=max-size:5000\r\n",
					&s),
			SDP_OK);
	cr_assert(s.secure && s.ipv6 && slice_eq(s.host, SLICE("2001:db8::1")));
	cr_assert(slice_eq(s.fingerprint, SLICE("sha-256 CC:DD")));
	cr_assert(s.dir == SDP_RECVONLY && s.max_size == 5000);
}

Test(sdp, first_msrp_media_of_several_counts)
{
	struct sdp s;
	static const char text[] =
			"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\n"
			"m=audio 49170 RTP/AVP 0 8\r\na=sendrecv\r\n"
			"m=message 1 SIP/TCP *\r\n"
			"m=message 1000 TCP/MSRP *\r\na=path:msrp://h:1000/a;tcp\r\n"
			"a=sendonly\r\n"
			"m=message 2000 TCP/MSRP *\r\na=path:msrp://h:2000/b;tcp\r\n";

	cr_assert_eq(parse_str(text, &s), SDP_OK);
	cr_assert(s.port == 1000 && s.media_index == 2 && s.media_count == 4);
	cr_assert(s.dir == SDP_SENDONLY);
}

Test(sdp, each_fault_has_its_name)
{
	static const struct
	{
		const char *line, *by;
		enum sdp_error e;
	} cases[] = {
			{"a=path:msrp://alice.example.com:7394/2s93i9ek2a;tcp\r\n", "",
					SDP_NO_PATH},
			{"a=path:msrp:", "a=path:http:", SDP_BAD_PATH},
			{"a=path:msrp:", "a=path:msrps:", SDP_BAD_PATH},
			{"/2s93i9ek2a;tcp", ";tcp", SDP_BAD_PATH},
			{"/2s93i9ek2a;tcp", "/x;sctp", SDP_BAD_PATH},
			{"a=sendonly\r\n", "a=path:msrp://h:1/y;tcp\r\n", SDP_BAD_ATTR},
			{"TCP/MSRP", "UDP/MSRP", SDP_BAD_TRANSPORT},
			{"TCP/MSRP", "TCP/WS/MSRP", SDP_BAD_TRANSPORT},
			{"m=message", "m=audio", SDP_NO_MEDIA},
			{"m=message 7394 TCP/MSRP *", "m=message 7394", SDP_BAD_MEDIA},
			{"m=message 7394 TCP/MSRP *", "m=message 7394 TCP/MSRP",
					SDP_BAD_MEDIA},
			{"7394 TCP", "73949 TCP", SDP_BAD_PORT},
			{"7394 TCP", "-1 TCP", SDP_BAD_PORT},
			{"7394 TCP", "7394x TCP", SDP_BAD_PORT},
			{"7394 TCP", "0 TCP", SDP_REFUSED},
			{"setup:actpass", "setup:maybe", SDP_BAD_SETUP},
			{"setup:actpass", "setup:", SDP_BAD_SETUP},
			{"size:4092", "size:4092x", SDP_BAD_SIZE},
			{"size:4092", "size:", SDP_BAD_SIZE},
			{"size:4092", "size:-1", SDP_BAD_SIZE},
			{"size:4092", "size:99999999999999999999", SDP_BAD_SIZE},
			{"size:4092", "size:1 size:2", SDP_BAD_SIZE},
			{"a=msrp-cema", "a=max-size:lots", SDP_BAD_SIZE},
			{"a=msrp-cema", "a=connection:perhaps", SDP_BAD_ATTR},
			{"c=IN IP4 alice.example.com\r\n", "", SDP_BAD_CONN},
			{"c=IN IP4", "c=IN IP5", SDP_BAD_CONN},
			{"c=IN IP4 alice.example.com", "c=IN IP4", SDP_BAD_CONN},
			{"c=IN IP4 alice.example.com", "c=IN IP4 224.2.1.1/127",
					SDP_BAD_CONN},
			{"o=alice 2890844526", "o=alice x", SDP_BAD_ORIGIN},
			{"o=alice 2890844526 2890844527 IN IP4 alice.example.com\r\n", "",
					SDP_BAD_ORIGIN},
			{"v=0\r\n", "", SDP_BAD_LINE},
			{"v=0", "v=1", SDP_BAD_LINE},
			{"t=0 0", "t 0 0", SDP_BAD_LINE},
			{"t=0 0", "<html>", SDP_BAD_LINE},
			{"t=0 0", "t=0 \x01", SDP_BAD_LINE},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sdp s = {.port = 4711};
		enum sdp_error e = parse_changed(cases[i].line, cases[i].by, &s);

		cr_assert_eq(e, cases[i].e, "\"%s\" for \"%s\": %s", cases[i].by,
				cases[i].line, sdp_error_text(e));
		cr_assert_eq(s.port, 4711, "untouched on failure");
	}
	struct sdp s;
	cr_assert_eq(parse_str("", &s), SDP_EMPTY);
	cr_assert_eq(parse_str("\r\n", &s), SDP_EMPTY);
}

Test(sdp, every_error_has_a_text)
{
	for(int e = 0; e < SDP_N_ERRORS; e++)
		cr_assert(strcmp(sdp_error_text((enum sdp_error)e), "unknown error")
				!= 0);
	cr_assert_str_eq(sdp_error_text((enum sdp_error)999), "unknown error");
}

/* RFC 4145 section 4.1, RFC 6135 section 4.2 */
Test(sdp, roles_follow_from_offer_and_answer)
{
	cr_assert_eq(sdp_setup_answer(SDP_SETUP_ACTPASS), SDP_SETUP_PASSIVE);
	cr_assert_eq(sdp_setup_answer(SDP_SETUP_ACTIVE), SDP_SETUP_PASSIVE);
	cr_assert_eq(sdp_setup_answer(SDP_SETUP_NONE), SDP_SETUP_PASSIVE);
	cr_assert_eq(sdp_setup_answer(SDP_SETUP_PASSIVE), SDP_SETUP_ACTIVE);
	cr_assert_eq(sdp_setup_answer(SDP_SETUP_HOLDCONN), SDP_SETUP_HOLDCONN);
	cr_assert(sdp_answerer_connects(SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE));
	cr_assert(!sdp_answerer_connects(SDP_SETUP_ACTPASS, SDP_SETUP_PASSIVE));
	cr_assert(!sdp_answerer_connects(SDP_SETUP_ACTPASS, SDP_SETUP_NONE));
	cr_assert(!sdp_answerer_connects(SDP_SETUP_NONE, SDP_SETUP_NONE));
	cr_assert(sdp_answerer_connects(SDP_SETUP_PASSIVE, SDP_SETUP_NONE));
}

Test(sdp, what_is_written_is_read_back)
{
	char text[2048];
	struct sdp back,
			s = {.sess_id = SLICE("3900000001"),
					.sess_version = SLICE("3900000002"),
					.host = SLICE("2001:db8::1"),
					.ipv6 = true,
					.secure = true,
					.port = 2955,
					.path = SLICE("msrps://[2001:db8::1]:2955/abc;tcp"),
					.accept_types = SLICE("message/cpim"),
					.accept_wrapped_types = SLICE("*"),
					.setup = SDP_SETUP_ACTPASS,
					.dir = SDP_SENDONLY,
					.cema = true,
					.has_file_size = true,
					.file_size = 0,
					.max_size = 77,
					.fingerprint = SLICE("SHA-256 AB:CD")};
	int n = sdp_print(text, sizeof(text), &s, SLICE(""));

	cr_assert(n > 0 && (size_t)n == strlen(text));
	cr_assert_eq(parse_str(text, &back), SDP_OK, "%s", text);
	cr_assert(slice_eq(back.sess_id, s.sess_id));
	cr_assert(slice_eq(back.host, s.host) && back.ipv6 && back.secure);
	cr_assert(slice_eq(back.path, s.path) && back.port == 2955);
	cr_assert(back.has_file_size && back.file_size == 0 && back.cema);
	cr_assert(back.setup == s.setup && back.dir == s.dir);
	cr_assert(back.max_size == 77 && slice_eq(back.fingerprint, s.fingerprint));
	for(size_t size = 0; size <= (size_t)n; size++) {
		char small[2048];

		memset(small, 'x', sizeof(small));
		cr_assert_eq(sdp_print(small, size, &s, SLICE("")), n);
		cr_assert(small[size] == 'x', "nothing behind the buffer");
		if(size > 0)
			cr_assert_eq(strlen(small), size - 1);
	}
}

Test(sdp, an_answer_refuses_the_other_media)
{
	static const char offer[] =
			"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\n"
			"m=audio 49170 RTP/AVP 0 8\r\n"
			"m=message 1000 TCP/MSRP *\r\na=path:msrp://h:1000/a;tcp\r\n"
			"m=video 5 RTP/AVP 31\r\n";
	char text[1024];
	struct sdp s;

	cr_assert_eq(parse_str(offer, &s), SDP_OK);
	s.path = SLICE("msrp://p:2855/b;tcp");
	s.port = 2855;
	cr_assert(sdp_print(text, sizeof(text), &s, slice_str(offer)) > 0);
	const char *a = strstr(text, "m=audio 0 RTP/AVP 0 8\r\n");
	const char *m = strstr(text, "m=message 2855 TCP/MSRP *\r\n");
	const char *v = strstr(text, "m=video 0 RTP/AVP 31\r\n");
	cr_assert(a && m && v && a < m && m < v, "%s", text);
}

Test(sdp, no_line_can_be_smuggled_into_what_is_written)
{
	char text[256];
	struct sdp s = {.host = SLICE("h"), .path = SLICE("x\r\na=evil")};

	cr_assert_eq(sdp_print(text, sizeof(text), &s, SLICE("")), -EINVAL);
}

static void parse(struct slice in)
{
	struct sdp s;
	char text[1024];

	if(sdp_parse(in, &s) != SDP_OK)
		return;
	cr_assert(s.path.p > in.p && s.path.p + s.path.n <= in.p + in.n);
	cr_assert(sdp_print(text, sizeof(text), &s, in) > 0);
}

Test(sdp, damaged_descriptions_do_no_harm)
{
	torn_everywhere(SLICE(OFFER), parse);
	torn_mutations(SLICE(OFFER), 20000, parse);
}
