/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SIP side's beginning and end: binds tm, makes the shared roots before
 * the fork, and sends each request of the originating role to its mode.
 * Called by cpm_mod.c.
 */
#include "cpm_sip.h"

#include <stdio.h>

#include "../../core/dprint.h"
#include "../../core/globals.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_to.h"
#include "../../core/sr_module.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_exploder.h"
#include "cpm_fanout.h"
#include "cpm_imdn.h"
#include "cpm_isf.h"
#include "cpm_loop.h"
#include "cpm_notice.h"
#include "cpm_pace.h"
#include "cpm_pager.h"
#include "cpm_req.h"
#include "cpm_push.h"
#include "cpm_service.h"
#include "cpm_term_int.h"
#include "cpm_term_keep.h"
#include "cpm_trust.h"

/* The core writes "User-Agent: kamailio ..." and "Server: ..." into what tm
 * builds. The release token has to be there instead (appendix D). */
static int own_signature(void)
{
	static char agent[256], server[256];
	str token = cpm_conf.server_token;
	int n;

	if(!server_signature)
		return 0; /* we write ours ourselves */
	n = snprintf(agent, sizeof(agent), "User-Agent: %.*s", STR_FMT(&token));
	if(n < 0 || n >= (int)sizeof(agent)) {
		LM_ERR("modparam server_token is too long\n");
		return -1;
	}
	user_agent_hdr = (str){agent, n};
	n = snprintf(server, sizeof(server), "Server: %.*s", STR_FMT(&token));
	server_hdr = (str){server, n};
	return 0;
}

int cpm_sip_mod_init(void)
{
	if(load_tm_api(&cpm_tm) < 0 || tm_load_xapi(&cpm_tmx) < 0) {
		LM_ERR("module tm has to be loaded before cpm\n");
		return -1;
	}
	if(cpm_id_init() < 0) {
		LM_ERR("no random numbers from the system\n");
		return -1;
	}
	if(cpm_session_init((unsigned)cpm_conf.hash_size) < 0) {
		LM_ERR("no shared memory for %d slots\n", cpm_conf.hash_size);
		return -1;
	}
	if(cpm_direct_init() < 0 || cpm_exploder_init() < 0 || cpm_isf_init() < 0
			|| cpm_isf_msg_init() < 0 || cpm_pace_init() < 0
			|| cpm_fanout_init() < 0)
		return -1;
	if(cpm_req_init() < 0 || cpm_trust_init() < 0 || cpm_loop_init() < 0
			|| cpm_reject_init() < 0 || cpm_timer_mod_init() < 0
			|| own_signature() < 0)
		return -1;
	if(cpm_clients_init() < 0 || cpm_push_init() < 0 || cpm_fetch_init() < 0
			|| cpm_notice_init() < 0)
		return -1;
	cpm_term_keep_init();
	cpm_imdn_init();
	cpm_dlv_init();
	cpm_events_init();
	return 0;
}

/* Kamailio's default allocator (q_malloc) keeps a list for each multiple of
 * eight bytes up to 16 KB and walks from the wanted size to the next one that
 * has a free block. Free blocks that touch each other are joined, so a worker
 * at rest has one huge block at the far end, and each of the 60 allocations
 * that a message takes walks 2,000 empty lists: half of all CPU time (1 us
 * each, measured with 5.6.3). A few free blocks of the usual sizes, kept apart
 * by small ones that stay allocated, end the walk at its first steps. They
 * stay usable memory; what is lost are the separators, some 15 KB. */
static void spread_free_memory(void)
{
	static const struct
	{
		unsigned size, n;
	} ladder[] = {{128, 64}, {256, 64}, {512, 32}, {1024, 32}, {2048, 16},
			{4096, 8}, {8192, 8}};
	void *blocks[256];
	unsigned n = 0;

	for(size_t i = 0; i < sizeof(ladder) / sizeof(*ladder); i++) {
		for(unsigned j = 0; j < ladder[i].n && n < 256; j++) {
			blocks[n] = pkg_malloc(ladder[i].size);
			if(blocks[n] == NULL || pkg_malloc(8) == NULL)
				break; /* a tiny -M: it works without as well */
			n++;
		}
	}
	while(n > 0)
		pkg_free(blocks[--n]);
}

int cpm_sip_child_init(int rank)
{
	if(rank != PROC_INIT && rank != PROC_MAIN && rank != PROC_TCP_MAIN)
		spread_free_memory();
	return cpm_timer_child_init(rank);
}

void cpm_sip_destroy(void)
{
	cpm_clients_destroy();
	cpm_fanout_exit();
	cpm_session_exit();
}

int ki_cpm_originating(sip_msg_t *msg)
{
	if(msg->REQ_METHOD != METHOD_INVITE && msg->REQ_METHOD != METHOD_MESSAGE)
		return -1;
	if(cpm_b2b_parse(msg) < 0 || get_to(msg)->tag_value.len > 0)
		return -1;
	if(msg->REQ_METHOD == METHOD_INVITE && cpm_fetch_wanted(msg))
		return cpm_fetch(msg);
	if(!cpm_service_wanted(msg,
			   msg->REQ_METHOD == METHOD_MESSAGE ? ICSI_MSG : ICSI_LARGEMSG))
		return -1;
	if(cpm_loop_seen(msg, CPM_CASE_ORIG))
		return cpm_loop_relay(msg);
	return msg->REQ_METHOD == METHOD_MESSAGE ? cpm_pager(msg)
											 : cpm_b2b_invite(msg);
}
