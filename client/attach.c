/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the course of an attachment on the client's side: ask, wait, fetch, write, detach. A
 * connection that waits holds its attachment: when this process dies, the daemon detaches.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/attach.h"
#include "client/commands.h"
#include "client/fetch.h"
#include "client/interrupt.h"
#include "client/progress.h"

static const char *const unwind_names[] = { "auto", "fp", "dwarf", NULL };

void attach_options_deinit(struct attach_options *o)
{
	target_args_deinit(&o->target);
}

static int check_event(const char *value, struct error *error)
{
	size_t n = 0;

	while (isalnum((unsigned char)value[n]) || (n && strchr("-_.:/", value[n]) && value[n]))
		n++;
	if (n == 0 || n > 31 || value[n])
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad event '%.60s': a name such as cpu-clock is needed", value);
	return 1;
}

static int take_unwind(struct attach_options *o, const char *value, struct error *error)
{
	for (size_t i = 0; unwind_names[i]; i++) {
		if (!strcmp(unwind_names[i], value)) {
			o->unwind = unwind_names[i];
			return 1;
		}
	}
	return unknown_word("unwind method", value, unwind_names, error);
}

int attach_option(struct attach_options *o, int id, const char *value, struct error *error)
{
	uint64_t number;
	int r;

	switch (id) {
	case OPTION_TYPE:
		return type_args_add(&o->types, value, error);
	case OPTION_THRESHOLD:
		return wait_args_threshold(&o->waits, value, error);
	case OPTION_STATE:
		return wait_args_states(&o->waits, value, error);
	case OPTION_FREQ:
		r = parse_number(
			value, "frequency", LIMIT_FREQ_MIN_HZ, LIMIT_FREQ_MAX_HZ, &number, error);
		if (r < 0)
			return r;
		o->freq_hz = number;
		return 1;
	case OPTION_EVENT:
		o->event = value;
		return check_event(value, error);
	case OPTION_UNWIND:
		return take_unwind(o, value, error);
	case OPTION_DURATION:
		r = parse_duration(value, "duration", &o->duration_ns, error);
		return r < 0 ? r : 1;
	case OPTION_OUTPUT:
		o->output = value;
		return 1;
	case OPTION_FORMAT:
		r = output_format_parse(value, &o->format, error);
		return r < 0 ? r : 1;
	case OPTION_SOCKET:
		o->socket = value;
		return 1;
	case OPTION_JSON:
		o->json = true;
		return 1;
	default:
		return target_args_option(&o->target, id, value, error);
	}
}

int attach_check_types(struct attach_options *o, struct error *error)
{
	if (o->types.n == 0)
		o->types.names[o->types.n++] = profile_type_info(PROFILE_CPU)->name;
	if ((o->freq_hz || o->event) && !(type_args_probes(&o->types) & PROBE_CPU))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"%s is about CPU time, which %s is not about: leave it out, or ask for "
			"--type cpu or wall",
			o->freq_hz ? "--freq" : "--event", o->types.names[0]);
	return wait_args_check(&o->waits, &o->types, error);
}

int attach_check_type(struct attach_options *o, const char *what, struct error *error)
{
	if (o->types.n > 1)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"%s one profile type at a time, not %s and %s", what, o->types.names[0],
			o->types.names[1]);
	return attach_check_types(o, error);
}

void attach_states(const struct attach_options *o, const char *type, Profd__V1__DumpRequest *dump)
{
	if (!type_has_states(type))
		return;
	dump->states = (char **)o->waits.states;
	dump->n_states = o->waits.n_states;
}

int attach_outputs(const struct attach_options *o, const char *output, const char *name,
	struct output *ret, struct error *error)
{
	bool several = o->types.n > 1;
	int r = 0;

	if (several && output && !strcmp(output, "-"))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"standard output has room for one profile, not for %zu: name a file with "
			"-o",
			o->types.n);
	for (size_t i = 0; i < o->types.n && r == 0; i++) {
		const char *type = o->types.names[i], *path = output;
		char named[LIMIT_PATH];

		if (several && output) {
			r = output_add_type(output, type, named, sizeof(named), error);
			path = named;
		}
		if (r == 0)
			r = output_init(&ret[i], path, o->format, type, name, false, error);
	}
	return r;
}

