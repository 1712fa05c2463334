/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's life: every room's object in the order of the floors, the loop, and the way back.
 * Signals end the loop; a foreground daemon with a client in front (main.c) passes them on to it
 * and ends with it.
 */
#include "profd.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "comments.h"

#define SECOND_US     1000000
#define LOOP_STALL_NS (5 * NS_PER_SEC)

static void on_quarantine(void *userdata, const char *what, const char *why)
{
	struct profd *p = userdata;
	struct quarantine *q = &p->quarantine[p->n_quarantine++ % MAX_QUARANTINE];
	snprintf(q->what, sizeof(q->what), "%s", what);
	snprintf(q->why, sizeof(q->why), "%s", why);
	log_warning("quarantine: %s: %s", what, why);
}

static bool alive(void *userdata)
{
	struct profd *p = userdata;
	return clock_monotonic_ns() - p->progress_ns < LOOP_STALL_NS;
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct profd *p = userdata;
	struct account now;

	(void)usec;
	pipeline_maintain(p);
	account_now(p, &now);
	notify_status("%" PRIu64 " samples stored, %u connections", now.cpu.stored,
		ipc_server_n_connections(p->server));
	(void)sd_event_source_set_time_relative(source, SECOND_US);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct profd *p = userdata;
	(void)source;
	/* A client in front writes its profile first; its end ends us. The terminal tells it of
	 * Ctrl-C itself. */
	if (p->front) {
		if (si->ssi_signo != SIGINT)
			(void)kill(p->front, (int)si->ssi_signo);
		return 0;
	}
	return sd_event_exit(p->event, p->exit_code);
}

static int on_attached(struct profd *p, const struct error *error)
{
	log_error("%s", error->text);
	p->exit_code = (int)error->code;
	return sd_event_exit(p->event, p->exit_code);
}

static void on_config_attached(
	void *userdata, struct attachment *a, bool updated, const struct error *error)
{
	struct profd *p = userdata;
	(void)updated;
	if (!a) {
		if (!p->ending)
			(void)on_attached(p, error);
		return;
	}
	log_info("collecting cpu of everything: %s at %u Hz", a->event, a->freq_hz);
	notify_ready("collecting");
}

static void collect_by_config(struct profd *p)
{
	struct follow_request follow = {
		.target = { .all = true },
		.types = 1U << PROFILE_CPU,
		.freq_hz = p->config.freq_hz,
		.event = p->config.event,
		.unwind = "auto",
		.from_config = true,
	};
	follow_attach(p, &follow, on_config_attached, p);
}

static int make_rooms(struct profd *p, struct error *error)
{
	int r = module_table_new(&p->modules);
	if (r >= 0)
		r = target_io_new(&p->io, p->event);
	if (r >= 0) {
		target_io_on_quarantine(p->io, on_quarantine, p);
		r = process_table_new(&p->processes, p->modules);
	}
	if (r >= 0)
		r = strings_init(&p->strings, PROFD_MAX_SYMBOL_NAMES, PROFD_MAX_SYMBOL_TEXT);
	if (r >= 0)
		r = symbolizer_new(&p->symbolizer, p->event, p->io, p->modules, &p->strings,
			p->config.symbolizers);
	if (r >= 0)
		r = helper_pool_new(&p->encoder, p->event,
			&(struct helper_options){
				.role = HELPER_ENCODER,
				.max_processes = 2,
				.deadline_ms = LIMIT_ENCODE_DEADLINE_MS,
			});
	if (r >= 0)
		r = aggregate_new(&p->aggregate,
			&(struct aggregate_rooms){
				.processes = p->processes,
				.modules = p->modules,
				.io = p->io,
				.symbolizer = p->symbolizer,
				.maps_read = pipeline_maps_read,
				.userdata = p,
			},
			p->config.history_ns, p->config.memory_bytes);
	if (r >= 0)
		r = attachment_table_new(&p->attachments, p->config.attachments_per_user);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot start: %s", strerror(-r));
	struct kernel_callbacks callbacks = pipeline_callbacks;
	callbacks.userdata = p;
	r = kernel_new(&p->kernel, p->event,
		&(struct kernel_options){
			.ring_bytes = p->config.ring_bytes,
			.table_bytes = p->config.table_bytes,
		},
		&callbacks, error);
	if (r < 0)
		return r;
	r = unwind_new(&p->unwind, p);
	if (r >= 0)
		r = early_new(&p->early, p);
	if (r >= 0)
		r = flush_init(&p->flush, p->event, p->kernel);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot start: %s", strerror(-r)) : 0;
}

