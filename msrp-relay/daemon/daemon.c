/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of the process. Start: control socket (so that a second daemon is
 * refused before it takes ports), workers, HTTP, signals, READY. End: SIGTERM
 * and the command drain let sessions finish, SIGINT or a second SIGTERM do
 * not. Called by main.c.
 */
#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <uv.h>
#include "conf/conf.h"
#include "ctl/ctl_server.h"
#include "http/http_server.h"
#include "log/log.h"
#include "session/relay.h"
#include "stats/stats_out.h"
#include "store/store.h"

#define FDS_BESIDE 96  /* files of the process that are no connections */
#define HEALTH_MS 3000 /* a worker that is silent for so long is not well */

struct daemon
{
	uv_loop_t loop;
	const struct conf *conf;
	const char *file;
	char boot[17];
	uint64_t start_time;
	struct store *store; /* NULL: there is none */
	struct relay *relay;
	struct ctl_server *ctl;
	struct http_server *http;
	uv_signal_t term, intr, hup;
	uv_timer_t watchdog;
	uint64_t watchdog_ms; /* 0 = nobody watches */
	bool draining;
	bool probing;         /* /healthz has asked the workers */
	uint64_t probe_at_ms; /* since when, loop time */
};

/* The loop is left and everything is closed from daemon_run: never from
 * inside a callback of what is to be closed. */
static void stop_now(void *arg)
{
	struct daemon *d = arg;

	uv_stop(&d->loop);
}

static void drain(void *arg)
{
	struct daemon *d = arg;

	if(d->draining)
		return;
	d->draining = true;
	sd_notify(0, "STOPPING=1\nSTATUS=Draining");
	log_notice("draining: no new sessions, at most %d ms",
			d->conf->relay.drain_ms);
	relay_drain(d->relay, stop_now, d);
}

static void on_term(uv_signal_t *h, int signum)
{
	struct daemon *d = h->data;

	if(!d->draining) {
		drain(d);
		return;
	}
	log_notice("signal %d again: stopping with what is left", signum);
	stop_now(d);
}

static void on_int(uv_signal_t *h, int signum)
{
	log_notice("signal %d: stopping", signum);
	stop_now(h->data);
}

/* What needs a restart is told by name and left as it is. */
static void tell_ignored(const struct conf *now, const struct conf *new)
{
	char was[512], is[512];

	for(size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];

		if(strcmp(o->name, "log_level") == 0)
			continue;
		conf_format(now, o, was, sizeof(was));
		conf_format(new, o, is, sizeof(is));
		if(strcmp(was, is) != 0)
			log_warning(
					"reload: %s has changed, which needs a restart", o->name);
	}
}

/* Line by line into the log: conf_load writes to a file. */
static int load_again(const char *file, struct conf *out)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc;

	if(f == NULL)
		return -ENOMEM;
	rc = conf_load(file, out, f);
	fclose(f);
	rest = text;
	while((line = strsep(&rest, "\n")) != NULL)
		if(*line)
			log_error("reload: %s", line);
	free(text);
	return rc;
}

static int reload(void *arg)
{
	struct daemon *d = arg;
	struct conf again;
	struct timespec t;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &t);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			(uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
	rc = load_again(d->file, &again);
	if(rc == 0) {
		tell_ignored(d->conf, &again);
		log_set_level((enum log_level)again.log_level);
		conf_free(&again);
		rc = relay_tls_reload(d->relay);
	}
	if(rc < 0)
		log_error("reload: failed, what is in force stays");
	else
		log_notice("reload: log level %s, certificates read again",
				log_level_name(log_get_level()));
	sd_notify(0, "READY=1");
	return rc;
}

static void on_hup(uv_signal_t *h, int signum)
{
	(void)signum;
	reload(h->data);
}

/* The sign of life needs an answer of every worker. */
static void workers_answered(
		void *arg, int n, const struct relay_session_info *list, uint64_t total)
{
	(void)arg;
	(void)n;
	(void)list;
	(void)total;
	sd_notify(0, "WATCHDOG=1");
}

