/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables that verbs of both programs share. Apart from verbs.c, so that the daemon,
 * which reads a command line too, is not linked with what profctl's verbs are made of.
 */
#include <stddef.h>
#include "client/commands.h"
#include "client/wait_args.h"

const struct verb_option help_options[] = {
	{ "help", 'h', NULL, "Show this help.", OPTION_HELP },
	{ 0 },
};

const struct verb_option target_options[] = {
	{ "pid", 'p', "PID[,PID]", "These processes; a bare number means the same.", OPTION_PID },
	{ "comm", 0, "GLOB", "Processes whose name (comm) matches the pattern.", OPTION_COMM },
	{ "exe", 0, "PATH", "Processes that run this executable (absolute path).", OPTION_EXE },
	{ "cgroup", 'G', "PATH", "Processes of this cgroup and those below it.", OPTION_CGROUP },
	{ "unit", 'u', "NAME", "Processes of this systemd unit.", OPTION_UNIT },
	{ "all", 'a', NULL, "Every process.", OPTION_ALL },
	{ "no-children", 0, NULL, "Do not follow children of the processes.", OPTION_NO_CHILDREN },
	{ 0 },
};

const struct verb_option collect_options[] = {
	{ "type", 0, "TYPE[,TYPE]",
		"What to collect: " TYPE_LIST "or several of these (default: cpu).", OPTION_TYPE },
	{ "freq", 'F', "HZ", "Samples a second of CPU time, 1 to 10000 (default: 99).",
		OPTION_FREQ },
	{ "threshold", 0, "TIME",
		"Keep all that wait this long or longer, and of shorter waits the more the longer "
		"they are, weighed so that sums stay right; 0 keeps all (default: 10us).",
		OPTION_THRESHOLD },
	{ "event", 0, "EVENT", "What drives the sampling (default: cpu-clock).", OPTION_EVENT },
	{ "unwind", 0, "auto|fp|dwarf",
		"How stacks are walked: in the kernel, the best way that there is for each file "
		"(auto) or by frame pointers only (fp); or in the daemon, by a copy of 64 KiB of "
		"the stack with each sample (dwarf).",
		OPTION_UNWIND },
	{ "duration", 'd', "TIME", "Stop after this long, write the profile and detach.",
		OPTION_DURATION },
	{ "output", 'o', "FILE",
		"Write the profile to FILE when it ends; the suffix picks the format.",
		OPTION_OUTPUT },
	{ 0 },
};

const struct verb_option socket_options[] = {
	{ "socket", 0, "PATH",
		"The daemon's socket (default: PROFD_SOCKET, or /run/profd/profd.sock).",
		OPTION_SOCKET },
	{ 0 },
};

const struct verb_option json_options[] = {
	{ "json", 0, NULL, "Write JSON.", OPTION_JSON },
	{ 0 },
};

const struct verb_option format_options[] = {
	{ "format", 'f', "pprof|folded|text|json|svg|html|dot|perf-script|speedscope",
		"Format of the output (default: by the suffix of the file, or pprof).",
		OPTION_FORMAT },
	{ 0 },
};
