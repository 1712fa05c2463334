/* SPDX-License-Identifier: Apache-2.0 */
/* profctl serve: /debug/pprof/ of every process that its user may see, and pages to look at. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/option_binding.h"
#include "client/remote.h"
#include "http/listen.h"
#include "http/server.h"

#define TICK_MS 200
#define FULL_MS 20

struct serve_options {
	const char *listen, *socket;
};

static int parse(struct serve_options *o, int argc, char **argv, struct error *error)
{
	const struct option_binding bindings[] = {
		{ OPTION_LISTEN, .word = &o->listen },
		{ OPTION_SOCKET, .word = &o->socket },
		{ OPTION_END },
	};

	return option_bindings_parse(bindings, "serve", argc, argv, error);
}

/* A daemon that comes later is found then; that there is none is said at once. */
static void look_for_daemon(const struct serve_options *o)
{
	CLEANUP(remote_freep) struct remote *r = NULL;
	struct error error = ERROR_INIT;

	if (remote_connect(o->socket, &r, &error) < 0)
		(void)fprintf(stderr, "note: %s\n", error.text);
}

static void serve(struct server *s, const struct listener *l)
{
	struct pollfd p[LISTEN_SOCKETS + 1];
	struct interrupt interrupt;

	p[0] = (struct pollfd){ .fd = interrupt_fd(), .events = POLLIN };
	for (unsigned i = 0; i < l->n; i++)
		p[i + 1] = (struct pollfd){ .fd = l->fds[i], .events = POLLIN };
	for (;;) {
		bool room = server_tick(s);

		(void)poll(p, room ? l->n + 1 : 1, room ? TICK_MS : FULL_MS);
		if (interrupt_take(&interrupt))
			return;
		for (unsigned i = 0; room && i < l->n; i++)
			if (p[i + 1].revents)
				server_accept(s, l->fds[i]);
	}
}

int cmd_serve(int argc, char **argv)
{
	CLEANUP(listener_deinit) struct listener listener = { .n = 0 };
	CLEANUP(server_freep) struct server *s = NULL;
	struct serve_options o = { .listen = LISTEN_DEFAULT };
	struct error error = ERROR_INIT;

	if (parse(&o, argc, argv, &error) < 0 || listener_open(&listener, o.listen, &error) < 0)
		return complain(&error);
	if (interrupt_open() < 0) {
		error_set(&error, -errno, EXIT_CODE_FAILED, "cannot wait for signals: %s",
			strerror(errno));
		return complain(&error);
	}
	look_for_daemon(&o);
	if (server_new(&s, &listener, o.socket, &error) < 0)
		return complain(&error);
	if (!listener.loopback)
		(void)fputs("note: reachable beyond this machine's loopback; only its own users "
			    "are answered\n",
			stderr);
	(void)fprintf(stderr, "serving %s (Ctrl-C ends it)\n", listener.url);
	serve(s, &listener);
	return EXIT_CODE_OK;
}
