/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What profctl can be told: the option tables and the verbs, with the text of help and manual. Owns
 * no behaviour.
 */
#include <stddef.h>
#include "client/commands.h"
#include "client/wait_args.h"

static const struct verb_option dump_options[] = {
	{ "type", 0, "TYPE", "Which profile, one of those above (default: cpu).", OPTION_TYPE },
	{ "since", 0, "WHEN",
		"From then on: 5m (that long ago), 13:05, 2026-11-20 13:05, yesterday.",
		OPTION_SINCE },
	{ "until", 0, "WHEN", "Up to then.", OPTION_UNTIL },
	{ "seconds", 0, "N",
		"Exactly the next N seconds, attaching for that long if needed; not with --since "
		"or --until.",
		OPTION_SECONDS },
	{ "freq", 'F', "HZ", "With --seconds: samples a second of CPU time, 1 to 10000.",
		OPTION_FREQ },
	{ "threshold", 0, "TIME",
		"With --seconds: keep all that wait this long or longer; 0 keeps all (default: "
		"10us).",
		OPTION_THRESHOLD },
	{ "event", 0, "EVENT", "Samples of this event only (default: any).", OPTION_EVENT },
	{ "slots", 0, NULL, "Keep the time of each sample, to the second, in the label slot_time.",
		OPTION_SLOTS },
	{ "output", 'o', "FILE",
		"Write to FILE (- for standard output); the suffix picks the format.",
		OPTION_OUTPUT },
	{ 0 },
};

static const struct verb_option state_options[] = {
	{ "state", 0, "STATE[,STATE]",
		"Of waiting only what is in these states: " STATE_LIST
		"or all (default: what the type is about).",
		OPTION_STATE },
	{ 0 },
};

static const struct verb_option status_options[] = {
	{ "features", 0, NULL,
		"What this kernel and configuration can do, and how to enable what they cannot.",
		OPTION_FEATURES },
	{ 0 },
};

static const struct verb_option ps_options[] = {
	{ "all", 'a', NULL, "Every process that could be attached, instead of what is.",
		OPTION_ALL },
	{ 0 },
};

static const struct verb_option top_options[] = {
	{ "type", 0, "TYPE", "Which profile: " TYPE_LIST "as profctl dump has them (default: cpu).",
		OPTION_TYPE },
	{ "threshold", 0, "TIME",
		"Keep all that wait this long or longer, where top attaches; 0 keeps all "
		"(default: 10us).",
		OPTION_THRESHOLD },
	{ "by", 0, "function|thread|process|state", "What is one row (default: function).",
		OPTION_BY },
	{ "cum", 0, NULL, "Sort by the value with all that is called.", OPTION_CUM },
	{ "interval", 'd', "TIME", "Renew this often (default: 2s).", OPTION_INTERVAL },
	{ "lines", 'n', "N", "Rows of a table that is not on a screen (default: 20).",
		OPTION_LINES },
	{ 0 },
};

static const struct verb_option serve_options[] = {
	{ "listen", 0, "ADDRESS",
		"Listen there: HOST:PORT, [V6]:PORT, a port of localhost, or unix:PATH (default: "
		"localhost:6060).",
		OPTION_LISTEN },
	{ 0 },
};

static const struct verb_option filter_options[] = {
	{ "focus", 0, "RE", "Only samples that pass through what matches.", OPTION_FOCUS },
	{ "ignore", 0, "RE", "No samples that pass through what matches.", OPTION_IGNORE },
	{ "hide", 0, "RE", "Take frames that match out of the stacks.", OPTION_HIDE },
	{ "show", 0, "RE", "Take frames that do not match out of the stacks.", OPTION_SHOW },
	{ "show-from", 0, "RE", "Take frames above the first that matches out of the stacks.",
		OPTION_SHOW_FROM },
	{ "tagfocus", 0, "[KEY=]RE|RANGE",
		"Only samples with such a label; a range is 5, 5: :5 or 5:7, with units as "
		"2kb:4kb.",
		OPTION_TAGFOCUS },
	{ "tagignore", 0, "[KEY=]RE|RANGE", "No samples with such a label.", OPTION_TAGIGNORE },
	{ "tagroot", 0, "KEY[,KEY]", "Frames of these labels' values above the stacks.",
		OPTION_TAGROOT },
	{ "tagleaf", 0, "KEY[,KEY]",
		"The same below the stacks: --tagleaf state tells what each waits for.",
		OPTION_TAGLEAF },
	{ 0 },
};

