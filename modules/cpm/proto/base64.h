/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Base64 (RFC 4648 section 4), for content that travels in lines of the
 * control protocol. Pure; strict: padding is required, blanks are not taken.
 */
#ifndef CPM_BASE64_H
#define CPM_BASE64_H

#include <stddef.h>

/* Characters for n bytes, without NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/**
 * Encode.
 *
 * @param to BASE64_LEN(n) + 1 bytes; gets a NUL behind the text
 * @return characters written
 */
size_t base64_encode(char *to, const void *from, size_t n);

/**
 * Decode.
 *
 * @param to  room of at least n / 4 * 3 bytes
 * @param out bytes written, on success only
 * @return 0; -EBADMSG it is no base64
 */
int base64_decode(char *to, const char *from, size_t n, size_t *out)
		__attribute__((warn_unused_result));

#endif
