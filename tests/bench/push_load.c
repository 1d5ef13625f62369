/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * push-load: messages for users who are away are stored, then the users come,
 * and every message has to arrive once and in its order. Plays the core, the
 * senders and all clients on one UDP socket; meanwhile it asks the server for
 * a sign of life (OPTIONS) every 10 ms. Prints one line of key=value pairs.
 *
 *   push-load TARGET CORE USERS EACH RATE
 *     TARGET, CORE   addresses of the server and of us, port 5060
 *     EACH           messages for each user
 *     RATE           REGISTERs per second; 0: the next user comes when the one
 *                    before has all of his
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 64            /* requests for the store at a time */
#define AGAIN_NS 500000000LL /* T1: then a request is sent again */
#define PROBE_NS 10000000LL
#define GIVE_UP_NS 120000000000LL
#define PROBES_MAX 20000

struct request
{
	int64_t sent; /* ns; 0 not yet */
	bool answered;
};

struct user
{
	struct request registered;
	unsigned got;  /* messages so far */
	int64_t first; /* ns from REGISTER to the first one */
	int64_t last;  /* when he had all of his */
};

static const char *target, *core;
static unsigned n_users, each;
static double rate;
static int fd;
static struct sockaddr_in to;
static char run[16];
static struct request *stores; /* n_users * each */
static struct user *users;
static unsigned stored, delivered, repeated, wrong, refused, again;
static int64_t probe_sent[PROBES_MAX], probe_ns[PROBES_MAX];
static unsigned probes, probes_back;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void put(const char *text, int n)
{
	if(sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)) < 0
			&& errno != EAGAIN)
		perror("sendto");
}

/* ---- requests ---- */

static void send_store(unsigned i)
{
	char body[512], text[2048];
	unsigned user = i % n_users, k = i / n_users;
	int n = snprintf(body, sizeof(body),
			"From: <sip:alice@cpm.test>\r\nTo: <sip:u%u@cpm.test>\r\n"
			"DateTime: 2026-01-02T03:04:05Z\r\n"
			"NS: imdn <urn:ietf:params:imdn>\r\n"
			"imdn.Message-ID: %s-%u\r\n\r\n"
			"Content-Type: text/plain\r\n\r\npush %u %u %0100d",
			user, run, i, user, k, 0);

	again += stores[i].sent != 0;
	stores[i].sent = now();
	put(text,
			snprintf(text, sizeof(text),
					"MESSAGE sip:u%u@cpm.test SIP/2.0\r\n"
					"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKs%s-%u\r\n"
					"Route: <sip:term@%s:5060;lr>, <sip:mark@%s:5060;lr>\r\n"
					"From: <sip:alice@cpm.test>;tag=%u\r\n"
					"To: <sip:u%u@cpm.test>\r\nCall-ID: s-%s-%u\r\n"
					"CSeq: 1 MESSAGE\r\nMax-Forwards: 69\r\n"
					"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A"
					"3gpp-service.ims.icsi.oma.cpm.msg\"\r\n"
					"P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma."
					"cpm.msg\r\nP-Asserted-Identity: <sip:alice@cpm.test>\r\n"
					"Conversation-ID: c%u\r\nContent-Type: message/cpim\r\n"
					"Content-Length: %d\r\n\r\n%s",
					user, core, run, i, target, core, i, user, run, i, user, n,
					body));
}

static void send_register(unsigned u)
{
	char text[1024];

	again += users[u].registered.sent != 0;
	if(users[u].registered.sent == 0)
		users[u].registered.sent = now();
	put(text,
			snprintf(text, sizeof(text),
					"REGISTER sip:cpm.test SIP/2.0\r\n"
					"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKr%s-%u\r\n"
					"From: <sip:u%u@cpm.test>;tag=%u\r\n"
					"To: <sip:u%u@cpm.test>\r\nCall-ID: r-%s-%u\r\n"
					"CSeq: 1 REGISTER\r\nMax-Forwards: 69\r\n"
					"User-Agent: CPM-client/OMA2.2\r\nSupported: gruu, path\r\n"
					"Contact: <sip:u%u@%s:5060>;+sip.instance=\"<urn:uuid:"
					"00000000-0000-1000-8000-%012u>\";+g.3gpp.icsi-ref=\"urn%%"
					"3A"
					"urn-7%%3A3gpp-service.ims.icsi.oma.cpm.msg\";expires=600"
					"\r\nContent-Length: 0\r\n\r\n",
					core, run, u, u, u, u, run, u, u, core, u));
}