static const struct verb_option report_options[] = {
	{ "top", 0, NULL, "The functions that take most (default).", OPTION_TOP },
	{ "tree", 0, NULL, "Functions between their callers and callees.", OPTION_TREE },
	{ "traces", 0, NULL, "Each sample with its labels and stack.", OPTION_TRACES },
	{ "peek", 0, "RE", "Callers and callees of the functions that match.", OPTION_PEEK },
	{ "list", 0, "RE", "Source of the functions that match, with the values of each line.",
		OPTION_LIST },
	{ "lines", 'n', "N", "Show N rows; 0 for all.", OPTION_LINES },
	{ "cum", 0, NULL, "Sort by the cumulative value.", OPTION_CUM },
	{ "sample-index", 0, "NAME", "Which of the profile's values: its name or number.",
		OPTION_SAMPLE_INDEX },
	{ "granularity", 0, "functions|filefunctions|files|lines|addresses",
		"What is one row (default: functions).", OPTION_GRANULARITY },
	{ "unit", 0, "UNIT", "Write values in this unit: ms, s, kB, MB... (default: what fits).",
		OPTION_VALUE_UNIT },
	{ "no-pager", 0, NULL, "Do not start a pager.", OPTION_NO_PAGER },
	{ "color", 0, "auto|always|never", "Colours (default: auto, on a terminal).",
		OPTION_COLOR },
	{ 0 },
};

static const struct verb_option convert_options[] = {
	{ "output", 'o', "FILE",
		"Write to FILE (- for standard output); the suffix picks the format.",
		OPTION_OUTPUT },
	{ 0 },
};

static const struct verb_option drawing_options[] = {
	{ "output", 'o', "FILE",
		"Draw into FILE (- for standard output); the suffix, .svg or .html, picks the "
		"format.",
		OPTION_OUTPUT },
	{ "format", 'f', "svg|html", "Format of the drawing (default: by the suffix, or svg).",
		OPTION_FORMAT },
	{ "title", 0, "TEXT", "Title (default: the name of the file).", OPTION_TITLE },
	{ "icicle", 0, NULL, "The root at the top, callees below.", OPTION_ICICLE },
	{ "minwidth", 0, "PERCENT",
		"Merge boxes that are narrower than this share of the whole; 0: none. Default: "
		"what nobody could see, and as much more as keeps the file small.",
		OPTION_MIN_WIDTH },
	{ 0 },
};

static const struct verb_option flame_options[] = {
	{ "inverted", 0, NULL, "Start at the leaves: who calls what takes most.", OPTION_INVERTED },
	{ "color-by", 0, "kind|module",
		"Colour by kind (user, kernel, Go, JIT, inlined, label; default) or by module.",
		OPTION_COLOR_BY },
	{ "sample-index", 0, "NAME", "Which of the profile's values: its name or number.",
		OPTION_SAMPLE_INDEX },
	{ 0 },
};

static const struct verb_option diff_options[] = {
	{ "normalize", 0, "none|total|time",
		"Scale the new profile to the base's total or duration before comparing (default: "
		"none).",
		OPTION_NORMALIZE },
	{ "fail-on", 0, "THRESHOLD",
		"Exit with status 3 where something grew by more: N% (of any function's share), "
		"cum=N%, func=REGEX:N% or total=N%. May be given several times.",
		OPTION_FAIL_ON },
	{ "paths", 0, NULL, "Show call paths instead of functions.", OPTION_PATHS },
	{ "lines", 'n', "N", "Show N rows; 0 for all that differ.", OPTION_LINES },
	{ "cum", 0, NULL, "Sort by the cumulative value.", OPTION_CUM },
	{ "inverted", 0, NULL, "Draw from the leaves.", OPTION_INVERTED },
	{ "sample-index", 0, "NAME", "Which of the profile's values: its name or number.",
		OPTION_SAMPLE_INDEX },
	{ 0 },
};

