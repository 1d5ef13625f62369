/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files and memory of a test: its directory, payloads, checksums.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *e2e_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if(p == NULL)
		abort();
	return p;
}

const char *fmt(const char *format, ...)
{
	va_list ap;
	char *s;

	va_start(ap, format);
	if(vasprintf(&s, format, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

/* build/<variant>/e2e-tests is three levels below the root. */
const char *e2e_root(void)
{
	static char root[PATH_MAX];
	const char *bin = getenv("CPM_BIN");

	if(root[0])
		return root;
	if(bin && realpath(fmt("%s/../..", bin), root))
		return root;
	if(realpath(".", root) == NULL)
		abort();
	return root;
}

const char *e2e_results(void)
{
	static const char *dir;

	if(dir == NULL)
		dir = getenv("RESULTS") ? getenv("RESULTS")
								: fmt("%s/build/results", e2e_root());
	return dir;
}

static void make_dirs(char *path)
{
	for(char *p = path + 1; *p; p++) {
		if(*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	if(mkdir(path, 0755) < 0 && errno != EEXIST)
		cr_assert_fail("mkdir %s: %s", path, strerror(errno));
}

const char *test_path(const char *name)
{
	static const char *dir;

	if(dir == NULL) {
		dir = fmt("%s/e2e/%s/%s", e2e_results(),
				criterion_current_test->category, criterion_current_test->name);
		make_dirs(strdup(dir));
	}
	return fmt("%s/%s", dir, name);
}

/* xorshift: the same bytes in every run. */
const char *test_file(const char *name, size_t n, bool text)
{
	const char *path = test_path(name);
	uint64_t x = 88172645463325252u + n;
	unsigned char block[4096];
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL, "%s: %s", path, strerror(errno));
	while(n > 0) {
		size_t m = n < sizeof(block) ? n : sizeof(block);

		for(size_t i = 0; i < m; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = (unsigned char)(x >> 24);
			if(text)
				block[i] = (unsigned char)("abcdefghijklmnopqrstuvwxyz 012345"
								[block[i] % 33]);
		}
		cr_assert(fwrite(block, 1, m, f) == m);
		n -= m;
	}
	cr_assert(fclose(f) == 0);
	return path;
}

const char *file_sha256(const char *path)
{
	unsigned char md[EVP_MAX_MD_SIZE], block[65536];
	unsigned n = 0;
	size_t m;
	char *hex = e2e_alloc(2 * sizeof(md) + 1);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	FILE *f = fopen(path, "r");

	cr_assert(f != NULL, "%s: %s", path, strerror(errno));
	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	while((m = fread(block, 1, sizeof(block), f)) > 0)
		EVP_DigestUpdate(ctx, block, m);
	EVP_DigestFinal_ex(ctx, md, &n);
	EVP_MD_CTX_free(ctx);
	fclose(f);
	for(unsigned i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", md[i]);
	return hex;
}

long long file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long long)st.st_size : -1;
}

const char *file_text(const char *path)
{
	long long size = file_size(path);
	char *text = e2e_alloc((size_t)(size > 0 ? size : 0) + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	size_t got = 0;

	if(fd < 0)
		return text;
	while((long long)got < size
			&& (n = read(fd, text + got, (size_t)size - got)) > 0)
		got += (size_t)n;
	close(fd);
	text[got] = '\0';
	return text;
}