static void on_watchdog(uv_timer_t *h)
{
	struct daemon *d = h->data;

	relay_session_list(d->relay, NULL, 0, 1, workers_answered, d);
}

static void on_event(void *arg, const struct relay_event *ev)
{
	struct daemon *d = arg;

	if(d->ctl)
		ctl_server_event(d->ctl, ev);
}

/* Somebody's deferred messages have changed; perhaps one is due. */
static void on_changed(void *arg, const char *user, bool due)
{
	struct daemon *d = arg;

	if(d->ctl)
		ctl_server_user(d->ctl, user, due);
}

static void on_available(void *arg, bool yes)
{
	struct daemon *d = arg;

	if(yes)
		log_notice("store: it can be used");
	else
		log_error("store: it cannot be used; messages are not deferred");
	if(yes && d->ctl)
		ctl_server_store_back(d->ctl);
}

static int open_store(struct daemon *d)
{
	const struct store_events ev = {
			.changed = on_changed, .available = on_available, .arg = d};

	if(d->conf->store.backend == STORE_NONE)
		return 0;
	return store_open(&d->loop, &d->conf->store, &ev, &d->store);
}

static void collect(
		struct daemon *d, struct stats *sum, struct stats_process *p)
{
	memset(sum, 0, sizeof(*sum));
	memset(p, 0, sizeof(*p));
	relay_stats_sum(d->relay, sum);
	p->version = CPM_VERSION;
	p->start_time = d->start_time;
	p->control_clients = (uint64_t)ctl_server_clients(d->ctl);
	p->draining = d->draining;
	p->has_store = d->store != NULL;
	if(d->store)
		store_stats_read(d->store, &p->store);
	stats_process_read(p);
}

static json_t *stats_as_json(void *arg)
{
	struct stats sum;
	struct stats_process p;

	collect(arg, &sum, &p);
	return stats_json(&sum, &p);
}

static char *page_metrics(void *arg, int *status, size_t *n)
{
	struct stats sum;
	struct stats_process p;

	(void)status;
	collect(arg, &sum, &p);
	return stats_prometheus(&sum, &p, n);
}

static char *word(const char *text, size_t *n)
{
	*n = strlen(text);
	return strdup(text);
}

static void probe_answered(
		void *arg, int n, const struct relay_session_info *list, uint64_t total)
{
	struct daemon *d = arg;

	(void)n;
	(void)list;
	(void)total;
	d->probing = false;
}

/* This loop answers, so it is well; the workers are asked, and what they did
 * not answer since an earlier request is told. */
static char *page_healthz(void *arg, int *status, size_t *n)
{
	struct daemon *d = arg;

	if(!d->probing) {
		d->probing = true;
		d->probe_at_ms = uv_now(&d->loop);
		relay_session_list(d->relay, NULL, 0, 1, probe_answered, d);
	} else if(uv_now(&d->loop) - d->probe_at_ms > HEALTH_MS) {
		*status = 503;
		return word("a worker does not answer\n", n);
	}
	return word("ok\n", n);
}

static char *page_readyz(void *arg, int *status, size_t *n)
{
	const struct daemon *d = arg;

	if(!d->draining)
		return word("ready\n", n);
	*status = 503;
	return word("draining\n", n);
}

