/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shim's book: which inode is which node, the trace, and the operation
 * that has to fail. System calls are made directly, since the functions of
 * libc are the shim's own.
 */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NODES 65536

static struct
{
	dev_t dev;
	ino_t ino;
	uint64_t node;
} * known;
static size_t n_known;
static uint64_t last_node;
static int trace_fd = -1;
static long fail_at, fail_times = 1, n_ops;
static int fail_errno;
static bool fail_short, short_now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void broken(const char *what)
{
	fprintf(stderr, "shim: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static uint64_t learn(const struct stat *st)
{
	size_t i;

	for(i = 0; i < n_known; i++)
		if(known[i].ino == st->st_ino && known[i].dev == st->st_dev)
			break;
	if(i == NODES)
		broken("too many files");
	if(i == n_known)
		n_known++;
	known[i].dev = st->st_dev;
	known[i].ino = st->st_ino;
	known[i].node = ++last_node;
	return last_node;
}

/* What is there already: told with its names; its bytes are in the copy that
 * the driver has made. */
static void walk(const char *path, uint64_t dir)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char sub[4096];
	struct stat st;

	if(d == NULL)
		return;
	while((e = readdir(d)) != NULL) {
		if(strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if(lstat(sub, &st) < 0)
			continue;
		uint64_t node = shim_born(&st);

		shim_write(T_NAME, node, dir, 0, e->d_name, strlen(e->d_name));
		if(S_ISDIR(st.st_mode))
			walk(sub, node);
	}
	closedir(d);
}

static void read_fault(const char *text)
{
	char kind[16] = "";

	if(sscanf(text, "%ld:%15[A-Z]:%ld", &fail_at, kind, &fail_times) < 2)
		broken("SHIM_FAIL");
	fail_short = strcmp(kind, "SHORT") == 0;
	fail_errno = strcmp(kind, "EIO") == 0 ? EIO : ENOSPC;
}

static void start(void)
{
	const char *root = getenv("SHIM_ROOT"), *trace = getenv("SHIM_TRACE"),
			   *fail = getenv("SHIM_FAIL");
	struct stat st;

	if(root == NULL || stat(root, &st) < 0)
		return;
	known = calloc(NODES, sizeof(*known));
	if(known == NULL)
		broken("memory");
	if(trace) {
		trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if(trace_fd < 0)
			broken(trace);
	}
	learn(&st);
	walk(root, TRACE_ROOT);
	shim_write(T_MARK, 0, 0, 0, "begin", 5);
	if(fail)
		read_fault(fail);
}

void shim_lock(void)
{
	int err = errno;

	pthread_once(&once, start);
	pthread_mutex_lock(&lock);
	errno = err;
}

void shim_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

uint64_t shim_node(const struct stat *st)
{
	for(size_t i = 0; i < n_known; i++)
		if(known[i].ino == st->st_ino && known[i].dev == st->st_dev)
			return known[i].node;
	return 0;
}

uint64_t shim_node_fd(int fd)
{
	struct stat st;
	int err = errno;
	uint64_t node = fstat(fd, &st) == 0 ? shim_node(&st) : 0;

	errno = err;
	return node;
}

uint64_t shim_parent(int dirfd, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char parent[4096] = ".";
	struct stat st;
	int err = errno;
	uint64_t node = 0;

	*name = slash ? slash + 1 : path;
	if(n_known == 0)
		return 0;
	if(slash)
		snprintf(parent, sizeof(parent), "%.*s",
				slash == path ? 1 : (int)(slash - path), path);
	if(fstatat(dirfd, parent, &st, 0) == 0)
		node = shim_node(&st);
	errno = err;
	return node;
}

uint64_t shim_born(const struct stat *st)
{
	uint64_t node = learn(st);

	shim_write(S_ISDIR(st->st_mode) ? T_DIR : T_FILE, node, 0, 0, NULL, 0);
	return node;
}

static void put(const struct trace_rec *rec, const struct iovec *data, int n)
{
	struct iovec v[4] = {{(void *)(uintptr_t)rec, sizeof(*rec)}};
	size_t all = sizeof(*rec) + rec->len;
	int err = errno;

	if(trace_fd < 0)
		return;
	for(int i = 0; i < n; i++)
		v[i + 1] = data[i];
	if(syscall(SYS_writev, trace_fd, v, n + 1) != (ssize_t)all)
		broken("trace");
	errno = err;
}

void shim_write(enum trace_op op, uint64_t node, uint64_t dir, uint64_t at,
		const void *data, size_t len)
{
	struct trace_rec rec = {
			.op = op, .len = (uint32_t)len, .node = node, .dir = dir, .at = at};
	struct iovec v = {(void *)(uintptr_t)data, len};

	put(&rec, &v, len > 0 ? 1 : 0);
}

void shim_write_rename(uint64_t node, uint64_t dir, uint64_t dir2,
		const char *from, const char *to)
{
	struct trace_rec rec = {.op = T_RENAME,
			.len = (uint32_t)(strlen(from) + 1 + strlen(to)),
			.node = node,
			.dir = dir,
			.dir2 = dir2};
	struct iovec v[2] = {{(void *)(uintptr_t)from, strlen(from) + 1},
			{(void *)(uintptr_t)to, strlen(to)}};

	put(&rec, v, 2);
}

enum shim_fault shim_fault(const char *what, bool is_write)
{
	long end = fail_times > 0 ? fail_at + fail_times : __LONG_MAX__;

	n_ops++;
	if(!short_now && (fail_at == 0 || n_ops < fail_at || n_ops >= end))
		return SHIM_GOES;
	shim_write(T_FAULT, 0, 0, (uint64_t)n_ops, what, strlen(what));
	if(fail_short && is_write && !short_now) {
		short_now = true;
		return SHIM_SHORT;
	}
	short_now = false;
	errno = fail_errno;
	return SHIM_FAILS;
}

__attribute__((visibility("default"))) shim_mark_fn shim_mark;
void shim_mark(const char *text)
{
	shim_lock();
	shim_write(T_MARK, 0, 0, 0, text, strlen(text));
	shim_unlock();
}
