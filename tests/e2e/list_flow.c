/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages to many recipients as text (list_flow.h).
 */
#include "list_flow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *list_xml(const char *entries)
{
	return fmt(
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"\n"
			" xmlns:cp=\"urn:ietf:params:xml:ns:copyControl\">\n"
			"<list>%s</list></resource-lists>\n",
			entries);
}

const char *list_entries(const char *uris)
{
	char *copy = strdup(uris), *save = NULL, *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for(char *u = strtok_r(copy, " ", &save); u; u = strtok_r(NULL, " ", &save))
		fprintf(f, "<entry uri=\"%s\" cp:copyControl=\"to\"/>", u);
	fclose(f);
	free(copy);
	return text;
}

const char *list_of(int n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for(int i = 1; i <= n; i++)
		fprintf(f, "<entry uri=\"sip:user%d@cpm.test\"/>", i);
	fclose(f);
	return text;
}

const char *list_part(const char *xml)
{
	return fmt("Content-Type: application/resource-lists+xml\n"
			   "Content-Disposition: recipient-list\n\n%s",
			xml);
}

const char *cpim_part(const char *cpim)
{
	return fmt("Content-Type: message/cpim\n\n%s", cpim);
}

const char *list_cpim(void)
{
	return "From: <sip:alice@cpm.test>\nTo: <" EXPLODER ">\n"
		   "NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: msg-1\n"
		   "DateTime: 2026-11-21T10:00:00Z\n\n"
		   "Content-Type: text/plain\n\nhello all";
}

const char *list_body(const char *part, ...)
{
	const char *body = "";
	va_list ap;

	va_start(ap, part);
	for(; part; part = va_arg(ap, const char *))
		body = fmt("%s--" LIST_BOUNDARY "\n%s\n", body, part);
	va_end(ap);
	return fmt("%s--" LIST_BOUNDARY "--\n", body);
}

const char *list_message(struct ua *ua, const char *headers, const char *body)
{
	const char *h = headers ? headers : "", *text;

	if(strcasestr(h, "Content-Type:") == NULL)
		h = fmt("Content-Type: multipart/mixed;boundary=" LIST_BOUNDARY "\n%s",
				h);
	if(strcasestr(h, "P-Preferred-Service:") == NULL)
		h = fmt("P-Preferred-Service: "
				"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg.group\n%s",
				h);
	if(strcasestr(h, "Require:") == NULL)
		h = fmt("Require: recipient-list-message\n%s", h);
	if(body == NULL)
		body = list_body(list_part(list_xml(list_entries(
								 "sip:bob@cpm.test sip:carol@cpm.test"))),
				cpim_part(list_cpim()), NULL);
	text = pager_text(ua, h, body);
	return fmt("MESSAGE " EXPLODER "%s", strstr(text, " SIP/2.0"));
}

const char *list_to(struct ua *ua, const char *headers, const char *uris)
{
	return list_message(ua, headers,
			list_body(list_part(list_xml(list_entries(uris))),
					cpim_part(list_cpim()), NULL));
}

void list_take(struct ua *ua, int n, int code, struct sip **got)
{
	for(int i = 0; i < n; i++) {
		struct sip *m = ua_wait(ua, "MESSAGE", NULL, 6000);

		ua_answer(ua, m, code, "");
		if(got)
			got[i] = m;
	}
}

const char *sip_ruri(const struct sip *m)
{
	const char *uri = m->text + strcspn(m->text, " ") + 1;

	return strndup(uri, strcspn(uri, " "));
}
