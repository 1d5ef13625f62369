/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Life of one command: made by ctl_dispatch.c, answered or refused exactly
 * once by the command, at once or when the engine calls back, and freed by
 * that. It may outlive its connection; the answer is dropped then.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <stdlib.h>
#include "log/log.h"

struct ctl_request *ctl_request_new(struct ctl_client *c, json_t *id)
{
	struct ctl_request *rq = calloc(1, sizeof(*rq));

	if(rq == NULL)
		abort();
	rq->client = c;
	rq->id = json_incref(id);
	rq->next = c->requests;
	if(rq->next)
		rq->next->prev = rq;
	c->requests = rq;
	c->n_requests++;
	c->weight += rq->weight = 1;
	return rq;
}

void ctl_request_is_list(struct ctl_request *rq)
{
	rq->client->weight += CTL_LIST_WEIGHT - rq->weight;
	rq->weight = CTL_LIST_WEIGHT;
}

void ctl_request_free(struct ctl_request *rq)
{
	struct ctl_client *c = rq->client;

	if(rq->prev)
		rq->prev->next = rq->next;
	else
		c->requests = rq->next;
	if(rq->next)
		rq->next->prev = rq->prev;
	c->n_requests--;
	c->weight -= rq->weight;
	json_decref(rq->id);
	json_decref(rq->content);
	free(rq);
	ctl_client_resume(c);
}

void ctl_answer(struct ctl_request *rq, json_t *result)
{
	size_t n = 0;
	char *line = result ? ctl_encode_result(rq->id, result, &n) : NULL;

	if(line == NULL) {
		int why = result ? errno : ENOMEM;

		json_decref(result);
		log_error("control client %u: an answer cannot be written: %s",
				rq->client->number, why == E2BIG ? "too long" : "no memory");
		ctl_refuse(rq, CTL_E_INTERNAL, NULL, NULL);
		return;
	}
	json_decref(result);
	ctl_client_send(rq->client, line, n);
	ctl_request_free(rq);
}

void ctl_refuse(struct ctl_request *rq, int code, const char *message,
		const char *param)
{
	json_t *data = param ? json_string(param) : NULL;
	size_t n = 0;
	char *line = ctl_encode_error(rq->id, code, message, data, &n);

	json_decref(data);
	ctl_client_send(rq->client, line, n);
	ctl_request_free(rq);
}
