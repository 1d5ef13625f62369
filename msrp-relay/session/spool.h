/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The content of one message between its sender and its legs: pieces of read
 * buffers in the order of arrival, shared by all legs. Usually a piece goes
 * when the last leg has sent it. A spool that keeps holds everything until it
 * is freed: in memory up to a limit, beyond it in a file of which the latest
 * part stays in memory too. One worker thread; the file is written and read on
 * libuv's thread pool (spool_io.c).
 */
#ifndef SESSION_SPOOL_H
#define SESSION_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/buf.h"

struct net;
struct worker;
struct spool_file;

/* What a piece costs in memory besides its bytes. */
#define SPOOL_PIECE_COST 128

/* Pieces that need no memory of their own; a power of two. */
#define SPOOL_FEW 1

/* What is read from a file at once; aligned, so that legs share it. */
#define SPOOL_BLOCK (64 * 1024)

/* What a kept message has in memory when all of them together have as much as
 * they may: less is not worth a file. */
#define SPOOL_LITTLE (16 * 1024)

/* Blocks that one reader may have at a time. */
#define SPOOL_AHEAD 2

struct piece
{
	struct buf *b;
	const char *p;
	uint64_t at; /* bytes of the message before it */
	uint32_t n;
	uint32_t users; /* readers that have not passed it; unused when kept */
	bool passed;    /* some reader has */
	bool chunk_end; /* the sender's chunk ended behind it */
};

struct spool
{
	struct piece *ring; /* few[], or malloc */
	uint32_t cap, head, count;
	uint64_t first;   /* number of the piece at head, counted from 0 */
	uint64_t end;     /* bytes of the message so far */
	size_t memory;    /* 0: nothing is kept; else bytes to keep in memory */
	struct buf *fill; /* small pieces are copied into it; or NULL */
	struct spool_file *file; /* NULL: there is none */
	struct piece few[SPOOL_FEW];
};

/* Part of the content, as a reader gets it. */
struct spool_view
{
	struct buf *b;
	const char *p;
	size_t n;
	bool chunk_end;
	bool old; /* from the file: chunk ends are not known */
};

/* A block that has been read for one reader. */
struct spool_ahead
{
	struct buf *b; /* NULL: none */
	uint64_t at;
};

/* Somebody who takes the content from first to last byte. */
struct spool_reader
{
	uint64_t hint; /* number of the piece looked at last */
	struct spool_ahead ahead[SPOOL_AHEAD];
	struct spool_block *waits; /* for this one; NULL: for none */
	struct spool_reader *next; /* that waits for the same */
};

static inline bool spool_keeps(const struct spool *sp)
{
	return sp->memory > 0;
}

/* A kept message holds a buffer, or no more: for the gauge, and so for the
 * limit of all of them. */
static inline void spool_holds(const struct buf *b)
{
	stat_put(b->pool->kept, *b->pool->kept + b->cap);
}

static inline void spool_lets_go(const struct buf *b)
{
	stat_put(b->pool->kept, *b->pool->kept - b->cap);
}

/* memory: 0 = nothing is kept. *sp may hold anything. */
void spool_init(struct spool *sp, size_t memory);
/* Drop all of it; safe to call twice. Readers must have left. */
void spool_free(struct spool *sp);

/**
 * Add content.
 *
 * @param b     holds p..p+n; gets a reference unless the bytes are copied
 * @param copy  n is little and has to wait: do not hold all of b for it
 * @param users readers that have to pass it; with 0 it is not held, unless the
 *              spool keeps
 * @return true when it became a piece of its own
 */
bool spool_add(struct spool *sp, struct buf *b, const char *p, size_t n,
		bool copy, uint32_t users);

/* The sender's chunk ends here. */
void spool_chunk_end(struct spool *sp);

/* The content from byte `at` on (counted from 0) as far as it lies in one
 * place in memory; false: nothing there, or not in memory. */
bool spool_view(struct spool *sp, struct spool_reader *r, uint64_t at,
		struct spool_view *out);

/* What is in memory, with what it costs. */
uint64_t spool_weight(const struct spool *sp);

/* Is the byte `at` no longer in memory? */
bool spool_is_old(const struct spool *sp, uint64_t at);

/* A reader goes on from byte `from` to byte `to`: pieces it has passed. */
unsigned spool_pass(
		struct spool *sp, struct spool_reader *r, uint64_t from, uint64_t to);

/* A reader that stands at byte `at` leaves before the end. */
void spool_leave(struct spool *sp, struct spool_reader *r, uint64_t at);

/* One more reader, from the first byte: 0 and what waits for it, or -1: it is
 * not all there any more. */
int spool_join(struct spool *sp, uint64_t *bytes, unsigned *pieces);

/* Pieces that nobody needs in memory go. */
void spool_shed(struct spool *sp);

/* ---- spool_io.c -------------------------------------------------------- */

/* What a file is needed for, told by its owner. */
struct spool_events
{
	/* There is room again, or the file cannot be written (negative errno):
	 * what is not in it stays in memory, and no more may be added. */
	void (*written)(void *arg, int err);
	void *arg;
	/* What a reader waits for has come (err 0), or cannot be read (negative
	 * errno). */
	void (*ready)(struct spool_reader *r, int err);
};

/**
 * Go on in a file, from the first byte on. Opened and written in the
 * background.
 *
 * @param dir borrowed, for the process
 */
void spool_file_open(struct spool *sp, struct worker *w, const char *dir,
		const struct spool_events *ev);
/* Bytes of a kept message that may be in memory as things are. */
size_t spool_memory_now(const struct worker *w);
/* Something has been added: write when it is worth while. */
void spool_file_write(struct spool *sp);
/* Bytes that are in memory alone. */
uint64_t spool_file_behind(const struct spool *sp);
/* Bytes of the message that the file holds. */
uint64_t spool_file_written(const struct spool *sp);
/**
 * A spool of which all is there: hand out the file, and write no more to it.
 *
 * @param memory   bytes that may be in memory alone
 * @param fd       borrowed; -1: all is in memory
 * @param fd_bytes of the message that are in the file
 * @return 0; 1 not yet, written() comes when to ask again; a negative errno:
 *         the file cannot be written
 */
int spool_file_freeze(
		struct spool *sp, size_t memory, int *fd, uint64_t *fd_bytes);
/* The block with byte `at`, which the file holds, for this reader: true he
 * has it; false ready() follows, never from within this call. */
bool spool_file_read(struct spool *sp, struct spool_reader *r, uint64_t at);
/* The reader does not want it any more. */
void spool_file_forget(struct spool_reader *r);
/* A reader has ended: blocks that only he had go. */
void spool_file_trim(struct spool *sp);
/* The message is gone; what is under way ends by itself. */
void spool_file_leave(struct spool *sp);

/* Make the directory fit for use and remove what a killed daemon has left.
 * 0 or a negative errno (told to the log). */
int spool_dir_prepare(const char *dir);

#endif
