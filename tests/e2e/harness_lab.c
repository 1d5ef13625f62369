/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Labs of the tests. Each test holds one slot (a lock on a file); a slot has
 * two lab numbers: one for the lab that its tests share, which stays up from
 * test to test, and one for a lab of a test's own. E2E_LABS lists the numbers
 * in pairs. The runner (e2e_main.c) stops the shared labs at the end.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "harness_log.h"

static struct
{
	int slot, fd;
	struct lab *shared, *own;
} my = {.slot = -1, .fd = -1};

static int lab_number(int slot, bool own)
{
	const char *list = getenv("E2E_LABS") ? getenv("E2E_LABS")
										  : "1 11 2 12 3 13 4 14 5 15 6 16";
	char *end;

	for(int i = 0; i <= slot * 2 + own; i++) {
		long n = strtol(list, &end, 10);

		if(end == list)
			return 0;
		list = end;
		if(i == slot * 2 + own)
			return (int)n;
	}
	return 0;
}

static const char *slot_path(int slot, const char *what)
{
	return fmt("%s/e2e/slot-%d.%s", e2e_results(), slot, what);
}

static void take_slot(void)
{
	for(int round = 0; round < 1000; round++) {
		for(int i = 0; i < E2E_SLOTS && lab_number(i, true) > 0; i++) {
			int fd = open(
					slot_path(i, "lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0644);

			if(fd < 0)
				cr_assert_fail("%s: %s", slot_path(i, "lock"), strerror(errno));
			if(flock(fd, LOCK_EX | LOCK_NB) == 0) {
				my.slot = i;
				my.fd = fd;
				return;
			}
			close(fd);
		}
		sleep_ms(50);
	}
	cr_assert_fail("no lab is free; E2E_LABS needs a pair of numbers for each "
				   "test at a time");
}

static struct lab *lab_new(int n)
{
	struct lab *lab = e2e_alloc(sizeof(*lab));

	lab->n = n;
	snprintf(lab->dir, sizeof(lab->dir), "%s/build/lab-%d", e2e_root(), n);
	snprintf(lab->core_ip, sizeof(lab->core_ip), "127.20.%d.10", n);
	snprintf(lab->pf_ip, sizeof(lab->pf_ip), "127.20.%d.20", n);
	snprintf(lab->isf_ip, sizeof(lab->isf_ip), "127.20.%d.30", n);
	snprintf(lab->peer_ip, sizeof(lab->peer_ip), "127.20.%d.60", n);
	snprintf(lab->cpm_ctl, sizeof(lab->cpm_ctl), "unix:%s/run/cpm.ctl",
			lab->dir);
	snprintf(lab->core_ctl, sizeof(lab->core_ctl), "unix:%s/run/core.ctl",
			lab->dir);
	snprintf(lab->relay_sock, sizeof(lab->relay_sock), "%s/run/relay.sock",
			lab->dir);
	return lab;
}

struct lab *lab_node2(const struct lab *lab)
{
	struct lab *two = e2e_alloc(sizeof(*two));

	*two = *lab;
	snprintf(two->pf_ip, sizeof(two->pf_ip), "127.20.%d.21", lab->n);
	snprintf(two->cpm_ctl, sizeof(two->cpm_ctl), "unix:%s/run/cpm2.ctl",
			lab->dir);
	snprintf(two->relay_sock, sizeof(two->relay_sock), "%s/run/relay2.sock",
			lab->dir);
	return two;
}

const char *lab_addr(const struct lab *lab, int host)
{
	return fmt("127.20.%d.%d", lab->n, host);
}

/* Run tests/lab/lab with settings in front, as env(1) takes them. */
static int lab_command(struct lab *lab, const char *const settings[],
		const char *command, const char *part)
{
	const char *argv[64] = {"env"};
	int n = 1;

	argv[n++] = fmt("LAB_DIR=%s", lab->dir);
	while(settings && *settings && n < 58)
		argv[n++] = *settings++;
	argv[n++] = fmt("%s/tests/lab/lab", e2e_root());
	argv[n++] = fmt("%d", lab->n);
	argv[n++] = command;
	if(part)
		argv[n++] = part;
	argv[n] = NULL;
	return proc_run(fmt("lab-%s", command), 75000, argv);
}

/* What a test that is killed leaves of its lab: where the logs are. */
static void logs_link(const struct lab *lab)
{
	const char *link = test_path("lab");

	unlink(link);
	if(symlink(fmt("%s/log", lab->dir), link) < 0)
		cr_assert_fail("%s: %s", link, strerror(errno));
}

static void lab_up(struct lab *lab, const char *const settings[])
{
	logs_link(lab);
	if(lab_command(lab, settings, "up", NULL) != 0)
		cr_assert_fail("lab %d does not start; see %s and %s/log", lab->n,
				test_path("*lab-up*"), lab->dir);
	logs_begin(lab);
}

/* Output of a command, without the harness of a test. */
static const char *capture(const char *command)
{
	char *text = e2e_alloc(65536);
	FILE *f = popen(command, "re");
	size_t n;

	if(f == NULL)
		return text;
	n = fread(text, 1, 65535, f);
	text[n] = '\0';
	pclose(f);
	return text;
}

/* Shared memory that must be given back by whoever took it: the sum over all
 * blocks in use, but for the TCP connections that the core keeps open between
 * two Kamailios. -1 when the PF does not answer. */
static long long settled_memory(const char *ctl)
{
	char *text = strdup(capture(
				 fmt("kamcmd -s %s mod.stats all shm 2>/dev/null", ctl))),
		 *save = NULL;
	long long used = 0;

	for(char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save)) {
		const char *colon = strstr(line, "): ");

		if(colon && strstr(line, "tcpconn_new(") == NULL)
			used += strtoll(colon + 3, NULL, 10);
	}
	free(text);
	return used > 0 ? used : -1;
}

/* What the PF may remember of the users whom it knows: their registrations,
 * the subscription to them, by far less than this for each. */
#define USER_MEMORY 3072

static long long users_memory(const char *ctl)
{
	const char *text =
			capture(fmt("kamcmd -s %s cpm.clients 2>/dev/null", ctl));
	const char *users = strstr(text, "users: ");

	return users ? USER_MEMORY * strtoll(users + 7, NULL, 10) : 0;
}

struct lab *lab_shared(void)
{
	const char *mark = slot_path(my.slot, "shared");

	if(my.shared)
		return my.shared;
	my.shared = lab_new(lab_number(my.slot, false));
	if(file_size(mark) > 0
			&& lab_command(my.shared, NULL, "status", NULL) == 0) {
		logs_link(my.shared);
		logs_begin(my.shared);
		return my.shared;
	}
	lab_command(my.shared, NULL, "down", NULL);
	unlink(mark);
	lab_up(my.shared,
			(const char *[]){"LAB_TRIGGERS=orig", "LAB_DIRECT=0", NULL});
	FILE *f = fopen(mark, "w");
	cr_assert(f != NULL);
	fprintf(f, "%d %lld\n", my.shared->n, settled_memory(my.shared->cpm_ctl));
	fclose(f);
	return my.shared;
}

struct lab *lab_own(const char *setting, ...)
{
	const char *settings[32];
	int n = 0;
	va_list ap;

	cr_assert(my.own == NULL, "one own lab for a test");
	va_start(ap, setting);
	for(; setting && n < 31; setting = va_arg(ap, const char *))
		settings[n++] = setting;
	va_end(ap);
	settings[n] = NULL;
	my.own = lab_new(lab_number(my.slot, true));
	lab_command(my.own, NULL, "down", NULL);
	lab_up(my.own, settings);
	return my.own;
}

void lab_part(struct lab *lab, const char *command, const char *part)
{
	cr_assert(lab == my.own, "parts of a shared lab are left alone");
	if(lab_command(lab, NULL, command, part) != 0)
		cr_assert_fail("lab %d: %s %s failed; see %s", lab->n, command, part,
				test_path("*lab-*"));
}

void e2e_setup(void)
{
	test_path(""); /* makes the directory */
	take_slot();
}

/* Sessions that stay behind would be the next test's problem. */
static void shared_teardown(void)
{
	const char *why = NULL;

	for(int i = 0; i < 60 && (why = lab_busy(my.shared)) != NULL; i++)
		sleep_ms(100);
	if(why) {
		unlink(slot_path(my.slot, "shared"));
		logs_keep(my.shared);
		cr_assert_fail("left behind: %s", why);
	}
	logs_check(my.shared);
}

void e2e_finish(void)
{
	static bool done;

	if(done)
		return;
	done = true;
	proc_end_all();
	if(my.own) {
		lab_command(my.own, NULL, "down", NULL);
		logs_check(my.own);
	}
	if(my.shared)
		shared_teardown();
	unlink(test_path("lab"));
}

/* After a test that failed before its end, all the same. */
void e2e_teardown(void)
{
	e2e_finish();
	if(my.fd >= 0)
		close(my.fd);
}

/* ---- the runner's side --------------------------------------------------- */

int e2e_slot_shared(int slot)
{
	return lab_number(slot, true) > 0
					&& file_size(slot_path(slot, "shared")) > 0
			? lab_number(slot, false)
			: 0;
}

/* Nothing is done where no process id is noted: `down` removes them. */
void e2e_slot_clear(int slot)
{
	struct lab *lab = lab_new(lab_number(slot, true));
	glob_t g;

	if(lab->n > 0 && glob(fmt("%s/run/*.pid", lab->dir), 0, NULL, &g) == 0) {
		capture(fmt("LAB_DIR=%s %s/tests/lab/lab %d down 2>&1", lab->dir,
				e2e_root(), lab->n));
		globfree(&g);
	}
}

int e2e_slot_finish(int slot)
{
	struct lab *lab = lab_new(lab_number(slot, false));
	long long base = -1, used = -1;

	sscanf(file_text(slot_path(slot, "shared")), "%*d %lld", &base);
	/* tm keeps finished transactions for some seconds (wt_timer, delete) */
	for(int i = 0; i < 200; i++) {
		used = settled_memory(lab->cpm_ctl);
		if(used > 0)
			used -= users_memory(lab->cpm_ctl);
		if(used < 0 || used <= base)
			break;
		sleep_ms(100);
	}
	capture(fmt("LAB_DIR=%s %s/tests/lab/lab %d down 2>&1", lab->dir,
			e2e_root(), lab->n));
	unlink(slot_path(slot, "shared"));
	const char *report = logs_sanitizer(lab);
	if(report) {
		printf("lab %d: %s\n", lab->n, report);
		return -1;
	}
	if(used < 0) {
		printf("lab %d: the PF did not answer at the end; see %s/log/cpm.log\n",
				lab->n, lab->dir);
		return -1;
	}
	printf("lab %d: shared memory of the PF %lld bytes at the start, %lld at "
		   "the end (%+lld)\n",
			lab->n, base, used, used - base);
	return used > base + E2E_SHM_SLACK ? -1 : 0;
}
