/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * REPORT requests (RFC 4975 section 7.1.3, 5.2): success REPORTs of a peer are
 * gathered until they cover the message, then the sender gets one for all of
 * it; failures are passed on. A REPORT is never answered.
 */
#include "session/session.h"

#include "msrp/write.h"

static void report_write(struct leg *in, struct slice message_id,
		struct msrp_range range, int status)
{
	struct worker *w = in->session->w;
	char tid[TID_LEN], paths[2 * PATHS_MAX + 64];
	size_t n, room;
	char *to;

	if(in->mc == NULL || in->mc->net.closing || in->req_to == NULL)
		return;
	n = msrp_write_paths(paths, sizeof(paths),
			slice_of(in->req_from, in->req_from_n),
			slice_of(in->req_to, in->req_to_n));
	worker_random_id(w, tid, TID_LEN);
	room = n + MSRP_WRITE_OVERHEAD;
	to = conn_room(&in->mc->net, room);
	n = msrp_write_report(to, room, slice_of(tid, TID_LEN), slice_of(paths, n),
			message_id, range, status, msrp_status_text(status));
	conn_commit(&in->mc->net, n);
	stat_add(&w->stats, reports_sent_total, 1);
}

void report_send(struct message *m, int status, uint64_t bytes)
{
	struct msrp_range range = {.start = 1, .end = bytes, .total = m->received};

	report_write(m->in, slice_str(m->id), range, status);
}

static struct delivery *find(struct delivery *list, struct slice id)
{
	while(list && !slice_eq(slice_str(list->m->id), id))
		list = list->next;
	return list;
}

/* Bytes 1 to d->reported have been reported; later parts may come first from
 * a peer that reports each chunk, but only a whole prefix counts. */
static void success(struct delivery *d, struct msrp_range r)
{
	struct message *m = d->m;
	int64_t more = retarget_extra(d); /* he counts these too */

	if(r.end_any)
		r.end = m->received;
	else
		r.end = (int64_t)r.end > more ? (uint64_t)((int64_t)r.end - more) : 0;
	if(r.start <= d->reported + 1 && r.end > d->reported)
		d->reported = r.end < d->sent ? r.end : d->sent;
	if(d->await && d->reported >= m->received) {
		delivery_await_end(d);
		message_settle(m);
	}
}

void report_received(struct leg *l, const struct msrp_head *h)
{
	struct leg *in = l->session->in;
	struct delivery *d;
	struct msrp_range range;
	struct message *m;
	int status;

	if(l->direction != RELAY_SEND || in == NULL
			|| msrp_status_parse(h->report_status, &status) != 0
			|| !msrp_ident_ok(h->message_id)
			|| msrp_range_parse(h->byte_range, &range) != 0)
		return;
	d = find(l->queue, h->message_id);
	if(d == NULL)
		d = find(l->await, h->message_id);
	if(status == 200) {
		if(d)
			success(d, range);
		return;
	}
	l->status = status;
	if(d && !d->closed) {
		m = d->m;
		delivery_close(d, status, "failure REPORT");
		message_settle(m);
		return;
	}
	if(l->copy)
		return;
	if(d) {
		m = d->m;
		delivery_await_end(d);
		m->reported = m->n_await == 0 && m->n_ok == 1;
		if(m->failure_report != REPORT_NO)
			report_write(in, h->message_id, range, status);
		message_settle(m);
		return;
	}
	/* Acknowledged and forgotten: the sender still wants to know. */
	if(in->report_failures)
		report_write(in, h->message_id, range, status);
}