#define TYPE_QUESTION(id, name, question, ...) name " (" question "), "
#define STATE_TEXT(id, name, text, ...)	       name " (" text "), "
/* What each type is, and what it leaves out. */
#define DUMP_TYPES                                                                              \
	"TYPE is one of " PROFILE_TYPES(TYPE_QUESTION) "each of what was attached with it.",    \
		"Values are elapsed time, and how often, but of threadcreate, which counts "    \
		"threads that live. block ends at what wakes a thread; from there to its CPU "  \
		"is runq; offcpu is both; wall is both and the time on the CPU. The stack is "  \
		"that of who waits; of mutex it is that of who unlocks; of threadcreate that "  \
		"of the creator, [before attach] for older threads.",                           \
		"block leaves out waiting that is for nobody in particular: for a time, for "   \
		"any of several files (poll), for a signal, and threads without work, of "      \
		"pools and of language runtimes. mutex has locks and futexes of unknown use. "  \
		"A note says how much was left out, and --state chooses: --state all, --state " \
		"mutex,rwlock. The label state says of each sample what it waited for: "        \
		"profctl report --tagfocus state=disk, or profctl flame --tagleaf state.",      \
		"The states are " WAIT_STATES(STATE_TEXT) "and --state all is all of them."

#define TABLES(...) ((const struct verb_option *const[]){ __VA_ARGS__, help_options, NULL })
#define TEXT(...)   ((const char *const[]){ __VA_ARGS__, NULL })