int attach_send(struct remote *r, const struct attach_options *o, const struct target_args *target,
	bool until_disconnect, Profd__V1__Reply **ret, struct error *error)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__AttachRequest attach = PROFD__V1__ATTACH_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	struct target_message message;
	int n;

	target_args_message(target, &message);
	attach.target = &message.wire;
	attach.types = (char **)o->types.names;
	attach.n_types = o->types.n;
	attach.freq_hz = o->freq_hz;
	attach.threshold_ns = o->waits.threshold_ns;
	attach.threshold_all = o->waits.has_threshold && !o->waits.threshold_ns;
	if (o->event)
		attach.event = (char *)o->event;
	if (o->unwind)
		attach.unwind = (char *)o->unwind;
	attach.until_disconnect = until_disconnect;
	request.body_case = PROFD__V1__REQUEST__BODY_ATTACH;
	request.attach = &attach;
	n = remote_call(
		r, &request, &message, PROFD__V1__REPLY__BODY_ATTACH, &wait, ret, NULL, error);
	if (n == 0 && !(*ret)->attach->attachment) {
		*ret = reply_free(*ret);
		return error_set(error, -EPROTO, EXIT_CODE_FAILED,
			"the daemon does not say what it attached; is it another version?");
	}
	return n;
}

static bool pids_gone(const struct target_args *t)
{
	for (size_t i = 0; i < t->n_pids; i++) {
		struct pollfd p = { .fd = t->pidfds[i], .events = POLLIN };

		if (p.fd < 0 || poll(&p, 1, 0) == 0)
			return false;
	}
	return t->n_pids && !t->n_comms && !t->n_exes && !t->n_cgroups && !t->n_units && !t->all;
}

int attach_wait(struct remote *r, const struct attach_options *o, struct error *error)
{
	uint64_t start_ns = clock_monotonic_ns();

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = remote_fd(r), .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN },
		};
		uint64_t passed_ns = clock_monotonic_ns() - start_ns;
		struct interrupt interrupt;
		int wait_ms = 200;

		progress_draw(passed_ns, o->duration_ns, "collecting; Ctrl-C ends it");
		if (pids_gone(&o->target) || (o->duration_ns && passed_ns >= o->duration_ns))
			break;
		if (o->duration_ns)
			wait_ms = MIN(200U, (o->duration_ns - passed_ns) / NS_PER_MS + 1);
		if (poll(p, 2, wait_ms) <= 0)
			continue;
		if (p[1].revents && interrupt_take(&interrupt))
			break;
		/* The daemon says nothing unasked: it is gone. */
		if (p[0].revents) {
			progress_clear();
			return error_set(error, -ECONNRESET, EXIT_CODE_NO_DAEMON,
				"the daemon went away; see its log: journalctl -u profd");
		}
	}
	progress_clear();
	return 0;
}

static int write_type(struct remote *r, const struct attach_options *o, const char *type,
	const struct output *output, uint64_t attachment, uint64_t since_wall_ns,
	struct error *error)
{
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	int n;

	dump.type = (char *)type;
	attach_states(o, type, &dump);
	dump.attachment = attachment;
	dump.since_wall_ns = since_wall_ns;
	n = fetch_profile(r, &dump, NULL, &f, error);
	if (n == 0)
		n = output_write(output, f.data, f.n, error);
	if (n == 0)
		fetched_describe(&f, output->to_stdout ? NULL : output->path);
	return n;
}

int attach_write(struct remote *r, const struct attach_options *o, const struct output *outputs,
	uint64_t attachment, uint64_t since_wall_ns, struct error *error)
{
	size_t written = 0;

	for (size_t i = 0; i < o->types.n; i++) {
		struct error why = ERROR_INIT;
		int n = write_type(
			r, o, o->types.names[i], &outputs[i], attachment, since_wall_ns, &why);

		written += n == 0;
		/* Of several, one may be empty: that nobody waited is no failure. */
		if (n < 0 && (why.code != EXIT_CODE_EMPTY || (i + 1 == o->types.n && !written))) {
			*error = why;
			return n;
		}
		if (n < 0)
			fprintf(stderr, "note: %s\n", why.text);
	}
	return 0;
}

void attach_remove(struct remote *r, uint64_t attachment)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__DetachRequest detach = PROFD__V1__DETACH_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;

	detach.id = attachment;
	request.body_case = PROFD__V1__REQUEST__BODY_DETACH;
	request.detach = &detach;
	(void)remote_call(
		r, &request, NULL, PROFD__V1__REPLY__BODY_DETACH, &wait, &reply, NULL, NULL);
}