static int listen_on(struct profd *p, const char *path, struct error *error)
{
	int fd = notify_listen_fd();
	if (fd < 0) {
		fd = ipc_listen(path, error);
		if (fd < 0)
			return fd;
		p->socket_path = strdup(path);
	}
	struct ipc_handlers handlers = request_handlers;
	handlers.types = profile_type_names();
	handlers.userdata = p;
	int r = ipc_server_new(&p->server, p->event, fd, &handlers);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot serve %s: %s", path,
			       strerror(-r))
		     : 0;
}

static int handle_signals(struct profd *p)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int r = sd_event_add_signal(p->event, &p->signals[i], signals[i], on_signal, p);
		if (r < 0)
			return r;
	}
	return 0;
}

int profd_new(struct profd **ret, const struct profd_options *options, struct error *error)
{
	struct profd *p = calloc(1, sizeof(*p));
	if (!p)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	p->since_wall_ns = clock_wall_ns();
	p->progress_ns = clock_monotonic_ns();
	config_init(&p->config);
	exes_init(&p->exes);
	int r = config_read(&p->config, options->config_path ? options->config_path : CONFIG_PATH,
		options->config_path != NULL, error);
	if (options->collect_nothing)
		p->config.collect_cpu = false;
	if (r >= 0) {
		r = sd_event_new(&p->event);
		if (r >= 0)
			r = handle_signals(p);
		if (r < 0)
			error_set(error, r, EXIT_CODE_FAILED, "cannot make an event loop: %s",
				strerror(-r));
	}
	/* The socket first: a second daemon should say so before it loads anything. */
	if (r >= 0)
		r = listen_on(p, options->socket_path ? options->socket_path : SOCKET_PATH, error);
	if (r >= 0)
		r = make_rooms(p, error);
	if (r >= 0)
		r = sd_event_add_time_relative(
			p->event, &p->second, CLOCK_MONOTONIC, SECOND_US, 0, on_second, p);
	if (r >= 0)
		r = notify_watchdog_new(&p->watchdog, p->event, alive, p);
	if (r < 0) {
		error_set(error, r, EXIT_CODE_FAILED, "cannot start: %s", strerror(-r));
		profd_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct profd *profd_free(struct profd *p)
{
	if (!p)
		return NULL;
	notify_watchdog_free(p->watchdog);
	sd_event_source_disable_unref(p->second);
	ipc_server_free(p->server); /* cancels what its peers asked for */
	dumps_free_all(p);
	p->ending = true;
	if (p->socket_path)
		(void)unlink(p->socket_path);
	flush_deinit(&p->flush);
	early_free(p->early);
	unwind_free(p->unwind);
	kernel_free(p->kernel);
	helper_pool_free(p->encoder);
	symbolizer_free(p->symbolizer);
	target_io_free(p->io);
	aggregate_free(p->aggregate);
	attachment_table_free(p->attachments);
	process_table_free(p->processes);
	module_table_free(p->modules);
	strings_deinit(&p->strings);
	exes_deinit(&p->exes);
	account_log_deinit(&p->accounts);
	for (size_t i = 0; i < ARRAY_SIZE(p->signals); i++)
		sd_event_source_disable_unref(p->signals[i]);
	sd_event_unref(p->event);
	free(p->socket_path);
	free(p);
	return NULL;
}

int profd_run(struct profd *p)
{
	if (p->config.collect_cpu)
		collect_by_config(p);
	else
		notify_ready("waiting for attachments");
	int r = sd_event_loop(p->event);
	notify_stopping();
	return r < 0 ? EXIT_CODE_FAILED : r;
}
