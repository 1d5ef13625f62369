/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions of libc that the shim stands in for: those that change files
 * or their names, and those that make changes durable.
 */
#undef _FORTIFY_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- opening ----------------------------------------------------------- */

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
	bool tmp = (flags & O_TMPFILE) == O_TMPFILE;
	const char *name;
	struct stat st;
	uint64_t dir = 0, node = 0;
	int fd, err = errno;

	shim_lock();
	if(tmp) {
		if(fstatat(dirfd, path, &st, 0) == 0)
			dir = shim_node(&st);
	} else {
		dir = shim_parent(dirfd, path, &name);
	}
	if(dir && !tmp && fstatat(dirfd, path, &st, 0) == 0)
		node = shim_node(&st);
	errno = err;
	if(dir && (flags & (O_ACCMODE | O_CREAT)) != O_RDONLY
			&& shim_fault("open", false) == SHIM_FAILS) {
		shim_unlock();
		return -1;
	}
	fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if(fd >= 0 && dir && node == 0 && (tmp || (flags & O_CREAT))) {
		if(fstat(fd, &st) == 0)
			node = shim_born(&st);
		if(!tmp)
			shim_write(T_NAME, node, dir, 0, name, strlen(name));
	} else if(fd >= 0 && node && (flags & O_TRUNC)) {
		shim_write(T_TRUNCATE, node, 0, 0, NULL, 0);
	}
	shim_unlock();
	return fd;
}

