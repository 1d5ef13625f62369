/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ids and local tags (cpm_id.h). The key is drawn once before the fork and
 * shared by inheritance. SipHash after Aumasson and Bernstein, 2012.
 */
#include "cpm_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint64_t key[2];
static uint32_t boot;

int cpm_id_init(void)
{
	if(getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)
			|| getrandom(&boot, sizeof(boot), 0) != (ssize_t)sizeof(boot))
		return -EIO;
	return 0;
}

uint32_t cpm_id_boot(void)
{
	return boot;
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void sip_rounds(uint64_t v[4], int n)
{
	while(n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

uint64_t cpm_id_hash(const void *p, size_t n)
{
	return cpm_id_hash_with(key, p, n);
}

void cpm_id_key(uint64_t out[2])
{
	memcpy(out, key, sizeof(key));
}

uint64_t cpm_id_hash_with(const uint64_t k[2], const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575ULL, k[1] ^ 0x646f72616e646f6dULL,
			k[0] ^ 0x6c7967656e657261ULL, k[1] ^ 0x7465646279746573ULL};
	uint64_t m, last = (uint64_t)n << 56;
	size_t i;

	for(i = 0; i + 8 <= n; i += 8) {
		memcpy(&m, s + i, 8);
		v[3] ^= m;
		sip_rounds(v, 2);
		v[0] ^= m;
	}
	for(unsigned shift = 0; i < n; i++, shift += 8)
		last |= (uint64_t)s[i] << shift;
	v[3] ^= last;
	sip_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int cpm_id_print(uint64_t id, char out[CPM_ID_BUF])
{
	return snprintf(out, CPM_ID_BUF, CPM_ID_FMT, boot, id);
}

/* Exactly n lower-case hex digits. */
static int hex_u64(const char *s, size_t n, uint64_t *out)
{
	uint64_t v = 0;

	for(size_t i = 0; i < n; i++) {
		if(s[i] >= '0' && s[i] <= '9')
			v = v << 4 | (unsigned)(s[i] - '0');
		else if(s[i] >= 'a' && s[i] <= 'f')
			v = v << 4 | (unsigned)(s[i] - 'a' + 10);
		else
			return -1;
	}
	*out = v;
	return 0;
}

int cpm_id_parse(const char *s, size_t n, uint64_t *id)
{
	uint64_t b;

	if(n != 21 || s[8] != '-' || hex_u64(s, 8, &b) < 0 || b != boot)
		return -1;
	return hex_u64(s + 9, 12, id);
}

static uint64_t tag_mac(uint64_t id, unsigned leg)
{
	uint64_t v[2] = {id, leg};

	return cpm_id_hash(v, sizeof(v));
}

int cpm_tag_print(uint64_t id, unsigned leg, char out[CPM_TAG_BUF])
{
	return snprintf(out, CPM_TAG_BUF, "cpm%04x%012" PRIx64 "%016" PRIx64, leg,
			id, tag_mac(id, leg));
}

int cpm_tag_parse(const str *tag, uint64_t *id, unsigned *leg)
{
	uint64_t n, i, mac;

	if(tag->len != 35 || memcmp(tag->s, "cpm", 3) != 0
			|| hex_u64(tag->s + 3, 4, &n) < 0 || hex_u64(tag->s + 7, 12, &i) < 0
			|| hex_u64(tag->s + 19, 16, &mac) < 0
			|| mac != tag_mac(i, (unsigned)n))
		return -1;
	*id = i;
	*leg = (unsigned)n;
	return 0;
}

void cpm_id_random(char out[CPM_HEX_BUF])
{
	uint64_t v[2];

	if(getrandom(v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v)) {
		/* not expected once the pool is up: still unique, still unguessable
		 * without the key */
		static uint64_t n;
		uint64_t seed[3] = {++n, (uint64_t)(uintptr_t)out, boot};

		seed[1] ^= (uint64_t)(uintptr_t)&seed;
		v[0] = cpm_id_hash(seed, sizeof(seed));
		seed[0] = ~n;
		v[1] = cpm_id_hash(seed, sizeof(seed));
	}
	snprintf(out, CPM_HEX_BUF, "%016" PRIx64 "%016" PRIx64, v[0], v[1]);
}
