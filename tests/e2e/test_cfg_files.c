/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files of kamailio-cfg/ as an operator uses them: copied, the values of
 * the first block changed, checked, started.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b2b_ua.h"
#include "internal.h"

E2E_SUITE(cfg_files);

static void run(const char *const argv[])
{
	cr_assert_eq(proc_run(argv[0], 20000, argv), 0, "%s", argv[0]);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

/* Copy the files and set an operator's values for this lab; the directory. */
static const char *copy(struct lab *lab)
{
	const char *dir = test_path("etc"), *bin = getenv("CPM_BIN");

	RUN("cp", "-r", fmt("%s/kamailio-cfg", e2e_root()), dir);
	RUN("sed", "-i", "-e", fmt("s|192.0.2.20|%s|g", lab->pf_ip), "-e",
			fmt("s|192.0.2.10,192.0.2.11|%s,192.0.2.0/24|g", lab->core_ip),
			"-e", fmt("s|/run/kamailio/kamailio_ctl|%s/run/cpm.ctl|", lab->dir),
			"-e", fmt("s|/etc/kamailio|%s|", dir), "-e",
			fmt("s|CPM_SO!cpm.so|CPM_SO!%s/cpm.so|",
					bin ? bin : fmt("%s/build/gcc", e2e_root())),
			fmt("%s/kamailio.cfg", dir), fmt("%s/kamailio-kemi.cfg", dir));
	return dir;
}

/* The server answers a request of a stranger with this status. */
static void answers_to(struct lab *lab, struct ua *ua, const char *method,
		const char *tag, const char *more, int code)
{
	static unsigned n;
	const char *id = NULL;
	struct sip *m = NULL;

	for(int i = 0; i < 50 && m == NULL; i++) {
		id = fmt("files%d.%u", (int)getpid(), ++n);
		ua_send(ua,
				fmt("%s sip:%s:5060 SIP/2.0\n"
					"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s\n"
					"Max-Forwards: 70\nFrom: <sip:a@cpm.test>;tag=1\n"
					"To: <sip:b@cpm.test>%s\nCall-ID: %s\nCSeq: 1 %s\n"
					"%sContent-Length: 0\n\n",
						method, lab->pf_ip, lab_addr(lab, 150), id, tag, id,
						method, more));
		m = ua_poll(ua, fmt("%d/%s", code, method), id, 100);
	}
	cr_assert(m != NULL, "%s is not answered with %d", method, code);
}

static void answers(
		struct lab *lab, struct ua *ua, const char *method, int code)
{
	answers_to(lab, ua, method, "", "", code);
}

static struct proc *start(struct lab *lab, const char *file)
{
	const char *run_dir = fmt("%s/run", lab->dir);
	const char *const argv[] = {"kamailio", "-f", file, "-DD", "-E", "-x", "fm",
			"-m", "64", "-P", fmt("%s/files.pid", run_dir), "-Y", run_dir,
			NULL};

	return proc_start("kamailio", argv);
}

static void starts(struct lab *lab, struct ua *ua, const char *file)
{
	struct proc *p = start(lab, file);

	answers(lab, ua, "OPTIONS", 200);
	answers(lab, ua, "MESSAGE", 403); /* a stranger */
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.relays"), "owner: pf1"));
	lab_stop_kamailio(lab, p, "tcp main", 30000);
}

E2E_TEST(cfg_files, start_with_an_operators_values,
		"the native script, Lua and Python, straight from the copied files")
{
	struct lab *lab = lab_own("LAB_WITHOUT=core cpm relay isf", NULL);
	struct ua *ua = ua_open(lab_addr(lab, 150), lab->pf_ip);
	const char *dir = copy(lab), *kemi = fmt("%s/kamailio-kemi.cfg", dir);

	starts(lab, ua, fmt("%s/kamailio.cfg", dir));
	starts(lab, ua, kemi);
	/* the choice at its beginning */
	RUN("sed", "-i", "-e", "s|^#!define CPM_LUA|##!define CPM_LUA|", "-e",
			"s|^##!define CPM_PYTHON|#!define CPM_PYTHON|", "-e",
			"s|cpm.lua!g|cpm.py!g|", kemi);
	starts(lab, ua, kemi);
}

E2E_TEST(cfg_files, pass_the_check_with_each_switch,
		"kamailio -c: metrics, and every check as a step of its own")
{
	struct lab *lab = lab_own("LAB_WITHOUT=core cpm relay isf", NULL);
	const char *file = fmt("%s/kamailio.cfg", copy(lab));

	RUN("kamailio", "-c", "-f", file);
	RUN("kamailio", "-c", "-A", "WITH_METRICS", "-f", file);
	RUN("kamailio", "-c", "-A", "CPM_BY_STEPS", "-f", file);
}

/* A start with these lines behind an operator's file fails; what it says. */
static const char *says(const char *dir, int n, const char *lines)
{
	const char *file = fmt("%s/bad%d.cfg", dir, n);
	FILE *f = fopen(file, "w");
	struct proc *p;

	cr_assert(f != NULL);
	fprintf(f, "include_file \"%s/kamailio.cfg\"\n%s", dir, lines);
	fclose(f);
	p = proc_start("kamailio",
			(const char *const[]){"kamailio", "-f", file, "-DD", "-E", "-x",
					"fm", "-m", "64", "-P", fmt("%s/bad.pid", dir), "-Y", dir,
					NULL});
	cr_assert_neq(proc_wait(p, 20000), 0, "it starts: %s", lines);
	return proc_stderr(p);
}

/* Each is lower than those before it, which may be its least. */
static int value(size_t i)
{
	return -1 - (int)i;
}

E2E_TEST(cfg_files, bad_values_are_named_and_stop_the_start,
		"every number out of its range and every word at once; then one by "
		"one what is parsed")
{
	static const char *const numbers[] = {"relay_timeout",
			"relay_reconnect_min", "relay_reconnect_max", "relay_queue",
			"hash_size", "min_se", "session_expires", "ring_timeout",
			"ring_spare", "switch_timeout", "max_message", "pager_limit",
			"authorised", "version_required", "clock_skew", "anonymity",
			"list_anonymity", "interworking", "defer", "max_recipients",
			"exploder_parallel", "exploder_window", "exploder_wait",
			"rewrite_cpim_to", "direct_delivery", "notify_list_max",
			"subscribe_min", "subscribe_max", "subscribe_default",
			"contacts_unknown", "contacts_max_users", "contacts_max_clients",
			"reg_expires", "reg_wait", "reg_retry", "fork_wait",
			"defer_lifetime", "imdn_lifetime", "push", "push_settle",
			"push_parallel", "push_lease", "push_permanent", "msrp_idle"};
	static const char *const words[] = {"exploder_answer", "isf_mode",
			"contacts", "defer_notify", "relay_owner", "outbound_proxy",
			"reg_route", "msrp_transport", "push_route", "imdn_route"};
	static const char *const parsed[][2] = {{"push_retries", "5 ten"},
			{"deferred_uri", "x"}, {"min_client_version", "two"},
			{"trusted_peers", "nobody"}, {"isf_uri", "x"},
			{"exploder_uri", "x"}, {"direction_prefix", "a b"},
			{"loop_header", "a b"}, {"instance", "a b"}, {"error_info", "a b"}};
	struct lab *lab = lab_own("LAB_WITHOUT=core cpm relay isf", NULL);
	const char *dir = copy(lab), *lines = "", *said;

	for(size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		lines = fmt("%smodparam(\"cpm\", \"%s\", %d)\n", lines, numbers[i],
				value(i));
	for(size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		lines = fmt("%smodparam(\"cpm\", \"%s\", \"a b\")\n", lines, words[i]);
	said = says(dir, 0, lines);
	for(size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		cr_assert(strstr(said, fmt("modparam %s is %d,", numbers[i], value(i)))
						!= NULL,
				"%s: %s", numbers[i], said);
	for(size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		cr_assert(strstr(said, fmt("modparam %s ", words[i])) != NULL, "%s: %s",
				words[i], said);
	for(size_t i = 0; i < sizeof(parsed) / sizeof(*parsed); i++) {
		said = says(dir, (int)i + 1,
				fmt("modparam(\"cpm\", \"%s\", \"%s\")\n", parsed[i][0],
						parsed[i][1]));
		cr_assert(strstr(said, fmt("modparam %s", parsed[i][0])) != NULL,
				"%s: %s", parsed[i][0], said);
	}
}

E2E_TEST(cfg_files, leave_to_a_script_of_your_own_what_is_not_theirs,
		"behind route(CPM) come back calls, their dialogs and CANCELs, and "
		"REGISTER; CPM messages of strangers do not")
{
	struct lab *lab = lab_own("LAB_WITHOUT=core cpm relay isf", NULL);
	struct ua *ua = ua_open(lab_addr(lab, 150), lab->pf_ip);
	const char *file = fmt("%s/kamailio.cfg", copy(lab));
	struct proc *p;

	RUN("sed", "-i",
			"s|^\troute(CPM);|&\\n\tsl_send_reply(\"480\", "
			"\"Mine\");\\n\texit;|",
			file);
	p = start(lab, file);
	answers(lab, ua, "INVITE", 480);
	answers(lab, ua, "REGISTER", 480);
	answers(lab, ua, "SUBSCRIBE", 480);
	answers(lab, ua, "CANCEL", 480);
	answers_to(lab, ua, "BYE", ";tag=a", "", 480);
	answers_to(lab, ua, "INVITE", ";tag=a", "", 480);
	answers_to(lab, ua, "MESSAGE", "",
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service"
			".ims.icsi.oma.cpm.msg\"\n",
			403);
	lab_stop_kamailio(lab, p, "tcp main", 30000);
}