static void send_probe(void)
{
	char text[512];

	if(probes == PROBES_MAX)
		return;
	probe_sent[probes] = now();
	put(text,
			snprintf(text, sizeof(text),
					"OPTIONS sip:%s SIP/2.0\r\n"
					"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKo%s-%u\r\n"
					"From: <sip:x@cpm.test>;tag=1\r\nTo: <sip:%s>\r\n"
					"Call-ID: o-%s-%u\r\nCSeq: 1 OPTIONS\r\n"
					"Max-Forwards: 69\r\nContent-Length: 0\r\n\r\n",
					target, core, run, probes, target, run, probes));
	probes++;
}

/* ---- what comes ---- */

/* Via, From, To, Call-ID and CSeq lines of a request, for its answer. */
static void answer(const char *text)
{
	static const char *const names[] = {"Via:", "From:", "To:", "Call-ID:",
			"CSeq:", "v:", "f:", "t:", "i:"};
	char out[8192] = "SIP/2.0 200 OK\r\n";
	size_t n = strlen(out);

	for(const char *line = strchr(text, '\n'); line;
			line = strchr(line, '\n')) {
		size_t len = strcspn(++line, "\n") + 1;

		if(*line == '\r')
			break;
		for(size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			if(strncasecmp(line, names[i], strlen(names[i])) != 0
					|| n + len + 64 > sizeof(out))
				continue;
			memcpy(out + n, line, len);
			n += len;
			if(strcmp(names[i], "To:") == 0) {
				n -= 2;
				n += (size_t)snprintf(out + n, 16, ";tag=c\r\n");
			}
		}
	}
	n += (size_t)snprintf(out + n, 32, "Content-Length: 0\r\n\r\n");
	put(out, (int)n);
}

static void take_message(const char *text)
{
	const char *p = strstr(text, "\r\npush ");
	unsigned u, k;

	answer(text);
	if(p == NULL || sscanf(p, "\r\npush %u %u", &u, &k) != 2 || u >= n_users
			|| k >= each) {
		wrong++;
		return;
	}
	if(k < users[u].got) {
		repeated++; /* a retransmission, or a second delivery */
		return;
	}
	wrong += k != users[u].got;
	users[u].got = k + 1;
	delivered++;
	if(k + 1 == each)
		users[u].last = now();
	if(k == 0)
		users[u].first = now() - users[u].registered.sent;
}

static void take(const char *text)
{
	const char *id = strstr(text, "Call-ID: ");
	unsigned code = 0, i = 0;
	char kind;

	if(strncmp(text, "MESSAGE ", 8) == 0) {
		take_message(text);
		return;
	}
	if(sscanf(text, "SIP/2.0 %u", &code) != 1 || code < 200 || id == NULL
			|| sscanf(id, "Call-ID: %c-%*[^-]-%u", &kind, &i) != 2)
		return;
	if(kind == 's' && i < n_users * each && !stores[i].answered) {
		stores[i].answered = true;
		stored++;
		refused += code != 202;
	} else if(kind == 'r' && i < n_users) {
		refused += code != 200 && !users[i].registered.answered;
		users[i].registered.answered = true;
	} else if(kind == 'o' && i < probes && probe_ns[i] == 0) {
		probe_ns[i] = now() - probe_sent[i];
		probes_back++;
	}
}

