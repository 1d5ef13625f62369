/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm-client: start, the clock, signals, the end. One loop (sofia-sip's
 * su_root) carries SIP, MSRP and timers in one thread.
 */
#include <errno.h>
#include <signal.h>
#include <sofia-sip/su_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "client.h"
#include "cl_message.h"
#include "peer_tls.h"

#define TICK_MS 50

static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
	(void)sig;
	signalled = 1;
}

/* The user's time is over, or he has pressed ^C. */
static void time_over(struct client *c, enum cl_exit code)
{
	if(c->o.command == CL_SEND && c->running > 0) {
		if(c->exit_code == CL_OK)
			c->exit_code = code;
		c->o.count = c->started; /* nothing more is begun */
		cl_send_cancel_all(c);
		c->deadline_ms = peer_now_ms() + 5000; /* for the answers */
		if(code == CL_INTERNAL)
			cl_stop(c, code);
		return;
	}
	cl_stop(c, code);
}

static void on_tick(su_root_magic_t *magic, su_timer_t *t, su_timer_arg_t *arg)
{
	struct client *c = (struct client *)arg;
	int64_t now = peer_now_ms();
	int dialogs;

	(void)magic;
	(void)t;
	cl_send_tick(c);
	cl_receive_tick(c);
	dialogs = cl_accept_tick(c);
	cl_register_tick(c);
	if(c->stopping) {
		if(now >= c->stop_deadline_ms)
			su_root_break(c->root);
		return;
	}
	if(c->done && dialogs == 0 && c->reports_running == 0) {
		cl_stop(c, CL_OK);
		return;
	}
	if(signalled) {
		signalled = 0;
		time_over(c, c->o.command == CL_SEND ? CL_CANCELLED : CL_OK);
	} else if(c->deadline_ms && now >= c->deadline_ms) {
		bool again = c->exit_code != CL_OK;

		c->deadline_ms = 0;
		if(c->o.command == CL_REGISTER && c->registered)
			cl_stop(c, CL_OK);
		else if(c->o.command == CL_RECEIVE && c->registered && c->o.count == 0)
			cl_stop(c, CL_OK);
		else if(again)
			cl_stop(c, c->exit_code);
		else
			time_over(c, CL_TIMEOUT);
	}
}

static void trace_setup(const struct client *c)
{
	char level[4];

	su_log_soft_set_level(su_log_default, 0);
	su_log_set_level(NULL, 0);
	if(c->o.verbose == 0)
		return;
	setenv("TPORT_LOG", "1", 1);
	if(c->o.verbose > 1) {
		snprintf(level, sizeof(level), "%d",
				c->o.verbose > 4 ? 9 : 2 * c->o.verbose);
		setenv("NUA_DEBUG", level, 1);
		setenv("NTA_DEBUG", level, 1);
	}
}

static int start(struct client *c)
{
	int rc;

	if(c->o.command == CL_SEND && cl_payload_open(c) != 0)
		return -EINVAL;
	if((c->o.command == CL_RECEIVE || c->o.command == CL_FETCH)
			&& mkdir(c->o.out, 0700) != 0 && errno != EEXIST) {
		cl_warn("%s: %s", c->o.out, strerror(errno));
		return -errno;
	}
	rc = peer_tls_new(&c->tls, c->fingerprint);
	if(rc != 0) {
		cl_warn("TLS cannot be set up");
		return rc;
	}
	c->root = su_root_create(NULL);
	if(!c->root)
		return -ENOMEM;
	su_root_threading(c->root, 0);
	cl_loop_init(c);
	rc = cl_sip_start(c);
	if(rc != 0)
		return rc;
	c->tick = su_timer_create(su_root_task(c->root), TICK_MS);
	if(!c->tick || su_timer_run(c->tick, on_tick, (su_timer_arg_t *)c) != 0)
		return -ENOMEM;
	return 0;
}

static void begin(struct client *c)
{
	if(c->o.timeout_s > 0)
		c->deadline_ms = peer_now_ms() + (int64_t)c->o.timeout_s * 1000;
	if(c->o.do_register) {
		cl_register_start(c);
		return;
	}
	if(c->o.command == CL_SEND) {
		cl_send_next(c);
	} else if(c->o.command == CL_FETCH) {
		cl_fetch_start(c);
	} else {
		json_t *e = cl_event_new("listening");

		cl_event_text(e, "host", c->local_host);
		json_object_set_new(e, "port", json_integer(c->local_port));
		cl_event_print(e);
	}
}

static void end(struct client *c)
{
	if(c->tick)
		su_timer_destroy(c->tick);
	if(c->reg_nh)
		nua_handle_destroy(c->reg_nh);
	if(c->nua && c->shut)
		nua_destroy(c->nua);
	if(c->root && c->shut)
		su_root_destroy(c->root);
	cl_payload_close(c);
	SSL_CTX_free(c->tls);
	free(c->aor);
	free(c->proxy_url);
	free(c->instance);
	free(c->gruu);
}

int main(int argc, char **argv)
{
	static struct client c;
	struct sigaction sa = {.sa_handler = on_signal};

	cl_opts_parse(&c.o, argc, argv);
	if(c.o.command == CL_MATCH)
		return cl_sync_match(&c.o);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	trace_setup(&c);
	su_init();
	su_home_init(c.home);
	if(start(&c) != 0) {
		end(&c);
		return CL_INTERNAL;
	}
	begin(&c);
	su_root_run(c.root);
	end(&c);
	su_home_deinit(c.home);
	su_deinit();
	return (int)c.exit_code;
}
