/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes, directories and traces of the store tests, see child.h.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

static void die(const char *what)
{
	fprintf(stderr, "crash-store: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- directories ------------------------------------------------------- */

static int remove_one(
		const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void dir_remove(const char *path)
{
	if(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		die(path);
}

static const char *copy_from, *copy_to;

static int copy_one(
		const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[4096], block[65536];
	ssize_t n;
	int in, out;

	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", copy_to, path + strlen(copy_from));
	if(type == FTW_D)
		return mkdir(to, st->st_mode & 07777);
	in = open(path, O_RDONLY);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if(in < 0 || out < 0)
		die(to);
	while((n = read(in, block, sizeof(block))) > 0)
		if(write(out, block, (size_t)n) != n)
			die(to);
	close(in);
	close(out);
	return 0;
}

void dir_copy(const char *from, const char *to)
{
	dir_remove(to);
	copy_from = from;
	copy_to = to;
	if(nftw(from, copy_one, 16, FTW_PHYS) != 0)
		die(from);
}

void scene_begin(struct scene *s, const char *argv0)
{
	static char self[4096], shim[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)argv0;
	if(n < 0)
		die("/proc/self/exe");
	self[n] = '\0';
	snprintf(shim, sizeof(shim), "%.*s/crash-shim.so",
			(int)(strrchr(self, '/') - self), self);
	s->self = self;
	s->shim = shim;
	snprintf(s->dir, sizeof(s->dir), "%s/cpm-crash-XXXXXX",
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if(mkdtemp(s->dir) == NULL)
		die(s->dir);
	snprintf(s->live, sizeof(s->live), "%s/live", s->dir);
	snprintf(s->base, sizeof(s->base), "%s/base", s->dir);
	snprintf(s->next, sizeof(s->next), "%s/next", s->dir);
	snprintf(s->cut, sizeof(s->cut), "%s/cut", s->dir);
	snprintf(s->trace, sizeof(s->trace), "%s/trace", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
}

void scene_end(struct scene *s)
{
	dir_remove(s->dir);
}

/* ---- processes --------------------------------------------------------- */

static void log_to(struct scene *s, int fd)
{
	int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	if(log >= 0)
		dup2(log, fd);
}

static int wait_for(pid_t pid)
{
	int status;

	while(waitpid(pid, &status, 0) < 0)
		if(errno != EINTR)
			die("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_run(struct scene *s, const char *name, uint64_t seed, int ops,
		const char *fail)
{
	char seed_text[32], ops_text[16], dir[400];
	pid_t pid;

	unlink(s->log);
	snprintf(dir, sizeof(dir), "%s/store", s->live);
	snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
	snprintf(ops_text, sizeof(ops_text), "%d", ops);
	pid = fork();
	if(pid < 0)
		die("fork");
	if(pid == 0) {
		setenv("SHIM_ROOT", s->live, 1);
		setenv("SHIM_TRACE", s->trace, 1);
		if(fail)
			setenv("SHIM_FAIL", fail, 1);
		setenv("LD_PRELOAD", s->shim, 1);
		log_to(s, 1);
		log_to(s, 2);
		execl(s->self, s->self, "run", dir, name, seed_text, ops_text,
				(char *)NULL);
		_exit(97);
	}
	return wait_for(pid);
}

/* The driver has no threads, so that a fork can do everything. */
char *child_list(struct scene *s, const char *dir)
{
	int fd = memfd_create("list", 0);
	char store[400], *text;
	struct stat st;
	pid_t pid;
	FILE *f;

	if(fd < 0)
		die("memfd_create");
	unlink(s->log);
	snprintf(store, sizeof(store), "%s/store", dir);
	pid = fork();
	if(pid < 0)
		die("fork");
	if(pid == 0) {
		log_to(s, 1);
		log_to(s, 2);
		f = fdopen(fd, "w");
		_exit(f ? work_list(store, f) : 1);
	}
	if(wait_for(pid) != 0 || fstat(fd, &st) < 0) {
		close(fd);
		return NULL;
	}
	text = calloc(1, (size_t)st.st_size + 1);
	if(text == NULL || pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
		die("list");
	close(fd);
	return text;
}

/* ---- traces ------------------------------------------------------------ */

const char *trace_data(const struct trace_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool begins(const struct trace_rec *r)
{
	return r->op == T_MARK && r->len == 5
			&& memcmp(trace_data(r), "begin", 5) == 0;
}

/* Records are copied: each aligned, its data ended by a NUL. */
void trace_read(struct scene *s, struct trace *t)
{
	int fd = open(s->trace, O_RDONLY);
	size_t at = 0, to = 0, cap = 1024;
	struct stat st;
	char *raw;

	memset(t, 0, sizeof(*t));
	if(fd < 0 || fstat(fd, &st) < 0)
		die(s->trace);
	raw = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if(raw == MAP_FAILED)
		die(s->trace);
	t->rec = malloc(cap * sizeof(*t->rec));
	for(size_t i = 0; i + sizeof(struct trace_rec) <= (size_t)st.st_size;) {
		struct trace_rec rec;

		memcpy(&rec, raw + i, sizeof(rec));
		i += sizeof(rec) + rec.len;
		to += (sizeof(rec) + rec.len + 16) & ~(size_t)15;
	}
	t->bytes = calloc(1, to + 16);
	if(t->rec == NULL || t->bytes == NULL)
		die("memory");
	for(to = 0; at + sizeof(struct trace_rec) <= (size_t)st.st_size;) {
		struct trace_rec *rec = (struct trace_rec *)(void *)(t->bytes + to);

		memcpy(rec, raw + at, sizeof(*rec));
		memcpy(rec + 1, raw + at + sizeof(*rec), rec->len);
		at += sizeof(*rec) + rec->len;
		to += (sizeof(*rec) + rec->len + 16) & ~(size_t)15;
		if(t->n == cap) {
			cap *= 2;
			t->rec = realloc(t->rec, cap * sizeof(*t->rec));
			if(t->rec == NULL)
				die("memory");
		}
		t->rec[t->n++] = rec;
		if(rec->op == T_FAULT)
			t->faults++;
		if(begins(rec))
			t->begin = t->n;
	}
	munmap(raw, (size_t)st.st_size);
	close(fd);
}

void trace_free(struct trace *t)
{
	free(t->bytes);
	free(t->rec);
}