static void receive(int timeout_ms)
{
	static char text[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if(poll(&p, 1, timeout_ms) <= 0)
		return;
	for(int i = 0; i < 64; i++) {
		n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		if(n <= 0)
			return;
		text[n] = '\0';
		take(text);
	}
}

/* ---- the two phases ---- */

static double store_all(void)
{
	unsigned total = n_users * each, next = 0;
	int64_t began = now(), look = began;

	while(stored < total && now() - began < GIVE_UP_NS) {
		while(next < total && next - stored < WINDOW)
			send_store(next++);
		receive(10);
		if(now() - look < AGAIN_NS / 5)
			continue;
		look = now();
		for(unsigned i = 0; i < next; i++)
			if(!stores[i].answered && look - stores[i].sent > AGAIN_NS)
				send_store(i);
	}
	return (double)(now() - began) / 1e9;
}

static bool may_come(unsigned u, int64_t began)
{
	if(rate > 0)
		return (double)(now() - began) / 1e9 * rate >= u;
	/* after a pause that is never the same: the server has a clock, too */
	return u == 0
			|| (users[u - 1].last
					&& now() - users[u - 1].last > u * 37 % 200 * 1000000LL);
}

static double push_all(void)
{
	unsigned total = n_users * each, next = 0;
	int64_t began = now(), probed = 0, look = began;

	while(delivered < total && now() - began < GIVE_UP_NS) {
		while(next < n_users && may_come(next, began))
			send_register(next++);
		if(now() - probed >= PROBE_NS) {
			probed = now();
			send_probe();
		}
		receive(1);
		if(now() - look < AGAIN_NS)
			continue;
		look = now();
		for(unsigned u = 0; u < next; u++)
			if(!users[u].registered.answered
					&& look - users[u].registered.sent > AGAIN_NS)
				send_register(u);
	}
	return (double)(now() - began) / 1e9;
}

/* ---- result ---- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double part(int64_t *v, unsigned n, double p)
{
	if(n == 0)
		return 0;
	qsort(v, n, sizeof(*v), compare);
	return (double)v[(unsigned)((n - 1) * p)] / 1e6;
}

static int open_socket(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5060)};
	int room = 16 << 20;

	to = a;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if(inet_pton(AF_INET, core, &a.sin_addr) != 1
			|| inet_pton(AF_INET, target, &to.sin_addr) != 1)
		return -EINVAL;
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	double store_s, push_s;
	int64_t *first;
	unsigned n = 0;

	if(argc != 6) {
		fputs("usage: push-load TARGET CORE USERS EACH RATE\n", stderr);
		return 2;
	}
	target = argv[1];
	core = argv[2];
	n_users = (unsigned)strtoul(argv[3], NULL, 10);
	each = (unsigned)strtoul(argv[4], NULL, 10);
	rate = strtod(argv[5], NULL);
	snprintf(run, sizeof(run), "%x", (unsigned)getpid());
	stores = calloc((size_t)n_users * each, sizeof(*stores));
	users = calloc(n_users, sizeof(*users));
	first = calloc(n_users, sizeof(*first));
	if(open_socket() < 0 || !stores || !users || !first) {
		perror("push-load");
		return 2;
	}
	store_s = store_all();
	push_s = push_all();
	for(unsigned u = 0; u < n_users; u++)
		if(users[u].first)
			first[n++] = users[u].first;
	for(int64_t end = now() + 300000000; now() < end;)
		receive(10);
	printf("ok=%d users=%u messages=%u stored=%u delivered=%u refused=%u "
		   "wrong=%u repeated=%u again=%u store_s=%.2f stored_rate=%.0f "
		   "push_s=%.2f rate=%.0f first_p50_ms=%.1f first_p99_ms=%.1f "
		   "probes=%u probes_lost=%u probe_p50_ms=%.2f probe_p99_ms=%.2f "
		   "probe_max_ms=%.2f\n",
			delivered == n_users * each && wrong == 0 && refused == 0, n_users,
			n_users * each, stored, delivered, refused, wrong, repeated, again,
			store_s, stored / store_s, push_s, delivered / push_s,
			part(first, n, 0.5), part(first, n, 0.99), probes,
			probes - probes_back, part(probe_ns, probes, 0.5),
			part(probe_ns, probes, 0.99), part(probe_ns, probes, 1));
	return delivered == n_users * each && wrong == 0 ? 0 : 1;
}
