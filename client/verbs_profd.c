/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What profd can be told. The functions are the daemon's: it gives them to program_main(). What
 * attach and detach read on their command line is the same as profctl's.
 */
#include <stddef.h>
#include "client/commands.h"

static const struct verb_option config_options[] = {
	{ "config", 0, "FILE", "Read this configuration instead of /etc/profd/profd.conf.",
		OPTION_CONFIG },
	{ 0 },
};

static const struct verb_option private_options[] = {
	{ "private", 0, NULL,
		"Serve one client: collect nothing by itself and end with the process that started "
		"it.",
		OPTION_PRIVATE },
	{ 0 },
};

#define TABLES(...) ((const struct verb_option *const[]){ __VA_ARGS__, help_options, NULL })
#define TEXT(...)   ((const char *const[]){ __VA_ARGS__, NULL })

static const struct verb verbs[] = {
	{ "run", "[--config FILE] [--socket PATH]", "Run the daemon in the foreground",
		TEXT("This is what the systemd unit starts. As shipped it collects cpu of "
		     "everything at 99 Hz, so that the past can be asked for."),
		TABLES(config_options, socket_options, private_options), NULL },
	{ "attach", "TARGET [OPTIONS]", "Attach through the daemon, or become it",
		TEXT("Where a daemon answers on the socket, asks it to attach TARGET and says what "
		     "is attached. Where none does, becomes the daemon in the foreground with that "
		     "target, and serves the socket meanwhile.",
			"With --output or --duration it waits until that time is over, the target "
			"ends or it is interrupted; then it writes the profile of each type, by "
			"default as ./TYPE.NAME.pb.gz, and detaches. What the types are says "
			"profctl-dump(1)."),
		TABLES(target_options, collect_options, format_options, socket_options,
			json_options),
		NULL },
	{ "detach", "TARGET [OPTIONS]", "Stop collecting profiles of processes",
		TEXT("As profctl detach."), TABLES(target_options, socket_options, json_options),
		NULL },
	{ "check-config", "[--config FILE]", "Read the configuration and say what is wrong with it",
		TEXT("Exits 0 where the daemon would start with it."), TABLES(config_options),
		NULL },
	{ 0 },
};

const struct program profd_program = {
	.name = "profd",
	.section = 8,
	.summary = "system-wide profiler daemon",
	.text = TEXT("profd answers where processes spend their time, without touching them: it "
		     "samples the whole machine with eBPF programs and keeps the recent past in "
		     "memory. profctl(1) asks it for profiles."),
	.verbs = verbs,
};
