/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Parameters of a command, read by name and checked by type and range. The
 * first fault is kept and the readers go on with harmless values, so a command
 * reads all it wants and asks once at the end.
 */
#ifndef CTL_PARAM_H
#define CTL_PARAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define PARAM_NAMES_MAX 16 /* parameters of one object */

struct param_fault
{
	char name[96]; /* "legs[1].direction"; "" = no fault */
	char why[96];
};

struct params
{
	json_t *object;
	char prefix[48]; /* "legs[1]."; "" for the command's own */
	struct param_fault *fault;
	const char *asked[PARAM_NAMES_MAX];
	int n_asked;
};

enum param_need
{
	PARAM_OPTIONAL,
	PARAM_REQUIRED
};

/* Start reading `object`; anything but an object is a fault. */
void params_begin(struct params *p, json_t *object, const char *prefix,
		struct param_fault *fault);

/* Done: a parameter that nobody asked for is a fault. False = there is one. */
bool params_end(struct params *p);

/* A name of 1 to max of A-Z a-z 0-9 . _ - ; "" when absent or wrong. */
const char *params_name(
		struct params *p, const char *name, enum param_need need, size_t max);

/* A string of 1 to max bytes without control characters and blanks; NULL when
 * absent or wrong. Borrowed from the object. */
const char *params_str(
		struct params *p, const char *name, enum param_need need, size_t max);

/* The same, with blanks between its words. */
const char *params_words(
		struct params *p, const char *name, enum param_need need, size_t max);

/* One of a NULL-terminated list; its index, or `def` when absent or wrong. */
int params_choice(struct params *p, const char *name, enum param_need need,
		const char *const *choices, int def);

uint64_t params_u64(struct params *p, const char *name, enum param_need need,
		uint64_t min, uint64_t max, uint64_t def);
bool params_bool(
		struct params *p, const char *name, enum param_need need, bool def);

/* An object or an array; NULL when absent or wrong. Borrowed. */
json_t *params_object(struct params *p, const char *name, enum param_need need);
json_t *params_array(struct params *p, const char *name, enum param_need need,
		size_t min, size_t max);

/* An array of at most 64 strings, joined by blanks; NULL when absent, wrong
 * or "any" ("*" alone). To be freed with free(). */
char *params_join(struct params *p, const char *name);

/* Tell a fault of one's own. */
void params_fault(struct params *p, const char *name, const char *why);

#endif
