/* SPDX-License-Identifier: Apache-2.0 */
/* profctl record: runs a command attached from its first instruction, and writes its profile. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/attach.h"
#include "client/command.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/private_daemon.h"

struct recording {
	struct attach_options options;
	char **argv; /* COMMAND, NULL: none */
	struct remote *remote;
	struct private_daemon daemon;
	struct command command;
	struct output outputs[PROFILE_TYPES_N];
	uint64_t attachment; /* 0: not attached */
	bool updated;	     /* it was there before */
	bool written;
};

static void recording_deinit(struct recording *r)
{
	command_deinit(&r->command);
	remote_free(r->remote);
	private_daemon_stop(&r->daemon);
	attach_options_deinit(&r->options);
}

static int parse(struct recording *r, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("record"), argc, argv);
	int id, n;

	while (options.cluster || options.at >= argc || strcmp(argv[options.at], "--")) {
		id = options_next(&options, error);
		if (id == OPTION_END)
			break;
		if (id == OPTION_OPERAND && (options.value[0] < '0' || options.value[0] > '9'))
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"'%.60s' is not a pid; a command comes behind --: profctl record "
				"-- %.60s",
				options.value, options.value);
		n = id < 0 ? id : attach_option(&r->options, id, options.value, error);
		if (n < 0)
			return n;
		assert(n > 0); /* what is in the table is understood */
	}
	if (options.at < argc)
		r->argv = argv + options.at + 1;
	if (r->argv && !r->argv[0])
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "there is no command behind --");
	if (!r->argv && target_args_empty(&r->options.target))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"record needs a command (profctl record -- COMMAND) or a target");
	return attach_check_types(&r->options, error);
}

/* The daemon there is, or for root one of our own. */
static int connect_or_start(struct recording *r, struct error *error)
{
	struct error why = ERROR_INIT;
	int n = remote_connect(r->options.socket, &r->remote, &why);

	if (n == 0)
		return 0;
	if (why.code != EXIT_CODE_NO_DAEMON || geteuid() != 0)
		return error_set(error, n, why.code, "%s", why.text);
	n = private_daemon_start(&r->daemon, error);
	if (n == 0)
		n = remote_connect(r->daemon.socket, &r->remote, error);
	private_daemon_hide(&r->daemon);
	return n;
}

/* What the profile is named after: TARGET, because it says more than what starts it, or COMMAND. */
static void name_of(const struct recording *r, char *buf, size_t n)
{
	const char *slash;

	if (!target_args_empty(&r->options.target) || !r->argv) {
		target_args_name(&r->options.target, buf, n);
		return;
	}
	slash = strrchr(r->argv[0], '/');
	file_word(slash ? slash + 1 : r->argv[0], buf, n);
}

static int prepare_outputs(struct recording *r, struct error *error)
{
	char name[80], path[LIMIT_PATH];
	unsigned pid = r->argv			  ? (unsigned)r->command.pid
		       : r->options.target.n_pids ? r->options.target.pids[0]
						  : 0;
	const char *output = r->options.output;
	int n = 0;

	name_of(r, name, sizeof(name));
	if (output && strcmp(output, "-")) {
		n = output_expand(output, pid, name, path, sizeof(path), error);
		output = path;
	}
	if (output && !strcmp(output, "-") && r->argv)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"standard output is the command's; name a file with -o");
	return n < 0 ? n : attach_outputs(&r->options, output, name, r->outputs, error);
}

static int attach(struct recording *r, const struct target_args *target, struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	int n = attach_send(r->remote, &r->options, target, true, &reply, error);
	char note[512];

	if (n < 0)
		return n;
	r->attachment = reply->attach->attachment->id;
	r->updated = reply->attach->updated;
	for (size_t i = 0; i < reply->attach->n_notes; i++)
		fprintf(stderr, "note: %s\n",
			io_printable(reply->attach->notes[i], note, sizeof(note)));
	return 0;
}

static int attach_command(struct recording *r, struct error *error)
{
	uint32_t pid = r->command.pid;
	struct target_args alone = TARGET_ARGS_INIT, below = r->options.target;

	/* Both borrow: neither is deinitialised. */
	alone.pids = &pid;
	alone.pidfds = &r->command.pidfd;
	alone.n_pids = 1;
	alone.no_children = r->options.target.no_children;
	below.below = pid;
	below.below_pidfd = r->command.pidfd;
	return attach(r, target_args_empty(&r->options.target) ? &alone : &below, error);
}

