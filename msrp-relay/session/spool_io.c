/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file of a kept message. It has no name, so that nothing is left of it
 * whatever happens. Written in order, one batch at a time, and read in blocks,
 * which readers at about the same place share; all of that on libuv's thread
 * pool, so a disk that hangs stops the messages that need it and no loop. It
 * need not survive the process: the sessions do not either.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log/log.h"
#include "session/spool.h"
#include "session/worker.h"

#define BATCH_PIECES 64
#define BATCH_BYTES (1024 * 1024)

/* Blocks that stay in memory when nobody waits for them any more. */
#define BLOCKS_KEPT 4

/* Names of files on systems that cannot make one without. */
#define NAME_PREFIX "message."
#define NAME_XXXXXX NAME_PREFIX "XXXXXX"

struct spool_block
{
	uv_work_t work; /* first member */
	struct spool_block *next;
	struct spool_file *f;
	uint64_t at;
	struct buf *b;
	size_t n; /* bytes of it that the file holds */
	bool reading;
	int err;
	struct spool_reader *readers; /* that wait */
};

struct spool_file
{
	uv_work_t work;   /* first member; writing, and in the end closing */
	struct spool *sp; /* NULL: left */
	struct worker *w;
	const char *dir;
	struct spool_events ev;
	int fd;
	int err; /* it cannot be written any more */
	uint64_t written;
	bool writing;
	bool all;    /* everything is to be written, however little */
	bool frozen; /* nothing more is */
	int n_batch;
	size_t batch_bytes;
	struct iovec batch[BATCH_PIECES];
	struct buf *held[BATCH_PIECES];
	int n_reading;
	int n_calls;                /* of the owner that are running */
	struct spool_block *blocks; /* the newest first */
};

/* Of all files of the process, for the limit. */
static uint64_t total_bytes;

/* ---- on the thread pool ------------------------------------------------ */

