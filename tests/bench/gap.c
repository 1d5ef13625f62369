/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded into a Kamailio: measures the time between the moment a worker was
 * given a datagram and the moment it asks for the next one, that is, how long
 * nothing else could be served by it. The longest of each process goes to the
 * file named by GAP_FILE (gap.h).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gap.h"

static struct gap_slot *mine;
static pid_t owner;
static uint64_t wall_at, cpu_at; /* when the datagram came; 0: none yet */

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Slot of this process; a child of a measured one takes its own. */
static void claim(void)
{
	const char *name = getenv("GAP_FILE");
	struct gap_file *f;
	int fd;

	owner = getpid();
	mine = NULL;
	wall_at = 0;
	fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	if(fd < 0)
		return;
	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if(f == MAP_FAILED)
		return;
	for(int i = 0; i < GAP_SLOTS && !mine; i++) {
		int32_t none = 0;

		if(atomic_compare_exchange_strong(&f->slot[i].pid, &none, owner))
			mine = &f->slot[i];
	}
}

static void raise_to(_Atomic uint64_t *max, uint64_t v)
{
	if(v > atomic_load(max))
		atomic_store(max, v);
}

static void begin_wait(void)
{
	uint64_t cpu;

	if(owner != getpid())
		claim();
	if(!mine || !wall_at)
		return;
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu_at;
	atomic_fetch_add(&mine->datagrams, 1);
	raise_to(&mine->cpu_ns, cpu);
	raise_to(&mine->wall_ns, now(CLOCK_MONOTONIC) - wall_at);
	if(cpu > GAP_LONG_NS)
		atomic_fetch_add(&mine->long_cpu, 1);
}

static void end_wait(ssize_t n)
{
	if(n < 0 || !mine)
		return;
	wall_at = now(CLOCK_MONOTONIC);
	cpu_at = now(CLOCK_THREAD_CPUTIME_ID);
}

ssize_t recvfrom(int fd, void *buf, size_t size, int flags,
		struct sockaddr *from, socklen_t *from_len)
{
	static ssize_t (*real)(
			int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t n;

	if(!real)
		*(void **)&real = dlsym(RTLD_NEXT, "recvfrom");
	begin_wait();
	n = real(fd, buf, size, flags, from, from_len);
	end_wait(n);
	return n;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	static ssize_t (*real)(int, struct msghdr *, int);
	ssize_t n;

	if(!real)
		*(void **)&real = dlsym(RTLD_NEXT, "recvmsg");
	begin_wait();
	n = real(fd, msg, flags);
	end_wait(n);
	return n;
}
