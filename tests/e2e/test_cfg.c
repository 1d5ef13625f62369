/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The routing scripts of kamailio-cfg/: the same scenes with each flavour, so
 * that an operator may start from whichever he likes.
 */
#include "cfg_scenes.h"

#define FLAVOUR(suite_, script_, pager_, list_, large_, term_)                 \
	E2E_SUITE(suite_);                                                         \
	E2E_TEST(suite_, pager_messages, pager_)                                   \
	{                                                                          \
		scenes_play(script_, scenes_pager);                                    \
	}                                                                          \
	E2E_TEST(suite_, lists_and_gateway, list_)                                 \
	{                                                                          \
		scenes_play(script_, scenes_list);                                     \
	}                                                                          \
	E2E_TEST(suite_, large_messages, large_)                                   \
	{                                                                          \
		scenes_play(script_, scenes_large);                                    \
	}                                                                          \
	E2E_TEST(suite_, terminating_half, term_)                                  \
	{                                                                          \
		scenes_play(script_, scenes_term);                                     \
	}                                                                          \
	E2E_TEST(suite_, everything_else,                                          \
			"RFC 3261: OPTIONS, unknown methods "                              \
			"and dialogs, no trust in strangers")                              \
	{                                                                          \
		scenes_play(script_, scenes_script);                                   \
	}

#define PAGER                                                                  \
	"OP-01 OP-02 OP-03 OP-09 OP-22/part OP-24 OP-46: checks, relaying, "       \
	"answers"
#define LIST                                                                   \
	"OP-12 OP-14 OP-16 OP-23: lists, their limit, rules for a user, gateway"
#define LARGE                                                                  \
	"OP-25 OP-29 OL-01 OL-06 OL-10 OL-18 OL-23 OL-24 OL-25 OL-31: session, "   \
	"list, "                                                                   \
	"gateway, "                                                                \
	"BYE, CANCEL"

#define TERM                                                                   \
	"OP-48 TL-01 TL-02 TL-03 TL-17 TL-18: rules for recipients, deferral for " \
	"each user, list, fetch and push, copies for each user"

FLAVOUR(cfg_native, "native", PAGER, LIST, LARGE, TERM)
FLAVOUR(cfg_steps, "steps", PAGER, LIST, LARGE, TERM)
FLAVOUR(cfg_lua, "lua", PAGER, LIST, LARGE, TERM)
FLAVOUR(cfg_python, "python", PAGER, LIST, LARGE, TERM)
