/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's session descriptions (tests/client/cl_sdp.h).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_sdp.h"

static struct cl_sdp offer(void)
{
	return (struct cl_sdp){.host = "192.0.2.10",
			.port = 2855,
			.direction = 's',
			.setup = CL_SETUP_ACTPASS,
			.cema = true,
			.path = "msrp://192.0.2.10:2855/9f2c;tcp",
			.accept_types = "message/cpim",
			.accept_wrapped = "*",
			.file_size = 48213};
}

Test(client_sdp, offer_has_every_line_of_the_clause,
		.description = "CL-13: 7.2.1.2 #19")
{
	struct cl_sdp s = offer();
	char *text = cl_sdp_write(&s, 39, NULL);

	cr_assert_str_eq(text,
			"v=0\r\no=- 39 39 IN IP4 192.0.2.10\r\ns=-\r\n"
			"c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=message 2855 TCP/MSRP *\r\n"
			"a=sendonly\r\na=accept-types:message/cpim\r\n"
			"a=accept-wrapped-types:*\r\na=setup:actpass\r\n"
			"a=path:msrp://192.0.2.10:2855/9f2c;tcp\r\na=msrp-cema\r\n"
			"a=file-selector:size:48213\r\n");
	free(text);
}

Test(client_sdp, description_reads_back_as_it_was_written)
{
	struct cl_sdp s = offer(), t;
	char *text;

	s.tls = true;
	s.max_size = 100;
	s.chunk_size = 4096;
	snprintf(s.fingerprint, sizeof(s.fingerprint), "SHA-256 AB:CD");
	text = cl_sdp_write(&s, 1, "x-chunk");
	cr_assert_eq(cl_sdp_parse(slice_str(text), "x-chunk", &t), 0);
	cr_assert(t.tls && t.cema && t.direction == 's');
	cr_assert_eq(t.max_size, 100);
	cr_assert_eq(t.chunk_size, 4096);
	cr_assert_eq(t.file_size, 48213);
	cr_assert_eq(t.setup, CL_SETUP_ACTPASS);
	cr_assert_str_eq(t.fingerprint, s.fingerprint);
	cr_assert_str_eq(t.path, s.path);
	free(text);
}

Test(client_sdp, media_line_of_msrp_is_found_among_others)
{
	struct cl_sdp t;

	cr_assert_eq(
			cl_sdp_parse(SLICE("v=0\nc=IN IP4 192.0.2.1\nm=audio 1 RTP/AVP 0\n"
							   "c=IN IP4 192.0.2.2\na=path:msrp://no/x;tcp\n"
							   "m=message 9 TCP/MSRP *\nc=IN IP4 192.0.2.3\n"
							   "a=path:msrp://192.0.2.4:7/y;tcp\n"
							   "a=file-selector:name:\"a size:7 b\" size:12\n"
							   "m=video 1 RTP/AVP 31\na=sendonly\n"),
					NULL, &t),
			0);
	cr_assert_str_eq(t.host, "192.0.2.3");
	cr_assert_eq(t.port, 9);
	cr_assert_eq(t.file_size, 12);
	cr_assert_eq(t.direction, 'b');
}

Test(client_sdp, unusable_descriptions_are_refused)
{
	struct cl_sdp t;

	cr_assert_eq(cl_sdp_parse(SLICE(""), NULL, &t), -EBADMSG);
	cr_assert_eq(
			cl_sdp_parse(SLICE("v=0\r\nm=message x TCP/MSRP *\r\n"), NULL, &t),
			-EBADMSG);
	cr_assert_eq(cl_sdp_parse(SLICE("m=message 1 UDP/MSRP *\r\n"), NULL, &t),
			-EBADMSG);
	cr_assert_eq(cl_sdp_parse(SLICE("m=message 1 TCP/MSRP *\r\n"), NULL, &t),
			-ENOENT);
}

Test(client_sdp, connection_goes_where_cema_says,
		.description = "CL-16: RFC 6714")
{
	struct cl_sdp s = offer();
	char host[64];
	int port;

	snprintf(s.path, sizeof(s.path), "msrp://10.0.0.1:7777/x;tcp");
	cr_assert(cl_sdp_target(&s, true, host, sizeof(host), &port));
	cr_assert_str_eq(host, "192.0.2.10");
	cr_assert_eq(port, 2855);
	cr_assert(cl_sdp_target(&s, false, host, sizeof(host), &port));
	cr_assert_str_eq(host, "10.0.0.1");
	cr_assert_eq(port, 7777);
	s.port = 9;
	cr_assert(!cl_sdp_target(&s, true, host, sizeof(host), &port));
}

Test(client_sdp, roles_follow_the_offer, .description = "CL-15: RFC 6135 4.2")
{
	cr_assert_eq(cl_setup_answer(CL_SETUP_ACTPASS, CL_SETUP_ACTIVE),
			CL_SETUP_ACTIVE);
	cr_assert_eq(cl_setup_answer(CL_SETUP_ACTPASS, CL_SETUP_PASSIVE),
			CL_SETUP_PASSIVE);
	cr_assert_eq(cl_setup_answer(CL_SETUP_ACTIVE, CL_SETUP_ACTIVE),
			CL_SETUP_PASSIVE);
	cr_assert_eq(cl_setup_answer(CL_SETUP_PASSIVE, CL_SETUP_PASSIVE),
			CL_SETUP_ACTIVE);
	cr_assert_eq(
			cl_setup_answer(CL_SETUP_NONE, CL_SETUP_ACTIVE), CL_SETUP_PASSIVE);
}
