/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bodies as files of their own, dir/bodies/REF. A name there means that all
 * bytes are synced: a file is written or taken over under no name, synced,
 * named, and the folder is synced before the row is committed. The file goes
 * after its row. What a crash leaves between is a file without a row, which
 * store_sweep.c removes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log/log.h"
#include "store/store_priv.h"

#define COPY_BYTES (256 * 1024)
#define FREE_MS 1000 /* so long free space is believed */
#define TMP ".tmp"

void store_ref_make(char ref[STORE_REF_LEN + 1], int64_t now)
{
	unsigned char rnd[10];

	if(getrandom(rnd, sizeof(rnd), 0) != sizeof(rnd))
		abort();
	snprintf(ref, STORE_REF_LEN + 1,
			"d-%012" PRIx64 "%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x",
			(uint64_t)now & UINT64_C(0xffffffffffff), rnd[0], rnd[1], rnd[2],
			rnd[3], rnd[4], rnd[5], rnd[6], rnd[7], rnd[8], rnd[9]);
}

/* ---- the folder -------------------------------------------------------- */

int store_dir_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if(fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Made with everything above it that is missing but one level. */
static int make_dir(const char *path)
{
	char up[4096];
	char *slash;

	if(mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	snprintf(up, sizeof(up), "%s", path);
	slash = strrchr(up, '/');
	if(slash == NULL || slash == up)
		return 0;
	*slash = '\0';
	return store_dir_sync(up);
}

/* Two daemons must not share a database of one node. */
static int lock_dir(struct store *s, const char *path)
{
	int rc;

	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if(s->lock_fd < 0)
		return -errno;
	if(flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(s->lock_fd);
	s->lock_fd = -1;
	return rc;
}

/* The clean-up removes bodies that no row names. With a database that is made
 * anew these would be all of them: then somebody has lost store.db. */
static int check_database(struct store *s)
{
	struct dirent *e = NULL;
	char path[4096];
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "%s/store.db", s->conf->dir);
	if(access(path, F_OK) == 0 || errno != ENOENT)
		return 0;
	fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if(d == NULL)
		return -errno;
	do
		e = readdir(d);
	while(e && e->d_name[0] == '.');
	closedir(d);
	if(e == NULL)
		return 0;
	log_error("store_dir %s: there are bodies, but no store.db: restore it, "
			  "or move bodies/ away to begin with an empty store",
			s->conf->dir);
	return -ENOTEMPTY;
}

int store_dir_open(struct store *s)
{
	const char *dir = s->conf->dir;
	char path[4096];
	int rc;

	if(strlen(dir) > sizeof(path) - 64)
		return -ENAMETOOLONG;
	rc = make_dir(dir);
	snprintf(path, sizeof(path), "%s/lock", dir);
	if(rc == 0)
		rc = lock_dir(s, path);
	snprintf(path, sizeof(path), "%s/bodies", dir);
	if(rc == 0)
		rc = make_dir(path);
	if(rc == 0) {
		s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = s->dir_fd < 0 ? -errno : store_dir_sync(dir);
	}
	if(rc == 0)
		rc = check_database(s);
	if(rc == -EBUSY)
		log_error("store_dir %s: another msrp-relay uses it", dir);
	else if(rc < 0 && rc != -ENOTEMPTY)
		log_error("store_dir %s: %s", dir, strerror(-rc));
	return rc;
}

void store_dir_close(struct store *s)
{
	if(s->dir_fd >= 0)
		close(s->dir_fd);
	if(s->lock_fd >= 0)
		close(s->lock_fd);
	s->dir_fd = s->lock_fd = -1;
}

int store_space_check(struct store *s, uint64_t size, bool written)
{
	const struct store_conf *c = s->conf;
	struct statvfs v;

	if(c->max_bytes > 0 && s->bytes + size > c->max_bytes)
		return -ENOSPC;
	if(s->db.driver->shared || c->min_free == 0)
		return 0;
	if(store_mono() - s->free_at > FREE_MS || s->free_at == 0) {
		if(fstatvfs(s->dir_fd, &v) < 0)
			return -EIO;
		s->free_at = store_mono();
		s->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	}
	if(written)
		size = 0;
	if(s->free_bytes < c->min_free || s->free_bytes - c->min_free < size)
		return -ENOSPC;
	s->free_bytes -= size;
	return 0;
}

/* ---- files ------------------------------------------------------------- */

int store_pread(int fd, void *to, size_t n, uint64_t offset)
{
	size_t got = 0;

	while(got < n) {
		ssize_t k = pread(fd, (char *)to + got, n - got, (off_t)(offset + got));

		if(k < 0 && errno == EINTR)
			continue;
		if(k <= 0)
			return k < 0 ? -errno : -EIO;
		got += (size_t)k;
	}
	return 0;
}

static int write_all(int fd, const char *p, size_t n, uint64_t at)
{
	while(n > 0) {
		ssize_t k = pwrite(fd, p, n, (off_t)at);

		if(k < 0 && errno == EINTR)
			continue;
		if(k <= 0)
			return k < 0 ? -errno : -EIO;
		p += k;
		n -= (size_t)k;
		at += (uint64_t)k;
	}
	return 0;
}

static int write_tail(struct store_job *j, int fd)
{
	const struct iovec *tail = j->put.body.parts;

	return write_all(fd, tail->iov_base, tail->iov_len, j->put.body.fd_bytes);
}

/* The file of the spool becomes the body: it gets its rest and a name. */
static int adopt(struct store *s, struct store_job *j)
{
	char self[64];
	struct stat st;
	int rc;

	if(fstat(j->fd, &st) < 0 || (uint64_t)st.st_size > j->size
			|| st.st_nlink > 0 || st.st_uid != geteuid())
		return -EXDEV;
	rc = write_tail(j, j->fd);
	store_point("body.after_write");
	if(rc == 0 && fsync(j->fd) < 0)
		rc = -errno;
	if(rc < 0)
		return rc;
	store_point("body.after_sync");
	snprintf(self, sizeof(self), "/proc/self/fd/%d", j->fd);
	if(linkat(AT_FDCWD, self, s->dir_fd, j->new_ref, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	rc = -errno;
	/* Another file system or mount, or a file that had a name once. */
	return rc == -EPERM || rc == -ENOENT || rc == -EMLINK || rc == -EACCES
			? -EXDEV
			: rc;
}

static int copy_bytes(struct store_job *j, int fd)
{
	uint64_t at = 0, end = j->put.body.fd_bytes;
	char *block;
	int rc = 0;

	if(end == 0)
		return 0;
	block = malloc(COPY_BYTES);
	if(block == NULL)
		return -ENOMEM;
	while(rc == 0 && at < end) {
		size_t n = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;

		rc = store_pread(j->fd, block, n, at);
		if(rc == 0)
			rc = write_all(fd, block, n, at);
		at += n;
	}
	free(block);
	return rc;
}

static int copy(struct store *s, struct store_job *j)
{
	char tmp[STORE_REF_LEN + sizeof(TMP)];
	int fd, rc;

	snprintf(tmp, sizeof(tmp), "%s" TMP, j->new_ref);
	fd = openat(s->dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if(fd < 0)
		return -errno;
	rc = copy_bytes(j, fd);
	if(rc == 0)
		rc = write_tail(j, fd);
	store_point("body.after_write");
	if(rc == 0 && fsync(fd) < 0)
		rc = -errno;
	store_point("body.after_sync");
	if(close(fd) < 0 && rc == 0)
		rc = -errno;
	if(rc == 0 && renameat(s->dir_fd, tmp, s->dir_fd, j->new_ref) < 0)
		rc = -errno;
	if(rc < 0)
		unlinkat(s->dir_fd, tmp, 0);
	return rc;
}

/* A small body of a file goes into the row. */
static int into_memory(struct store_job *j)
{
	struct iovec *part = (struct iovec *)j->put.body.parts;
	size_t n = (size_t)j->put.body.fd_bytes;
	char *all = store_job_alloc(j, (size_t)j->size + 1);
	int rc = store_pread(j->fd, all, n, 0);

	if(part->iov_len > 0)
		memcpy(all + n, part->iov_base, part->iov_len);
	part->iov_base = all;
	part->iov_len = (size_t)j->size;
	j->put.body.fd_bytes = 0;
	return rc;
}

int store_body_prepare(struct store *s, struct store_job *j)
{
	int rc;

	if(j->size <= s->conf->inline_bytes)
		return into_memory(j);
	if(s->db.driver->shared)
		return 0; /* read by the job itself, chunk by chunk */
	store_point("body.before_write");
	rc = j->fd >= 0 ? adopt(s, j) : -EXDEV;
	if(rc == -EXDEV)
		rc = copy(s, j);
	store_point("body.after_name");
	if(rc == 0)
		j->place = STORE_IN_FILE;
	return rc;
}

void store_body_unlink(struct store *s, const char *ref)
{
	if(unlinkat(s->dir_fd, ref, 0) < 0 && errno != ENOENT)
		log_limited(LOG_L_ERROR, "store: body %s cannot be removed: %s", ref,
				strerror(errno));
}

int store_body_fd(struct store *s, const char *ref)
{
	int fd = openat(s->dir_fd, ref, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int store_body_sync(struct store *s)
{
	if(!s->names)
		return 0;
	store_point("batch.before_dirsync");
	if(fsync(s->dir_fd) < 0)
		return -errno;
	s->names = false;
	return 0;
}