static int file_open(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if(fd >= 0)
		return fd;
	if(errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if(snprintf(path, sizeof(path), "%s/" NAME_XXXXXX, dir)
			>= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if(fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int write_all(int fd, struct iovec *v, int n, uint64_t at)
{
	while(n > 0) {
		ssize_t k = pwritev(fd, v, n, (off_t)at);

		if(k < 0 && errno == EINTR)
			continue;
		if(k <= 0)
			return k < 0 ? -errno : -EIO;
		at += (uint64_t)k;
		for(; n > 0 && (size_t)k >= v->iov_len; v++, n--)
			k -= (ssize_t)v->iov_len;
		if(n > 0) {
			v->iov_base = (char *)v->iov_base + k;
			v->iov_len -= (size_t)k;
		}
	}
	return 0;
}

static void do_write(uv_work_t *work)
{
	struct spool_file *f = (struct spool_file *)work;

	if(f->n_batch == 0)
		return;
	if(f->fd < 0)
		f->fd = file_open(f->dir);
	f->err = f->fd < 0 ? f->fd
					   : write_all(f->fd, f->batch, f->n_batch, f->written);
}

static void do_read(uv_work_t *work)
{
	struct spool_block *bl = (struct spool_block *)work;
	size_t got = 0;

	while(got < bl->n) {
		ssize_t k = pread(bl->f->fd, bl->b->data + got, bl->n - got,
				(off_t)(bl->at + got));

		if(k < 0 && errno == EINTR)
			continue;
		if(k <= 0) {
			bl->err = k < 0 ? -errno : -EIO;
			return;
		}
		got += (size_t)k;
	}
}

/* The blocks of a large file are freed here, which takes its time. */
static void do_close(uv_work_t *work)
{
	struct spool_file *f = (struct spool_file *)work;

	if(f->fd >= 0)
		close(f->fd);
}

/* ---- on the worker's loop ---------------------------------------------- */

static void block_free(struct spool_file *f, struct spool_block *bl)
{
	struct spool_block **at = &f->blocks;

	while(*at != bl)
		at = &(*at)->next;
	*at = bl->next;
	spool_lets_go(bl->b);
	buf_unref(&bl->b);
	free(bl);
}

static void on_close_done(uv_work_t *work, int status)
{
	struct spool_file *f = (struct spool_file *)work;

	(void)status;
	free(f);
}

/* The owner has left and nothing is under way. */
static void file_close(struct spool_file *f)
{
	if(f->sp || f->writing || f->n_reading > 0 || f->n_calls > 0)
		return;
	while(f->blocks)
		block_free(f, f->blocks);
	stat_sub(&f->w->stats, spool_bytes, f->written);
	stat_sub(&f->w->stats, spool_files, 1);
	__atomic_sub_fetch(&total_bytes, f->written, __ATOMIC_RELAXED);
	uv_queue_work(&f->w->loop, &f->work, do_close, on_close_done);
}

static void on_written(uv_work_t *work, int status)
{
	struct spool_file *f = (struct spool_file *)work;
	struct net *net = &f->w->net;

	(void)status;
	f->writing = false;
	f->n_calls++;
	for(int i = 0; i < f->n_batch; i++)
		buf_unref(&f->held[i]);
	if(f->err == 0) {
		f->written += f->batch_bytes;
		stat_add(&f->w->stats, spool_bytes, f->batch_bytes);
		stat_add(&f->w->stats, spool_written_bytes_total, f->batch_bytes);
	} else {
		__atomic_sub_fetch(&total_bytes, f->batch_bytes, __ATOMIC_RELAXED);
		stat_add(&f->w->stats, spool_errors_total, 1);
		log_limited(LOG_L_ERROR, "spool: %s: %s", f->dir, strerror(-f->err));
	}
	if(f->sp) {
		spool_shed(f->sp);
		spool_file_write(f->sp);
		f->ev.written(f->ev.arg, f->err);
	}
	f->n_calls--;
	file_close(f);
	net_flush(net);
}

void spool_file_open(struct spool *sp, struct worker *w, const char *dir,
		const struct spool_events *ev)
{
	struct spool_file *f = xcalloc(sizeof(*f));

	f->sp = sp;
	f->w = w;
	f->dir = dir;
	f->ev = *ev;
	f->fd = -1;
	sp->file = f;
	stat_add(&w->stats, spool_files, 1);
}

/* Each worker has its share of the limit. */
static bool memory_is_full(const struct worker *w)
{
	return w->stats.spool_memory_bytes
			>= w->conf->spool_max_memory / (uint64_t)w->conf->workers;
}

size_t spool_memory_now(const struct worker *w)
{
	return memory_is_full(w) ? SPOOL_LITTLE : (size_t)w->conf->spool_memory;
}

uint64_t spool_file_written(const struct spool *sp)
{
	return sp->file ? sp->file->written : 0;
}

uint64_t spool_file_behind(const struct spool *sp)
{
	return sp->end - spool_file_written(sp);
}

/* The limit of the whole process is checked before bytes are written. */
static bool reserve(struct spool_file *f, size_t n)
{
	uint64_t max = f->w->conf->spool_max_bytes;

	if(__atomic_add_fetch(&total_bytes, n, __ATOMIC_RELAXED) <= max)
		return true;
	__atomic_sub_fetch(&total_bytes, n, __ATOMIC_RELAXED);
	return false;
}

void spool_file_write(struct spool *sp)
{
	struct spool_file *f = sp->file;
	struct spool_reader me = {0};
	struct spool_view v;
	uint64_t at;

	if(f == NULL || f->writing || f->frozen || f->err != 0
			|| sp->end == f->written
			|| (!f->all && spool_file_behind(sp) < sp->memory / 4
					&& spool_weight(sp) < sp->memory + sp->memory / 4))
		return;
	f->n_batch = 0;
	f->batch_bytes = 0;
	for(at = f->written; f->n_batch < BATCH_PIECES
			&& f->batch_bytes < BATCH_BYTES && spool_view(sp, &me, at, &v);
			at += v.n) {
		f->batch[f->n_batch] = (struct iovec){(void *)v.p, v.n};
		f->held[f->n_batch++] = buf_ref(v.b);
		f->batch_bytes += v.n;
	}
	f->writing = true;
	if(!reserve(f, f->batch_bytes)) {
		/* Told as any other error, by on_written. */
		f->err = -EDQUOT;
		while(f->n_batch > 0)
			buf_unref(&f->held[--f->n_batch]);
		f->batch_bytes = 0;
	}
	uv_queue_work(&f->w->loop, &f->work, do_write, on_written);
}

int spool_file_freeze(
		struct spool *sp, size_t memory, int *fd, uint64_t *fd_bytes)
{
	struct spool_file *f = sp->file;

	if(f && !f->frozen && !f->writing && spool_file_behind(sp) > memory) {
		f->all = true;
		spool_file_write(sp);
	}
	if(f && f->writing)
		return 1;
	if(spool_file_behind(sp) > memory)
		return f && f->err ? f->err : -ENOSPC;
	if(f)
		f->frozen = true;
	*fd = f && f->written > 0 ? f->fd : -1;
	*fd_bytes = f ? f->written : 0;
	return 0;
}

static bool block_has(const struct spool_block *bl, uint64_t at)
{
	return at >= bl->at && at - bl->at < bl->n;
}

/* Give the block to a reader who has room for it. */
static void attach(struct spool_block *bl, struct spool_reader *r)
{
	for(int i = 0; i < SPOOL_AHEAD; i++) {
		struct spool_ahead *a = &r->ahead[i];

		if(a->b)
			continue;
		*a = (struct spool_ahead){buf_ref(bl->b), bl->at};
		return;
	}
}

/* Memory for blocks is limited: those that nobody has any more go, the oldest
 * first. As long as somebody has one, others get the same and not a copy. */
static void blocks_trim(struct spool_file *f)
{
	struct spool_block *bl, *next;
	int kept = 0, most = memory_is_full(f->w) ? 0 : BLOCKS_KEPT;

	for(bl = f->blocks; bl; bl = next) {
		next = bl->next;
		if(!bl->reading && bl->b->refs == 1 && ++kept > most)
			block_free(f, bl);
	}
}

static void on_read(uv_work_t *work, int status)
{
	struct spool_block *bl = (struct spool_block *)work;
	struct spool_file *f = bl->f;
	struct net *net = &f->w->net;
	struct spool_reader *r;

	(void)status;
	bl->reading = false;
	f->n_reading--;
	f->n_calls++;
	if(bl->err == 0) {
		bl->b->used = (uint32_t)bl->n;
		stat_add(&f->w->stats, spool_reads_total, 1);
		stat_add(&f->w->stats, spool_read_bytes_total, bl->n);
	} else {
		stat_add(&f->w->stats, spool_errors_total, 1);
		log_limited(LOG_L_ERROR, "spool: %s: reading: %s", f->dir,
				strerror(-bl->err));
	}
	while((r = bl->readers) != NULL) {
		bl->readers = r->next;
		r->next = NULL;
		r->waits = NULL;
		if(bl->err == 0)
			attach(bl, r);
		f->ev.ready(r, bl->err);
	}
	if(bl->err != 0)
		block_free(f, bl);
	blocks_trim(f);
	f->n_calls--;
	file_close(f);
	net_flush(net);
}

static struct spool_block *block_new(struct spool_file *f, uint64_t at)
{
	struct spool_block *bl = xcalloc(sizeof(*bl));

	bl->f = f;
	bl->at = at - at % SPOOL_BLOCK;
	bl->n = SPOOL_BLOCK;
	if(bl->at + bl->n > f->written)
		bl->n = (size_t)(f->written - bl->at);
	bl->b = buf_new(&f->w->net.pool, SPOOL_BLOCK);
	bl->b->shared = true;
	spool_holds(bl->b);
	bl->reading = true;
	bl->next = f->blocks;
	f->blocks = bl;
	f->n_reading++;
	uv_queue_work(&f->w->loop, &bl->work, do_read, on_read);
	return bl;
}

bool spool_file_read(struct spool *sp, struct spool_reader *r, uint64_t at)
{
	struct spool_file *f = sp->file;
	struct spool_block *bl = f->blocks;

	while(bl && !block_has(bl, at))
		bl = bl->next;
	if(bl && !bl->reading) {
		attach(bl, r);
		return true;
	}
	if(bl == NULL)
		bl = block_new(f, at);
	r->waits = bl;
	r->next = bl->readers;
	bl->readers = r;
	return false;
}

void spool_file_trim(struct spool *sp)
{
	if(sp->file)
		blocks_trim(sp->file);
}

void spool_file_forget(struct spool_reader *r)
{
	struct spool_reader **at = &r->waits->readers;

	while(*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->next = NULL;
	r->waits = NULL;
}

void spool_file_leave(struct spool *sp)
{
	struct spool_file *f = sp->file;

	sp->file = NULL;
	f->sp = NULL;
	file_close(f);
}

/* Files have names only where they cannot do without, and for a moment. */
int spool_dir_prepare(const char *dir)
{
	struct dirent *e;
	DIR *d;
	int fd, rc;

	if(mkdir(dir, 0700) < 0 && errno != EEXIST) {
		rc = -errno;
		log_error("spool_dir %s: %s", dir, strerror(-rc));
		return rc;
	}
	d = opendir(dir);
	while(d && (e = readdir(d)) != NULL)
		if(strncmp(e->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0
				&& strlen(e->d_name) == strlen(NAME_XXXXXX)
				&& unlinkat(dirfd(d), e->d_name, 0) == 0)
			log_notice("%s/%s: left by a daemon that was killed; removed", dir,
					e->d_name);
	if(d)
		closedir(d);
	fd = file_open(dir);
	if(fd < 0) {
		log_error("spool_dir %s: no file can be made there: %s", dir,
				strerror(-fd));
		return fd;
	}
	close(fd);
	return 0;
}
