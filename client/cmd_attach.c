/* SPDX-License-Identifier: Apache-2.0 */
/* profctl attach, and what profd attach does when a daemon answers. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/attach.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/show.h"

int attach_parse(struct attach_options *o, const struct program *program, int argc, char **argv,
	struct error *error)
{
	struct options options = OPTIONS_INIT(program_verb(program, "attach"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = id < 0 ? id : attach_option(o, id, options.value, error);
		if (r < 0)
			return r;
		assert(r > 0); /* what is in the table is understood */
	}
	if (target_args_empty(&o->target))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"attach needs a target: a pid, --comm, --exe, --cgroup, --unit or --all");
	if (attach_check_types(o, error) < 0)
		return -EINVAL;
	if (o->json && attach_waits(o))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--json does not go with --output or --duration, which write a profile");
	if (o->format != FORMAT_UNSET && !attach_waits(o))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--format needs --output or --duration: without them nothing is written");
	return 0;
}

static void print_notes(const Profd__V1__AttachReply *reply)
{
	char note[512];

	for (size_t i = 0; i < reply->n_notes; i++)
		fprintf(stderr, "note: %s\n", io_printable(reply->notes[i], note, sizeof(note)));
}

static int print_attached(const struct attach_options *o, const Profd__V1__AttachReply *reply)
{
	const Profd__V1__Attachment *a = reply->attachment;
	char target[512], what[160], safe[160], again[512];

	if (o->json) {
		json_t *notes = json_array();

		for (size_t i = 0; i < reply->n_notes; i++)
			json_array_append_new(notes, show_json_text(reply->notes[i]));
		return show_json(json_pack("{s:o, s:b, s:o}", "attachment", show_json_attachment(a),
			"updated", reply->updated, "notes", notes));
	}
	io_printable(show_collected(a, what, sizeof(what)), safe, sizeof(safe));
	printf("%s %s: %s, %u process%s\n", reply->updated ? "updated" : "attached",
		io_printable(a->target, target, sizeof(target)), safe, a->processes,
		a->processes == 1 ? "" : "es");
	target_args_text(&o->target, again, sizeof(again));
	io_printable(again, target, sizeof(target));
	for (size_t i = 0; i < o->types.n; i++)
		printf("%s profctl dump --type %s %s\n",
			i ? "          " : "dump it:  ", o->types.names[i], target);
	printf("detach it: profctl detach %s\n", target);
	print_notes(reply);
	return EXIT_CODE_OK;
}

static int wait_and_write(struct remote *r, struct attach_options *o, const struct output *outputs,
	const Profd__V1__AttachReply *reply, uint64_t since_wall_ns, struct error *error)
{
	char target[512];
	int n;

	fprintf(stderr, "%s %s, %u process%s; Ctrl-C writes %s%s\n",
		reply->updated ? "updated" : "attached",
		io_printable(reply->attachment->target, target, sizeof(target)),
		reply->attachment->processes, reply->attachment->processes == 1 ? "" : "es",
		outputs[0].to_stdout ? "the profile" : outputs[0].path,
		o->types.n > 1 ? " and the like" : "");
	print_notes(reply);
	n = attach_wait(r, o, error);
	if (n == 0)
		n = attach_write(r, o, outputs, reply->attachment->id, since_wall_ns, error);
	/* One that was there before is somebody's who still wants it. */
	if (!reply->updated && n != -ECONNRESET)
		attach_remove(r, reply->attachment->id);
	return n;
}

int attach_run(struct attach_options *o)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	CLEANUP(remote_freep) struct remote *r = NULL;
	struct error error = ERROR_INIT;
	struct output outputs[PROFILE_TYPES_N];
	char name[80];
	uint64_t since_wall_ns = clock_wall_ns();

	if (target_args_open(&o->target, false, &error) < 0)
		return complain(&error);
	if (attach_waits(o)) {
		target_args_name(&o->target, name, sizeof(name));
		if (attach_outputs(o, o->output, name, outputs, &error) < 0)
			return complain(&error);
		interrupt_open();
	}
	if (remote_connect(o->socket, &r, &error) < 0 ||
		attach_send(r, o, &o->target, attach_waits(o), &reply, &error) < 0)
		return complain(&error);
	if (!attach_waits(o))
		return print_attached(o, reply->attach);
	if (wait_and_write(r, o, outputs, reply->attach, since_wall_ns, &error) < 0)
		return complain(&error);
	return EXIT_CODE_OK;
}

int cmd_attach(int argc, char **argv)
{
	CLEANUP(attach_options_deinit) struct attach_options o = ATTACH_OPTIONS_INIT;
	struct error error = ERROR_INIT;

	if (attach_parse(&o, program_running(), argc, argv, &error) < 0)
		return complain(&error);
	return attach_run(&o);
}