#define WITH_MODE(mode, flags)                                                 \
	mode_t mode = 0;                                                           \
	if((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                     \
		va_list ap;                                                            \
		va_start(ap, flags);                                                   \
		mode = va_arg(ap, mode_t);                                             \
		va_end(ap);                                                            \
	}

int open(const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return do_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return do_open(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return do_open(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
	WITH_MODE(mode, flags)
	return do_open(dirfd, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0);
}

int __openat_2(int dirfd, const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags)
{
	return do_open(dirfd, path, flags, 0);
}

/* ---- bytes ------------------------------------------------------------- */

/* at < 0: where the file stands. */
static ssize_t do_write(int fd, const void *p, size_t n, off_t at)
{
	uint64_t node;
	ssize_t k = -1;

	shim_lock();
	node = shim_node_fd(fd);
	if(node) {
		switch(shim_fault("write", true)) {
			case SHIM_FAILS:
				shim_unlock();
				return -1;
			case SHIM_SHORT:
				n = (n + 1) / 2;
				break;
			case SHIM_GOES:
				break;
		}
		if(at < 0 && (fcntl(fd, F_GETFL) & O_APPEND)) {
			struct stat st;

			if(fstat(fd, &st) == 0)
				lseek(fd, st.st_size, SEEK_SET);
		}
		off_t from = at < 0 ? lseek(fd, 0, SEEK_CUR) : at;

		k = at < 0 ? syscall(SYS_write, fd, p, n)
				   : syscall(SYS_pwrite64, fd, p, n, at);
		if(k > 0)
			shim_write(T_WRITE, node, 0, (uint64_t)from, p, (size_t)k);
		shim_unlock();
		return k;
	}
	shim_unlock();
	return at < 0 ? syscall(SYS_write, fd, p, n)
				  : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	return do_write(fd, p, n, -1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return do_write(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return do_write(fd, p, n, at);
}

/* One part is as good as all of them to a caller that handles short writes. */
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	for(int i = 0; i < n; i++)
		if(v[i].iov_len > 0)
			return do_write(fd, v[i].iov_base, v[i].iov_len, at);
	return 0;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	return pwritev(fd, v, n, at);
}

int ftruncate(int fd, off_t size)
{
	uint64_t node;
	int rc = -1;

	shim_lock();
	node = shim_node_fd(fd);
	if(node == 0 || shim_fault("ftruncate", false) != SHIM_FAILS) {
		rc = (int)syscall(SYS_ftruncate, fd, size);
		if(rc == 0 && node)
			shim_write(T_TRUNCATE, node, 0, (uint64_t)size, NULL, 0);
	}
	shim_unlock();
	return rc;
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

/* ---- durable ----------------------------------------------------------- */

static int do_sync(int fd, const char *what)
{
	uint64_t node;
	int rc = 0;

	shim_lock();
	node = shim_node_fd(fd);
	if(node && shim_fault(what, false) == SHIM_FAILS) {
		shim_write(T_SYNC_FAILED, node, 0, 0, NULL, 0);
		rc = -1;
	} else if(node) {
		/* what is durable is for the model to say: the disk is not asked */
		shim_write(T_SYNC, node, 0, 0, NULL, 0);
	}
	shim_unlock();
	return node ? rc : (int)syscall(SYS_fsync, fd);
}

int fsync(int fd)
{
	return do_sync(fd, "fsync");
}

int fdatasync(int fd)
{
	return do_sync(fd, "fdatasync");
}

/* ---- names ------------------------------------------------------------- */

static int do_rename(int d1, const char *from, int d2, const char *to)
{
	const char *n1, *n2;
	struct stat st;
	uint64_t a, b, node = 0;
	int rc = -1;

	shim_lock();
	a = shim_parent(d1, from, &n1);
	b = shim_parent(d2, to, &n2);
	if(a && fstatat(d1, from, &st, AT_SYMLINK_NOFOLLOW) == 0)
		node = shim_node(&st);
	if(!a || !b || shim_fault("rename", false) != SHIM_FAILS) {
		rc = (int)syscall(SYS_renameat2, d1, from, d2, to, 0);
		if(rc == 0 && node && b)
			shim_write_rename(node, a, b, n1, n2);
	}
	shim_unlock();
	return rc;
}

int rename(const char *from, const char *to)
{
	return do_rename(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int d1, const char *from, int d2, const char *to)
{
	return do_rename(d1, from, d2, to);
}

static int do_link(int d1, const char *from, int d2, const char *to, int flags)
{
	const char *name;
	struct stat st;
	uint64_t dir, node = 0;
	int rc = -1;

	shim_lock();
	dir = shim_parent(d2, to, &name);
	if(dir
			&& fstatat(d1, from, &st,
					   flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW)
					== 0)
		node = shim_node(&st);
	if(!dir || shim_fault("link", false) != SHIM_FAILS) {
		rc = (int)syscall(SYS_linkat, d1, from, d2, to, flags);
		if(rc == 0 && node)
			shim_write(T_NAME, node, dir, 0, name, strlen(name));
	}
	shim_unlock();
	return rc;
}

int link(const char *from, const char *to)
{
	return do_link(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int d1, const char *from, int d2, const char *to, int flags)
{
	return do_link(d1, from, d2, to, flags);
}

static int do_unlink(int dirfd, const char *path, int flags)
{
	const char *name;
	struct stat st;
	uint64_t dir, node = 0;
	int rc = -1;

	shim_lock();
	dir = shim_parent(dirfd, path, &name);
	if(dir && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		node = shim_node(&st);
	if(!node || shim_fault("unlink", false) != SHIM_FAILS) {
		rc = (int)syscall(SYS_unlinkat, dirfd, path, flags);
		if(rc == 0 && node)
			shim_write(T_UNNAME, node, dir, 0, name, strlen(name));
	}
	shim_unlock();
	return rc;
}

int unlink(const char *path)
{
	return do_unlink(AT_FDCWD, path, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	return do_unlink(dirfd, path, flags);
}

static int do_mkdir(int dirfd, const char *path, mode_t mode)
{
	const char *name;
	struct stat st;
	uint64_t dir;
	int rc = -1;

	shim_lock();
	dir = shim_parent(dirfd, path, &name);
	if(!dir || shim_fault("mkdir", false) != SHIM_FAILS) {
		rc = (int)syscall(SYS_mkdirat, dirfd, path, mode);
		if(rc == 0 && dir && fstatat(dirfd, path, &st, 0) == 0)
			shim_write(T_NAME, shim_born(&st), dir, 0, name, strlen(name));
	}
	shim_unlock();
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	return do_mkdir(AT_FDCWD, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return do_mkdir(dirfd, path, mode);
}