static const struct http_page pages[] = {
		{"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
		{"/healthz", "text/plain; charset=utf-8", page_healthz},
		{"/readyz", "text/plain; charset=utf-8", page_readyz},
		{NULL, NULL, NULL},
};

/* Every connection is a file, and so is a kept message that is large. */
static void raise_files(const struct conf *conf)
{
	struct rlimit l;
	rlim_t wanted = (rlim_t)conf->relay.max_connections
			+ (rlim_t)conf->relay.max_sessions + (rlim_t)conf->control_clients
			+ FDS_BESIDE;

	if(getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	if(l.rlim_cur < wanted && wanted > l.rlim_max) {
		/* Root may raise the hard limit too. */
		struct rlimit more = {wanted, wanted};

		if(setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
	}
	if(l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		if(setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warning("the limit of open files stays: %s", strerror(errno));
	}
	if(wanted > l.rlim_cur)
		log_warning("open files are limited to %" PRIu64 ", max_connections "
					"(%d) and max_sessions (%d) need %" PRIu64
					": raise LimitNOFILE",
				(uint64_t)l.rlim_cur, conf->relay.max_connections,
				conf->relay.max_sessions, (uint64_t)wanted);
}

static void catch(struct daemon *d, uv_signal_t *h, uv_signal_cb cb, int signum)
{
	uv_signal_init(&d->loop, h);
	h->data = d;
	uv_signal_start(h, cb, signum);
}

static int start(struct daemon *d)
{
	const struct ctl_host host = {.arg = d,
			.reload = reload,
			.drain = drain,
			.stats = stats_as_json,
			.boot = d->boot};
	uint64_t watchdog_us = 0, boot;
	int rc;

	if(getrandom(&boot, sizeof(boot), 0) != sizeof(boot))
		return -EIO;
	snprintf(d->boot, sizeof(d->boot), "%016" PRIx64, boot);
	d->start_time = (uint64_t)time(NULL);
	raise_files(d->conf);
	rc = ctl_server_open(&d->loop, d->conf, &host, &d->ctl);
	if(rc == 0)
		rc = open_store(d);
	if(rc == 0)
		rc = relay_start(
				&d->loop, &d->conf->relay, d->store, on_event, d, &d->relay);
	if(rc == 0)
		rc = ctl_server_serve(d->ctl, d->relay, d->store);
	if(rc == 0 && d->conf->http_port > 0)
		rc = http_server_start(&d->loop, d->conf->http_address,
				d->conf->http_port, pages, d, &d->http);
	if(rc < 0)
		return rc;
	if(sd_watchdog_enabled(0, &watchdog_us) > 0)
		d->watchdog_ms = watchdog_us / 2000;
	if(d->watchdog_ms > 0)
		uv_timer_start(
				&d->watchdog, on_watchdog, d->watchdog_ms, d->watchdog_ms);
	log_notice("msrp-relay " CPM_VERSION
			   ", boot %s: %d workers on %s port %d, TLS port %d, control %s",
			d->boot, d->conf->relay.workers, d->conf->relay.listen_host,
			d->conf->relay.listen_port, d->conf->relay.tls_port,
			d->conf->control_socket);
	sd_notify(0, "READY=1\nSTATUS=Carrying sessions");
	return 0;
}

static void stop(struct daemon *d)
{
	uv_handle_t *own[] = {(uv_handle_t *)&d->term, (uv_handle_t *)&d->intr,
			(uv_handle_t *)&d->hup, (uv_handle_t *)&d->watchdog};

	sd_notify(0, "STOPPING=1");
	/* The engine first: after it nothing calls back into ctl. */
	if(d->relay)
		relay_stop(&d->relay);
	if(d->ctl)
		ctl_server_leave_store(d->ctl);
	store_close(&d->store);
	http_server_close(&d->http);
	ctl_server_close(&d->ctl);
	for(size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		uv_close(own[i], NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	if(uv_loop_close(&d->loop) < 0)
		log_warning("stopped with handles open");
}

int daemon_run(const struct conf *conf, const char *file)
{
	struct daemon d = {.conf = conf, .file = file};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if(uv_loop_init(&d.loop) < 0)
		return -ENOMEM;
	catch(&d, &d.term, on_term, SIGTERM);
	catch(&d, &d.intr, on_int, SIGINT);
	catch(&d, &d.hup, on_hup, SIGHUP);
	uv_timer_init(&d.loop, &d.watchdog);
	d.watchdog.data = &d;
	rc = start(&d);
	if(rc == 0)
		uv_run(&d.loop, UV_RUN_DEFAULT);
	stop(&d);
	if(rc == 0)
		log_notice("stopped");
	return rc;
}
