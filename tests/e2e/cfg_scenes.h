/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every flavour of the shipped routing script has to do, as a list of
 * short scenes over one lab: the native script, the same step by step, Lua and
 * Python (kamailio-cfg/). test_cfg.c runs the list against each.
 */
#ifndef E2E_CFG_SCENES_H
#define E2E_CFG_SCENES_H

#include "harness.h"

/* Where the scenes take place. */
struct stage
{
	struct lab *lab;
	bool by_steps;    /* each check is a call of its own */
	struct proc *bob; /* waits for messages */
	int bob_got;      /* how many he was sent so far */
	int isf_got;      /* how many the gateway was */
};

struct scene
{
	const char *name; /* a sentence; named when the scene fails */
	void (*play)(struct stage *s);
};

/* Lists end with an empty name. */
extern const struct scene scenes_pager[];
extern const struct scene scenes_list[];
extern const struct scene scenes_large[];
extern const struct scene scenes_script[];
extern const struct scene scenes_term[]; /* cfg_scenes_term.c */

/* alice sends with these options; it ends so. The last event. */
json_t *scene_alice(struct stage *s, int code, const char *const options[10]);

/* A NULL ends the options; what follows it is not looked at. */
#define ALICE(s, code, ...)                                                    \
	scene_alice(s, code, (const char *const[10]){__VA_ARGS__})

/* It was refused with 403 and this Warning. */
void scene_refused(json_t *failed, const char *warning);

/* A rule for one user, made while the server runs; "" takes it back. */
void scene_rule(struct stage *s, const char *user, const char *value);

/* Start a lab with this LAB_SCRIPT and play a list in it. */
void scenes_play(const char *script, const struct scene *list);

#endif