static const struct verb verbs[] = {
	{ "attach", "TARGET [OPTIONS]", "Start collecting profiles of processes",
		TEXT("Asks the daemon to collect profiles of TARGET and says what is attached. An "
		     "attachment lasts until it is detached, the target ends or the daemon ends. "
		     "The same owner and target again updates the attachment, and says so.",
			"With --output or --duration it waits instead, until that time is over, "
			"the target ends or it is interrupted (Ctrl-C, SIGTERM, SIGHUP); then it "
			"writes the profile of each type, by default as ./TYPE.NAME.pb.gz, and "
			"detaches. With several types, -o x.pb.gz is x.TYPE.pb.gz.",
			"What the types are says profctl-dump(1). Collecting several at once lets "
			"them disturb each other; the daemon says so, and by how much. wall is "
			"the combination that is made not to."),
		TABLES(target_options, collect_options, format_options, socket_options,
			json_options),
		cmd_attach },
	{ "detach", "TARGET [OPTIONS]", "Stop collecting profiles of processes",
		TEXT("Removes the caller's own attachments of exactly this TARGET; root removes "
		     "anybody's. What was collected stays and can still be dumped."),
		TABLES(target_options, socket_options, json_options), cmd_detach },
	{ "ps", "[--all] [OPTIONS]", "List what is attached, or what could be",
		TEXT("Lists the attachments; with --all the processes that the caller may attach, "
		     "with their owner and the language runtime that was recognised."),
		TABLES(ps_options, socket_options, json_options), cmd_ps },
	{ "status", "[--features] [OPTIONS]", "Show the daemon's health, cost and losses",
		TEXT("Shows how far back one can ask, what was sampled and lost, and why, what the "
		     "daemon costs in time and memory, and which files it refuses to touch."),
		TABLES(status_options, socket_options, json_options), cmd_status },
	{ "dump", "[--type TYPE] [TARGET] [OPTIONS]", "Write a profile of what was collected",
		TEXT("Without TARGET the profile is of everything that the caller may see; without "
		     "--since, --until or --seconds it is of all that is held. It says from when "
		     "to when the profile is.",
			"To a terminal it writes ./TYPE.NAME.pb.gz (an existing file is kept with "
			".old behind its name) and shows the ten functions that take most. To a "
			"pipe it writes the profile. Ctrl-C writes what there is.",
			DUMP_TYPES),
		TABLES(target_options, dump_options, state_options, format_options, socket_options),
		cmd_dump },
	{ "record", "[OPTIONS] [TARGET] [-- COMMAND [ARGUMENTS...]]",
		"Run a command and write its profile",
		TEXT("Starts COMMAND attached from its first instruction, with its children, and "
		     "writes the profile when it ends. With TARGET as well, only matching "
		     "processes below COMMAND are profiled: profctl record --comm bench.test -- go "
		     "test -bench . Without COMMAND it profiles TARGET for --duration or until "
		     "Ctrl-C.",
			"The name of the output may hold %p (pid), %c (the command's name), %t "
			"(unix time) and %% (a percent sign). COMMAND's standard input and output "
			"are not touched, so that go test -exec 'profctl record -o cpu.%p.pb.gz "
			"--' works. With several types there is a profile of each, and its type "
			"comes in front of the suffix: -o x.pb.gz writes x.cpu.pb.gz and so on. "
			"What the types are says profctl-dump(1).",
			"Root without a daemon runs a private one for as long as the command "
			"takes.",
			"The exit status is COMMAND's own, or 128+N where signal N ended it; 125 "
			"where profctl itself failed, 126 where COMMAND cannot be executed, 127 "
			"where it was not found. At the first Ctrl-C it waits for COMMAND to end, "
			"at the second it kills it."),
		TABLES(target_options, collect_options, state_options, format_options,
			socket_options),
		cmd_record },
	{ "report", "FILE... [OPTIONS]", "Show a profile as text",
		TEXT("Reads any profile.proto files, also those of another tool, and adds them up; "
		     "- is standard input. On a terminal a long report is shown by PAGER (default: "
		     "less).",
			"Views, filters and numbers are those of go tool pprof. RE is a regular "
			"expression of RE2, matched against functions, files and modules. Shares "
			"are of the whole profile, also where filters leave a part of it. What "
			"the profile's drop_frames names is not shown."),
		TABLES(report_options, filter_options), cmd_report },
	{ "flame", "FILE... [OPTIONS]", "Draw a profile as a flame graph",
		TEXT("Draws any profile.proto files, added up, as one file that stands alone and "
		     "can be mailed: an SVG image, which shows names also without scripts, or an "
		     "HTML page, which holds more detail. A box is as wide as what was spent in a "
		     "function and all that it called; its callers are below it, or above it with "
		     "--icicle.",
			"In a browser: a click or Enter zooms, Escape shows all of it again, / "
			"searches by regular expression and says what share matches, n and N go "
			"to the next match, arrows move. The whole name and the values are shown "
			"of what the mouse or the focus is on.",
			"--focus and the like leave out frames and samples as in report; shares "
			"are of the whole profile nevertheless.",
			"Boxes too narrow to be seen are merged into grey ones; the graph says "
			"how many frames they hold and how much of the width.",
			"Without --output the drawing goes to standard output, or to ./FILE.svg "
			"where that is a terminal (an existing file is kept with .old behind its "
			"name)."),
		TABLES(flame_options, filter_options, drawing_options), cmd_flame },
	{ "diff", "BASE NEW [OPTIONS]", "Show what changed between two profiles",
		TEXT("Shows by function, or with --paths by call path, what BASE and NEW hold and "
		     "how "
		     "far they are apart, the largest change first; percentages are of BASE's "
		     "total. Differences are those of go tool pprof -base. With neither --lines "
		     "nor "
		     "--json it leaves out what changed by less than half a percent.",
			"Functions are matched by name, so that different builds can be compared. "
			"Functions without a name are matched by address within the same build, "
			"else by module.",
			"--focus and the like leave out frames and samples of both, as in report; "
			"totals and shares are of the whole profiles nevertheless.",
			"With --output or --format it draws a flame graph too: red has become "
			"more, blue less, and a box is as wide as the larger of both, so that "
			"what is gone can be seen.",
			"--fail-on is for CI. Shares are of each profile's own total: --fail-on 5% "
			"fails where the share that any function takes without its callees grew "
			"by more than 5 points (flat=5% means the same), cum=5% counts callees "
			"as well, func=REGEX:2% is cum for functions whose name matches, and "
			"total=10% is growth of the total in percent of BASE's; together with "
			"--normalize time it is growth per second. What crossed a threshold is "
			"said on standard error, and the exit status is 3."),
		TABLES(diff_options, filter_options, drawing_options, json_options), cmd_diff },
	{ "top", "[TARGET] [OPTIONS]", "Show what runs now, renewed every two seconds",
		TEXT("Shows what was collected of TARGET since the last time, of everything that "
		     "the caller may see without TARGET: functions, threads, processes or states, "
		     "with bars of the last minute. The first line says how many threads ran or "
		     "waited at once. Where nothing covers TARGET, it attaches for as long as it "
		     "runs.",
			"Keys: q ends it; space pauses; c sorts by the value with all that is "
			"called or without; f, t, p, w show functions, threads, processes, states; "
			"/ filters by a part of the name; Enter goes into a row: from a process, "
			"thread or state to its functions, from a function to who calls it; "
			"Backspace goes back.",
			"To a pipe it writes one table; on a terminal that cannot move its cursor "
			"(TERM=dumb) one each interval."),
		TABLES(target_options, top_options, state_options, socket_options), cmd_top },
	{ "serve", "[--listen ADDRESS]", "Serve /debug/pprof/ and flame graphs over HTTP",
		TEXT("Serves what net/http/pprof serves, with its paths, parameters and errors, "
		     "for every process that the caller may see: go tool pprof "
		     "http://localhost:6060/proc/PID/debug/pprof/profile?seconds=5 works for a "
		     "program that is not written in Go. It attaches for the asked seconds. "
		     "/debug/pprof/profile alone is everything that the caller may see; ?pid=, "
		     "?comm=, ?exe=, ?unit= and ?cgroup= choose. The index, /debug/pprof/, shows "
		     "the types that there are; symbol names the addresses of a process's "
		     "profiles.",
			"block, mutex and threadcreate are served as Go's are, and runq, offcpu "
			"and wall like them: with ?seconds=N of the next N seconds, else of all "
			"that is held, and where nothing is held, of the next five seconds. "
			"?debug=1 is text; ?state=, as in profctl-dump(1), chooses what was waited "
			"for.",
			"In a browser, / shows what is attached, what it costs and loses, and "
			"leads to the flame graphs of each process, of every type, renewed while "
			"they are looked at. What waits ends in what it waits for.",
			"It has no privilege beyond its user's, and answers only that user and "
			"root; everybody else is told 403. Requests that come by another name than "
			"that "
			"of this machine's loopback or of --listen, or from another site's page, "
			"are refused. Ctrl-C ends it."),
		TABLES(serve_options, socket_options), cmd_serve },
	{ "convert", "IN [OUT] [OPTIONS]", "Convert a profile to another format",
		TEXT("IN is any profile.proto file, - is standard input. Without OUT the result "
		     "goes to standard output."),
		TABLES(convert_options, format_options), cmd_convert },
	{ "merge", "FILE... [OPTIONS]", "Add profiles up",
		TEXT("Writes the sum of profile.proto files that measure the same: stacks and "
		     "labels that are equal become one sample, the time is the first, the duration "
		     "the sum. Where units differ in size (ns and ms, bytes and kB) values are "
		     "scaled to the smallest. Files are read one after the other, so that memory "
		     "is that of the "
		     "sum and of the largest file.",
			"Without --output the result goes to standard output."),
		TABLES(convert_options, format_options), cmd_merge },
	{ 0 },
};

const struct program profctl_program = {
	.name = "profctl",
	.section = 1,
	.summary = "see where processes spend their time",
	.text = TEXT("profctl asks the daemon, profd(8), for profiles of processes, without "
		     "touching the processes, and shows and converts profiles. It needs no "
		     "privilege beyond what its user has: any user sees its own processes; root "
		     "and the members of group profd see everything.",
		"TARGET is any of --pid, --comm, --exe, --cgroup, --unit and --all; several add "
		"up. A bare number is a pid. Children follow unless --no-children is given.",
		"Times are read as systemd.time(7) has them; a bare span means that long ago "
		"(--since 5m)."),
	.verbs = verbs,
};
