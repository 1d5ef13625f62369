/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An XML document that a stranger has sent, as libxml2's tree: no network, no
 * entities, none of libxml2's own limits lifted, a DOCTYPE is refused before
 * anything of it is read. The tree lives for one call of its reader.
 */
#ifndef CPM_XMLDOC_H
#define CPM_XMLDOC_H

#include <libxml/tree.h>

#include "slice.h"

enum xmldoc_error
{
	XMLDOC_OK,
	XMLDOC_XML,     /* not well-formed, empty */
	XMLDOC_DOCTYPE, /* has a document type declaration */
	XMLDOC_MEMORY
};

/* Once in each program before the first document; safe before a fork. */
void xmldoc_init(void);

/**
 * Read a document.
 *
 * @param xml borrowed for the call only
 * @param out on XMLDOC_OK only: for xmlFreeDoc(); has a root element
 */
enum xmldoc_error xmldoc_read(struct slice xml, xmlDocPtr *out)
		__attribute__((warn_unused_result));

/* An element of that local name in namespace ns, or in none. */
bool xmldoc_is(const xmlNode *n, const char *name, const char *ns);

#endif
