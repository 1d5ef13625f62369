/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Large-message calls by SIPp on the core's address, with and without loss:
 * every kind of message of the call gets lost now and then, in both
 * directions, and every call must end well.
 */
#include <stdlib.h>
#include <string.h>

#include "chain.h"

E2E_SUITE(sipp);

/* ACKs that the callee has seen; those that SIPp throws away are among them. */
static int acks(void)
{
	const char *at = file_text(test_path("uas_basic.xml-10.messages"));
	int n = 0;

	for(; (at = strstr(at, "\nACK sip:")) != NULL; at++)
		n++;
	return n;
}

static void calls(const char *count, const char *rate, const char *lost)
{
	int n = (int)strtol(count, NULL, 10);
	struct lab *lab = lab_own("LAB_WITHOUT=core isf", NULL);
	const char *pf = fmt("%s:5060", lab->pf_ip);
	struct proc *callee = sipp_start(
			lab, "uas_basic.xml", 10, NULL, "-m", count, "-lost", lost, NULL);
	struct proc *caller = sipp_start(lab, "uac_basic.xml", 10, pf, "-p", "5070",
			"-m", count, "-r", rate, "-d", "1500", "-lost", lost, "-key", "to",
			"bob", "-key", "target", "cpm.test", NULL);

	sipp_ok(caller, 60000);
	sipp_ok(callee, 60000);
	lab_idle(lab, 40000);
	cr_assert_eq(lab_stat(lab, "messages_large"), n,
			"no retransmission became a call of its own");
	/* some of them SIPp has not shown */
	cr_assert_geq(acks(), *lost == '0' ? n : n / 2, "%d ACKs", acks());
}

E2E_TEST(sipp, calls_cross_both_dialogs,
		"OL-06 OL-10/part OL-13 OL-14 OL-16 OL-17 OL-19 OL-20 OL-25 OL-31: "
		"headers "
		"and descriptions of 200 calls, checked by SIPp")
{
	calls("200", "50", "0");
}

E2E_TEST(sipp, one_message_in_ten_is_lost,
		"OL-06 OL-21 OL-25 OL-31: INVITE, 200, ACK, BYE lost at random: all "
		"100 calls end well")
{
	calls("100", "20", "10");
}
