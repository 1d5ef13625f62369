/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The payload of the messages to send: text and mapped files, one part or
 * multipart with the list of types for cpm.Payload-Type (OMA CPM 7.2.1.3 #3).
 * Called by main and cl_message.c.
 */
#include "cl_payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cl_message.h"

static const struct
{
	const char *ending, *type;
} types[] = {{"txt", "text/plain;charset=UTF-8"}, {"jpg", "image/jpeg"},
		{"jpeg", "image/jpeg"}, {"png", "image/png"}, {"gif", "image/gif"},
		{"webp", "image/webp"}, {"mp4", "video/mp4"}, {"3gp", "video/3gpp"},
		{"mp3", "audio/mpeg"}, {"amr", "audio/amr"}, {"pdf", "application/pdf"},
		{"vcf", "text/vcard"}, {"html", "text/html;charset=UTF-8"},
		{"xml", "application/xml"}, {"json", "application/json"},
		{"smil", "application/smil"}, {"bin", "application/octet-stream"}};

const char *cl_type_of_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	for(size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if(strcasecmp(dot + 1, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

const char *cl_ending_of_type(struct slice type)
{
	struct slice bare = slice_trim(slice_cut(type, ';', NULL));

	for(size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if(slice_ieq(bare, slice_cut(slice_str(types[i].type), ';', NULL)))
			return types[i].ending;
	return "bin";
}

static int file_map(const char *path, struct slice *out)
{
	struct stat st;
	void *p = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

	if(fd < 0 || fstat(fd, &st) != 0) {
		rc = -errno;
	} else if(!S_ISREG(st.st_mode)) {
		rc = -EINVAL;
	} else if(st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if(p == MAP_FAILED)
			rc = -errno;
	}
	if(fd >= 0)
		close(fd);
	if(rc != 0) {
		cl_warn("%s: %s", path, strerror(-rc));
		return rc;
	}
	*out = slice_of(p ? p : "", p ? (size_t)st.st_size : 0);
	return 0;
}

/* "text/plain, image/jpeg" for cpm.Payload-Type: without parameters. */
static char *type_list(const struct cl_part *part, int n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		abort();
	for(int i = 0; i < n; i++) {
		struct slice t =
				slice_trim(slice_cut(slice_str(part[i].type), ';', NULL));
		fprintf(f, "%s%.*s", i ? ", " : "", SLICE_ARG(t));
	}
	if(fclose(f) != 0)
		abort();
	return text;
}

int cl_payload_open(struct client *c)
{
	struct cl_payload *p = calloc(1, sizeof(*p));
	char boundary[33];
	int rc;

	if(!p)
		abort();
	c->payload = p;
	if(c->o.text) {
		p->part[p->parts].type =
				c->o.type ? c->o.type : "text/plain;charset=UTF-8";
		p->part[p->parts++].body = slice_str(c->o.text);
	}
	for(int i = 0; i < c->o.n_files; i++) {
		struct cl_part *part = &p->part[p->parts];

		rc = file_map(c->o.file[i].path, &part->body);
		if(rc != 0)
			return rc;
		p->mapped[p->n_mapped++] = part->body;
		part->type = c->o.file[i].type ? c->o.file[i].type
									   : cl_type_of_name(c->o.file[i].path);
		p->parts++;
	}
	if(p->parts == 1 && !c->o.multipart) {
		p->type = strdup(p->part[0].type);
		p->iov[p->n++] =
				(struct iovec){(void *)p->part[0].body.p, p->part[0].body.n};
		p->bytes = p->part[0].body.n;
		return p->type ? 0 : -ENOMEM;
	}
	peer_random_id(boundary, 24);
	cl_multipart_build(&p->multi, c->o.multipart ? c->o.multipart : "mixed",
			boundary, p->part, p->parts);
	p->type = strdup(p->multi.type);
	p->types = type_list(p->part, p->parts);
	memcpy(p->iov, p->multi.iov, sizeof(p->multi.iov));
	p->n = p->multi.n;
	p->bytes = p->multi.bytes;
	return p->type ? 0 : -ENOMEM;
}

void cl_payload_close(struct client *c)
{
	struct cl_payload *p = c->payload;

	if(!p)
		return;
	for(int i = 0; i < p->n_mapped; i++)
		if(p->mapped[i].n > 0)
			munmap((void *)p->mapped[i].p, p->mapped[i].n);
	cl_multipart_free(&p->multi);
	free(p->type);
	free(p->types);
	free(p);
	c->payload = NULL;
}
