/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both programs asked through their control interfaces: kamcmd for Kamailio,
 * msrp-relayctl for the relay.
 */
#include "harness_log.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHM_BACK_MS 30000

/* Run quietly; stdout of a command that may fail ("" then). */
static const char *output_of(const char *const argv[], int *code)
{
	const char *name =
			strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	struct proc *p = proc_start(name, argv);

	*code = proc_wait(p, 10000);
	const char *text = proc_stdout(p);
	proc_forget(p);
	return text;
}

const char *lab_rpc(struct lab *lab, const char *part, const char *command)
{
	const char *argv[16] = {"kamcmd", "-s",
			strcmp(part, "core") == 0 ? lab->core_ctl : lab->cpm_ctl};
	char *words = strdup(command), *save = NULL;
	int n = 3, code;

	for(char *w = strtok_r(words, " ", &save); w && n < 15;
			w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	argv[n] = NULL;
	const char *text = output_of(argv, &code);
	if(code != 0)
		cr_assert_fail("kamcmd %s: exit code %d", command, code);
	return text;
}

int lab_stop_kamailio(
		struct lab *lab, struct proc *p, const char *last, int timeout_ms)
{
	for(int t = 0; t < timeout_ms; t += 50) {
		const char *all = lab_rpc(lab, "cpm", "core.psa");

		if(strstr(all, last) && !strstr(all, "status: 0"))
			break;
		sleep_ms(50);
	}
	proc_signal(p, SIGTERM);
	return proc_wait(p, timeout_ms);
}

long long lab_rpc_number(struct lab *lab, const char *command, const char *key)
{
	const char *text = lab_rpc(lab, "cpm", command);
	const char *at = text;
	size_t n = strlen(key);

	while((at = strstr(at, key)) != NULL) {
		bool begins = at == text || strchr("\t\n {", at[-1]) != NULL;

		at += n;
		while(*at == ' ')
			at++;
		if(begins && (*at == ':' || *at == '='))
			return strtoll(at + 1, NULL, 10);
	}
	return -1;
}

long long lab_stat(struct lab *lab, const char *name)
{
	return lab_rpc_number(lab, "cpm.stats", name);
}

long long lab_shm_used(struct lab *lab)
{
	return lab_rpc_number(lab, "core.shmmem", "real_used");
}

void lab_shm_back(struct lab *lab, long long before)
{
	long long now = 0;

	for(int ms = 0; ms < SHM_BACK_MS; ms += 100) {
		now = lab_shm_used(lab);
		if(now <= before)
			return;
		sleep_ms(100);
	}
	cr_assert_fail("shared memory: %lld bytes before, %lld now (%+lld)", before,
			now, now - before);
}

json_t *lab_relayctl(struct lab *lab, const char *arg, ...)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	const char *argv[32] = {
			fmt("%s/msrp-relayctl", bin), "-s", lab->relay_sock, "-j"};
	json_error_t err;
	json_t *json;
	va_list ap;
	int n = 4, code;

	va_start(ap, arg);
	for(; arg && n < 31; arg = va_arg(ap, const char *))
		argv[n++] = arg;
	va_end(ap);
	argv[n] = NULL;
	const char *text = output_of(argv, &code);
	json = json_loads(text, JSON_DECODE_ANY, &err);
	if(json == NULL)
		cr_assert_fail("msrp-relayctl %s: exit code %d, answer \"%s\"", argv[4],
				code, text);
	return json;
}

bool lab_part_answers(struct lab *lab, const char *part)
{
	const char *argv[] = {"env", fmt("LAB_DIR=%s", lab->dir),
			fmt("%s/tests/lab/lab", e2e_root()), fmt("%d", lab->n), "ready",
			part, NULL};
	int code;

	output_of(argv, &code);
	return code == 0;
}

const char *lab_busy(struct lab *lab)
{
	long long n;
	json_t *list;

	if(lab_part_answers(lab, "cpm")) {
		n = lab_stat(lab, "sessions");
		if(n > 0)
			return fmt("%lld sessions in the PF", n);
	}
	if(lab_part_answers(lab, "relay")) {
		list = lab_relayctl(lab, "stats", NULL);
		n = json_integer_value(json_object_get(list, "sessions"));
		json_decref(list);
		if(n > 0)
			return fmt("%lld sessions in the relay", n);
	}
	return NULL;
}

void lab_idle(struct lab *lab, int timeout_ms)
{
	const char *why = NULL;

	for(int t = 0; t <= timeout_ms; t += 100) {
		why = lab_busy(lab);
		if(why == NULL)
			return;
		sleep_ms(100);
	}
	cr_assert_fail("after %d ms there are still %s", timeout_ms, why);
}
