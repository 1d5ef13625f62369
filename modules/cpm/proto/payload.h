/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The media types inside a CPIM wrapper: for a=accept-wrapped-types of an
 * offer that carries it, and for cpm.Payload-Type, which a wrapper around a
 * multipart payload must have when it goes over MSRP (OMA-TS-CPM_Conv_Fnct
 * 8.2.1.1 8B.d.vi). No allocation.
 */
#ifndef CPM_PAYLOAD_H
#define CPM_PAYLOAD_H

#include "cpim.h"

#define PAYLOAD_PARTS_MAX 64  /* parts of one payload, nested ones too */
#define PAYLOAD_DEPTH_MAX 4   /* multiparts within each other */
#define PAYLOAD_TEXT_MAX 2048 /* bytes that suffice for what is written */

/**
 * List the types of a payload, without parameters, in the order of the text:
 * of a multipart its parts, and of those that are multiparts themselves
 * theirs; else the one type it has.
 *
 * @param c   a parsed wrapper
 * @param sep between two types: ", " or " "
 * @param buf not NUL-terminated
 *
 * @return bytes written; -EBADMSG a multipart is torn or a type is none;
 *         -E2BIG too many parts, or buf is too small
 */
int payload_types(const struct cpim *c, const char *sep, char *buf, size_t size)
		__attribute__((warn_unused_result));

/**
 * The value for a=accept-wrapped-types: the type of the payload, and for a
 * multipart those of its parts, each once.
 *
 * @return as payload_types()
 */
int payload_wrapped(const struct cpim *c, char *buf, size_t size)
		__attribute__((warn_unused_result));

/**
 * What has to be put into a wrapper before it may go over MSRP: the lines
 * "NS: cpm <...>" and "cpm.Payload-Type: ..." when the payload is multipart and
 * nothing tells its types yet. Another prefix is taken where "cpm" is bound to
 * another namespace, the declared one where there is one.
 *
 * @param in  the text that c was parsed from
 * @param at  where in it, filled when there is something
 * @param buf the lines, not NUL-terminated
 *
 * @return bytes to insert, 0 nothing; else as payload_types()
 */
int payload_type_lines(struct slice in, const struct cpim *c, size_t *at,
		char *buf, size_t size) __attribute__((warn_unused_result));

#endif
