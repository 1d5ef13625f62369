/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long a SIP worker was busy with one datagram: written by gap.c inside
 * the server, read by sip-load. One slot for each process in a shared file.
 */
#ifndef BENCH_GAP_H
#define BENCH_GAP_H

#include <stdatomic.h>
#include <stdint.h>

#define GAP_SLOTS 64
#define GAP_LONG_NS 5000000 /* no worker may be busy for longer */

struct gap_slot
{
	_Atomic int32_t pid;        /* 0: free */
	_Atomic uint64_t datagrams; /* handled */
	_Atomic uint64_t cpu_ns;    /* longest time on CPU for one of them */
	_Atomic uint64_t wall_ns;   /* longest time by the clock */
	_Atomic uint64_t long_cpu;  /* how many took over GAP_LONG_NS of CPU */
};

struct gap_file
{
	struct gap_slot slot[GAP_SLOTS];
};

#endif