/* Says what went wrong; an empty profile is no failure of ours, and the command counts. */
static int write_profile(struct recording *r, uint64_t since_wall_ns)
{
	struct error error = ERROR_INIT;

	if (r->written)
		return EXIT_CODE_OK;
	r->written = true;
	if (attach_write(
		    r->remote, &r->options, r->outputs, r->attachment, since_wall_ns, &error) == 0)
		return EXIT_CODE_OK;
	return complain(&error);
}

static void on_signal(struct recording *r, unsigned *count)
{
	struct interrupt interrupt;

	while (interrupt_take(&interrupt)) {
		if ((*count)++)
			kill(r->command.pid, SIGKILL);
		else if (!interrupt.from_terminal)
			kill(r->command.pid, interrupt.signal);
	}
}

/* Until the command ends. Returns what our part of it came to. */
static int wait_for_command(struct recording *r)
{
	uint64_t start_ns = clock_monotonic_ns();
	unsigned signals = 0;
	int code = EXIT_CODE_OK;

	for (;;) {
		struct pollfd p[3] = {
			{ .fd = r->command.pidfd, .events = POLLIN },
			{ .fd = interrupt_fd(), .events = POLLIN },
			{ .fd = r->written ? -1 : remote_fd(r->remote), .events = POLLIN },
		};
		uint64_t passed_ns = clock_monotonic_ns() - start_ns;
		int wait_ms = -1;

		if (r->options.duration_ns && !r->written) {
			if (passed_ns >= r->options.duration_ns) {
				code = write_profile(r, 0);
				continue;
			}
			wait_ms = (int)MIN(
				(r->options.duration_ns - passed_ns) / NS_PER_MS + 1, 1000000U);
		}
		if (poll(p, 3, wait_ms) <= 0)
			continue;
		if (p[1].revents)
			on_signal(r, &signals);
		if (p[2].revents) {
			struct error error = ERROR_INIT;

			error_set(&error, -ECONNRESET, EXIT_CODE_RECORD_FAILED,
				"the daemon went away; the command goes on, without a profile");
			code = complain(&error);
			r->written = true;
		}
		if (p[0].revents)
			return code;
	}
}

static int record_command(struct recording *r, struct error *error)
{
	int code, ours;

	if (command_start(&r->command, r->argv, error) < 0 || prepare_outputs(r, error) < 0 ||
		attach_command(r, error) < 0)
		return error->code == EXIT_CODE_USAGE ? EXIT_CODE_USAGE : EXIT_CODE_RECORD_FAILED;
	if (command_release(&r->command, r->argv[0], error) < 0)
		return error->code;
	ours = wait_for_command(r);
	code = command_status(&r->command);
	if (!r->written)
		ours = write_profile(r, 0);
	return ours == EXIT_CODE_OK || ours == EXIT_CODE_EMPTY ? code : EXIT_CODE_RECORD_FAILED;
}

static int record_target(struct recording *r, struct error *error)
{
	uint64_t since_wall_ns = clock_wall_ns();
	int code;

	if (prepare_outputs(r, error) < 0 || attach(r, &r->options.target, error) < 0 ||
		attach_wait(r->remote, &r->options, error) < 0)
		return error->code;
	code = write_profile(r, since_wall_ns);
	/* One that was there before is somebody's who still wants it. */
	if (!r->updated)
		attach_remove(r->remote, r->attachment);
	return code;
}

int cmd_record(int argc, char **argv)
{
	CLEANUP(recording_deinit)
	struct recording r = {
		.options = ATTACH_OPTIONS_INIT,
		.daemon = PRIVATE_DAEMON_INIT,
		.command = COMMAND_INIT,
	};
	struct error error = ERROR_INIT;
	int code;

	if (parse(&r, argc, argv, &error) < 0)
		return complain(&error);
	interrupt_open();
	if (target_args_open(&r.options.target, false, &error) < 0 ||
		connect_or_start(&r, &error) < 0) {
		code = complain(&error);
		return r.argv ? EXIT_CODE_RECORD_FAILED : code;
	}
	code = r.argv ? record_command(&r, &error) : record_target(&r, &error);
	if (error.code)
		complain(&error);
	return code;
}
