/* SPDX-License-Identifier: Apache-2.0 */
/* profctl dump: a profile of what was collected, or of the next seconds. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "client/attach.h"
#include "client/commands.h"
#include "client/fetch.h"
#include "client/interrupt.h"
#include "client/load.h"
#include "client/view/view.h"
#include "profile/pprof.h"

#define DUMP_TOP_ROWS 10

struct dump_options {
	struct attach_options common; /* target, type, freq, event, output, format, socket */
	const char *since, *until;
	uint64_t since_wall_ns, until_wall_ns, seconds_ns;
	bool slots;
};

static void dump_options_deinit(struct dump_options *o)
{
	attach_options_deinit(&o->common);
}

static int parse_when(
	const char *text, const char *what, uint64_t now_ns, uint64_t *ret, struct error *error)
{
	if (clock_parse_point(text, now_ns, ret) < 0)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad --%s '%.60s': a time such as 5m (ago), 13:05, 2026-11-20 13:05:00 or "
			"now is needed",
			what, text);
	return 0;
}

static int check_span(struct dump_options *o, struct error *error)
{
	uint64_t now_ns = clock_wall_ns();

	if (o->seconds_ns && (o->since || o->until))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--seconds is about what comes, --since and --until about what was: give "
			"one of them");
	if (o->common.freq_hz && !o->seconds_ns)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--freq needs --seconds: what was collected has its rate already");
	if (o->common.waits.has_threshold && !o->seconds_ns)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--threshold needs --seconds: what was collected was kept by its threshold "
			"already");
	if (o->since && parse_when(o->since, "since", now_ns, &o->since_wall_ns, error) < 0)
		return -EINVAL;
	if (o->until && parse_when(o->until, "until", now_ns, &o->until_wall_ns, error) < 0)
		return -EINVAL;
	if (o->since && o->until && o->since_wall_ns >= o->until_wall_ns)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--since '%.60s' is not before --until '%.60s'", o->since, o->until);
	return 0;
}

static int parse(struct dump_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("dump"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = MIN(id, 1);
		if (id == OPTION_SINCE)
			o->since = options.value;
		else if (id == OPTION_UNTIL)
			o->until = options.value;
		else if (id == OPTION_SECONDS)
			r = parse_duration(options.value, "--seconds", &o->seconds_ns, error) ?: 1;
		else if (id == OPTION_SLOTS)
			o->slots = true;
		else if (id > 0)
			r = attach_option(&o->common, id, options.value, error);
		if (r < 0)
			return r;
		assert(r > 0); /* what is in the table is understood */
	}
	r = attach_check_type(&o->common, "dump writes", error);
	return r < 0 ? r : check_span(o, error);
}

/* A profile without a sample says nothing: the daemon's own line about it is an error already. */
static int fetch(
	const struct dump_options *o, struct remote *r, struct fetched *ret, struct error *error)
{
	Profd__V1__DumpRequest dump = PROFD__V1__DUMP_REQUEST__INIT;
	struct target_message message;

	target_args_message(&o->common.target, &message);
	dump.type = (char *)o->common.types.names[0];
	attach_states(&o->common, dump.type, &dump);
	dump.threshold_ns = o->common.waits.threshold_ns;
	dump.threshold_all = o->common.waits.has_threshold && !dump.threshold_ns;
	dump.target = &message.wire;
	dump.since_wall_ns = o->since_wall_ns;
	dump.until_wall_ns = o->until_wall_ns;
	dump.seconds_ns = o->seconds_ns;
	dump.freq_hz = o->common.freq_hz;
	dump.slots = o->slots;
	if (o->common.event)
		dump.event = (char *)o->common.event;
	return fetch_profile(r, &dump, &message, ret, error);
}

static int show_top_ten(const struct fetched *f, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct view_options view = { .n = DUMP_TOP_ROWS };
	int r = pprof_decode(f->data, f->n, &p, error);

	return r < 0 ? r : view_top(p, &view, stdout, error);
}

int cmd_dump(int argc, char **argv)
{
	CLEANUP(dump_options_deinit) struct dump_options o = { .common = ATTACH_OPTIONS_INIT };
	CLEANUP(remote_freep) struct remote *r = NULL;
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	struct error error = ERROR_INIT;
	struct output output;
	char name[80];

	if (parse(&o, argc, argv, &error) < 0 ||
		target_args_open(&o.common.target, o.seconds_ns == 0, &error) < 0)
		return complain(&error);
	target_args_name(&o.common.target, name, sizeof(name));
	if (output_init(&output, o.common.output, o.common.format, o.common.types.names[0], name,
		    true, &error) < 0)
		return complain(&error);
	interrupt_open();
	if (remote_connect(o.common.socket, &r, &error) < 0 || fetch(&o, r, &f, &error) < 0 ||
		output_write(&output, f.data, f.n, &error) < 0)
		return complain(&error);
	fetched_describe(&f, output.to_stdout ? NULL : output.path);
	if (output.defaulted && show_top_ten(&f, &error) < 0)
		return complain(&error);
	return EXIT_CODE_OK;
}
