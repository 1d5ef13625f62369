/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading of XML from strangers (xmldoc.h) with libxml2.
 */
#include "xmldoc.h"

#include <libxml/parser.h>
#include <limits.h>

void xmldoc_init(void)
{
	LIBXML_TEST_VERSION
	xmlInitParser();
}

/* Called at "<!DOCTYPE" before anything of it is read. */
static void refuse_doctype(void *ctx, const xmlChar *name,
		const xmlChar *external, const xmlChar *system)
{
	xmlParserCtxtPtr p = ctx;

	(void)name;
	(void)external;
	(void)system;
	*(bool *)p->_private = true;
	xmlStopParser(p);
}

enum xmldoc_error xmldoc_read(struct slice xml, xmlDocPtr *out)
{
	xmlParserCtxtPtr p;
	bool doctype = false;
	xmlDocPtr doc;

	if(xml.n == 0 || xml.n > INT_MAX)
		return XMLDOC_XML;
	p = xmlNewParserCtxt();
	if(p == NULL)
		return XMLDOC_MEMORY;
	p->_private = &doctype;
	p->sax->internalSubset = refuse_doctype;
	doc = xmlCtxtReadMemory(p, xml.p, (int)xml.n, NULL, NULL,
			XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR
					| XML_PARSE_NOWARNING);
	xmlFreeParserCtxt(p);
	if(!doctype && doc && xmlDocGetRootElement(doc)) {
		*out = doc;
		return XMLDOC_OK;
	}
	if(doc)
		xmlFreeDoc(doc);
	return doctype ? XMLDOC_DOCTYPE : XMLDOC_XML;
}

bool xmldoc_is(const xmlNode *n, const char *name, const char *ns)
{
	return n->type == XML_ELEMENT_NODE
			&& strcmp((const char *)n->name, name) == 0
			&& (n->ns == NULL || strcmp((const char *)n->ns->href, ns) == 0);
}
