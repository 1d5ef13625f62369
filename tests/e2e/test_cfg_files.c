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

/* The server answers with this status. */
static void answers(
		struct lab *lab, struct ua *ua, const char *method, int code)
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
					"To: <sip:b@cpm.test>\nCall-ID: %s\nCSeq: 1 %s\n"
					"Content-Length: 0\n\n",
						method, lab->pf_ip, lab_addr(lab, 150), id, id,
						method));
		m = ua_poll(ua, fmt("%d/%s", code, method), id, 100);
	}
	cr_assert(m != NULL, "%s is not answered with %d", method, code);
}

static void starts(struct lab *lab, struct ua *ua, const char *file)
{
	const char *run_dir = fmt("%s/run", lab->dir);
	const char *const argv[] = {"kamailio", "-f", file, "-DD", "-E", "-x", "fm",
			"-m", "64", "-P", fmt("%s/files.pid", run_dir), "-Y", run_dir,
			NULL};
	struct proc *p = proc_start("kamailio", argv);

	answers(lab, ua, "OPTIONS", 200);
	answers(lab, ua, "MESSAGE", 403); /* a stranger */
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.relays"), "owner: pf1"));
	proc_signal(p, 15);
	proc_wait(p, 30000);
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
