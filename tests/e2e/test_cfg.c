/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The routing scripts of kamailio-cfg/: the same scenes with each flavour, so
 * that an operator may start from whichever he likes.
 */
#include "cfg_scenes.h"

#define FLAVOUR(suite_, script_, large_, pager_)                               \
	E2E_SUITE(suite_);                                                         \
	E2E_TEST(suite_, pager_messages, pager_)                                   \
	{                                                                          \
		scenes_play(script_, scenes_pager);                                    \
	}                                                                          \
	E2E_TEST(suite_, large_messages, large_)                                   \
	{                                                                          \
		scenes_play(script_, scenes_large);                                    \
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
#define LARGE "OL-01 OL-06 OL-24 OL-25 OL-31: session, BYE, CANCEL"

FLAVOUR(cfg_native, "native", LARGE, PAGER)
FLAVOUR(cfg_steps, "steps", LARGE, PAGER)
FLAVOUR(cfg_lua, "lua", LARGE, PAGER)
FLAVOUR(cfg_python, "python", LARGE, PAGER)
