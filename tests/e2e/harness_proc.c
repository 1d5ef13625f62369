/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes of a test: started with their output in files, awaited with a time
 * limit, killed with the test, and their JSON lines read as events.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCS_MAX 64

struct proc
{
	pid_t pid;
	bool ended;
	int code;
	char name[64];
	char out[600], err[600];
};

static struct proc *procs[PROCS_MAX];
static int n_procs;

void sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if(fd < 0)
		cr_assert_fail("cannot write %s: %s", path, strerror(errno));
	return fd;
}

/* In the child: nothing of the test runner's stays open, nothing outlives it.
 */
static void become(const char *const argv[], int out, int err)
{
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	close_range(3, ~0u, 0);
	for(int s = 1; s < 32; s++)
		signal(s, SIG_DFL);
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

struct proc *proc_start(const char *name, const char *const argv[])
{
	struct proc *p = e2e_alloc(sizeof(*p));
	int out, err;

	cr_assert(n_procs < PROCS_MAX, "too many processes in one test");
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->out, sizeof(p->out), "%s",
			test_path(fmt("%02d-%s.out", n_procs, name)));
	snprintf(p->err, sizeof(p->err), "%s",
			test_path(fmt("%02d-%s.err", n_procs, name)));
	out = open_log(p->out);
	err = open_log(p->err);
	p->pid = fork();
	if(p->pid == 0)
		become(argv, out, err);
	close(out);
	close(err);
	if(p->pid < 0)
		cr_assert_fail("fork: %s", strerror(errno));
	procs[n_procs++] = p;
	return p;
}

bool proc_ended(struct proc *p)
{
	int status;

	if(p->ended)
		return true;
	if(waitpid(p->pid, &status, WNOHANG) != p->pid)
		return false;
	p->ended = true;
	p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

static void proc_end(struct proc *p)
{
	if(proc_ended(p))
		return;
	kill(-p->pid, SIGTERM);
	for(int i = 0; i < 100 && !proc_ended(p); i++)
		sleep_ms(10);
	if(!proc_ended(p)) {
		kill(-p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		p->ended = true;
	}
}

void proc_forget(struct proc *p)
{
	if(n_procs > 0 && procs[n_procs - 1] == p && proc_ended(p)) {
		unlink(p->out);
		unlink(p->err);
		n_procs--;
	}
}

void proc_end_all(void)
{
	for(int i = n_procs - 1; i >= 0; i--)
		proc_end(procs[i]);
	n_procs = 0;
}

int proc_wait(struct proc *p, int timeout_ms)
{
	long long end = now_ms() + timeout_ms;

	while(!proc_ended(p)) {
		if(now_ms() > end) {
			proc_end(p);
			cr_assert_fail("%s did not end within %d ms; its output: %s, %s",
					p->name, timeout_ms, p->out, p->err);
		}
		sleep_ms(5);
	}
	return p->code;
}

void proc_signal(struct proc *p, int sig)
{
	if(!proc_ended(p))
		kill(p->pid, sig);
}

int proc_pid(const struct proc *p)
{
	return p->pid;
}

const char *proc_stdout(struct proc *p)
{
	return file_text(p->out);
}

const char *proc_stderr(struct proc *p)
{
	return file_text(p->err);
}

int proc_run(const char *name, int timeout_ms, const char *const argv[])
{
	return proc_wait(proc_start(name, argv), timeout_ms);
}

/* The nth complete line that is such an event; NULL when it is not there. */
static json_t *event_at(const char *text, const char *event, int nth)
{
	while(*text) {
		const char *nl = strchr(text, '\n');
		json_t *line;
		const char *name;

		if(nl == NULL)
			break;
		line = json_loadb(text, (size_t)(nl - text), 0, NULL);
		text = nl + 1;
		if(line == NULL)
			continue;
		name = json_string_value(json_object_get(line, "event"));
		if((event == NULL || (name && strcmp(name, event) == 0)) && nth-- == 0)
			return line;
		json_decref(line);
	}
	return NULL;
}

json_t *proc_events(struct proc *p, const char *event)
{
	json_t *all = json_array(), *one;
	char *text = strdup(proc_stdout(p));

	for(int i = 0; (one = event_at(text, event, i)) != NULL; i++)
		json_array_append_new(all, one);
	free(text);
	return all;
}

json_t *proc_event_n(struct proc *p, const char *event, int nth, int timeout_ms)
{
	long long end = now_ms() + timeout_ms;

	for(;;) {
		bool ended = proc_ended(p);
		json_t *e = event_at(proc_stdout(p), event, nth);

		if(e)
			return e;
		if(ended)
			cr_assert_fail(
					"%s ended (%d) without event \"%s\"; its output: %s, %s",
					p->name, p->code, event, p->out, p->err);
		if(now_ms() > end)
			cr_assert_fail(
					"%s: no event \"%s\" within %d ms; its output: %s, %s",
					p->name, event, timeout_ms, p->out, p->err);
		sleep_ms(10);
	}
}

json_t *proc_event(struct proc *p, const char *event, int timeout_ms)
{
	return proc_event_n(p, event, 0, timeout_ms);
}
