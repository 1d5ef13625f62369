/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery: whose other clients get a copy (OMA-TS-CPM_Conv_Fnct
 * 8.2.1.1 direct delivery 1, 2 and 3.iv.b; 8.2.1.2 A to C), and the line that
 * tells a copy from a message received (cpm_direct.h).
 */
#include "cpm_direct.h"

#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_req.h"
#include "cpm_term_rcpts.h"
#include "cpm_trust.h"
#include "proto/cpim.h"

#define LINE_BUF 128

/* Texts of it. */
enum
{
	W_USER,
	W_INSTANCE,
	W_GRUU,
	W_URI,
	W_HOST,
	W_N
};

struct cpm_direct_who
{
	cpm_strs_t *texts; /* W_*, owned */
	unsigned what;
	int port;
	product_version min_version;
};

static char line_buf[LINE_BUF];
static str line, relay_line;

int cpm_direct_init(void)
{
	str prefix = cpm_conf.direction_prefix;
	int n;

	for(int i = 0; i < prefix.len; i++) {
		char c = prefix.s[i] | 0x20;

		if(!((c >= 'a' && c <= 'z')
				   || (prefix.s[i] >= '0' && prefix.s[i] <= '9'))) {
			LM_ERR("modparam direction_prefix is no name: \"%.*s\"\n",
					STR_FMT(&prefix));
			return -1;
		}
	}
	if(prefix.len > 0)
		n = snprintf(line_buf, sizeof(line_buf),
				"NS: %.*s <%.*s>\r\n%.*s.Message-Direction: sent",
				STR_FMT(&prefix), SLICE_ARG(CPIM_NS_CPM), STR_FMT(&prefix));
	else
		n = snprintf(line_buf, sizeof(line_buf), "Message-Direction: sent");
	if(n < 0 || n >= LINE_BUF) {
		LM_ERR("modparam direction_prefix is too long\n");
		return -1;
	}
	line = (str){line_buf, n};
	/* the relay writes one line: under a prefix that senders declare */
	relay_line = line;
	for(int i = 0; i < n; i++)
		if(line.s[i] == '\n')
			relay_line = (str){line.s + i + 1, n - i - 1};
	return 0;
}

str cpm_direct_relay_line(void)
{
	return relay_line;
}

str cpm_direct_cpim_line(void)
{
	return line;
}

/* ---- who ---- */

static cpm_direct_who_t *remember(
		str who, unsigned what, const cpm_except_t *ex, product_version min)
{
	str v[W_N] = {[W_USER] = who,
			[W_INSTANCE] = ex->instance,
			[W_GRUU] = ex->gruu,
			[W_URI] = ex->uri,
			[W_HOST] = ex->host};
	cpm_direct_who_t *w = shm_malloc(sizeof(*w));

	if(w == NULL)
		return NULL;
	w->texts = cpm_strs_new(v, W_N);
	w->what = what;
	w->port = ex->port;
	w->min_version = min;
	if(w->texts)
		return w;
	shm_free(w);
	return NULL;
}

cpm_direct_who_t *cpm_direct_who(sip_msg_t *msg, unsigned what)
{
	const cpm_req_t *req = cpm_req(msg);
	product_version min = req->min_version;
	cpm_direct_who_t *w;
	cpm_clients_t *c = NULL;
	cpm_except_t ex;
	unsigned n = 1;
	str who;
	int rc;

	if(!req->direct_delivery)
		return NULL;
	who = cpm_identity_uri(msg);
	if(who.len <= 0)
		return NULL;
	memset(&ex, 0, sizeof(ex));
	rc = cpm_clients_get(&who, &c);
	if(rc == 0 && c->n == 0) { /* the sender is not registered here */
		cpm_clients_free(&c);
		return NULL;
	}
	cpm_except_of(msg, &ex);
	if(rc == 0)
		n = cpm_clients_choose(c, what, min, &ex);
	cpm_clients_free(&c);
	/* -EAGAIN: it will be known when the copies are due */
	if(n == 0 || (rc < 0 && rc != -EAGAIN))
		return NULL;
	w = remember(who, what, &ex, min);
	if(w == NULL)
		LM_ERR("no memory for the copies of Call-ID %.*s\n",
				STR_FMT(&msg->callid->body));
	return w;
}

void cpm_direct_who_free(cpm_direct_who_t *w)
{
	if(w == NULL)
		return;
	cpm_strs_free(&w->texts);
	shm_free(w);
}

/* ---- which ---- */

cpm_rcpts_t *cpm_direct_choose(const cpm_direct_who_t *w)
{
	cpm_except_t ex = {.instance = cpm_strs_get(w->texts, W_INSTANCE),
			.gruu = cpm_strs_get(w->texts, W_GRUU),
			.uri = cpm_strs_get(w->texts, W_URI),
			.host = cpm_strs_get(w->texts, W_HOST),
			.port = w->port};
	str who = cpm_strs_get(w->texts, W_USER);
	cpm_clients_t *c = NULL;
	cpm_rcpts_t *r = NULL;
	unsigned n;

	if(cpm_clients_get(&who, &c) < 0)
		return NULL;
	n = cpm_clients_choose(c, w->what, w->min_version, &ex);
	if(n > 0 && cpm_term_rcpts(c, &r) < 0)
		LM_ERR("no memory for copies to the %u other clients of %.*s\n", n,
				STR_FMT(&who));
	cpm_clients_free(&c);
	return r;
}
