/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's commands, "kamcmd cpm.*". doc/cpm_admin.xml describes them.
 */
#ifndef CPM_RPC_H
#define CPM_RPC_H

#include "../../core/rpc.h"

/* For rpc_register_array(). */
/* cpm.clients (cpm_clients_rpc.c). */
void cpm_rpc_clients(rpc_t *rpc, void *ctx);
/* cpm.deferred (cpm_push_rpc.c). */
void cpm_rpc_deferred(rpc_t *rpc, void *ctx);
/* Of a SIP worker (rank > 0), which may not wait for the relay. */
void cpm_push_rpc_child_init(int rank);

extern rpc_export_t cpm_rpc_cmds[];

#endif
