/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the knowledge of which interpreters and JITs there are, and which switch makes each of them
 * name its frames. Sources: docs.python.org/3.12/howto/perf_profiling, `node --v8-options`,
 * JDK 17's `jcmd help Compiler.perfmap`. Names and arguments are the target's: compared, never
 * trusted.
 */
#include <ctype.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/process.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "python3.11" is python, "pythonista" is not. */
static bool is_versioned(const char *name, const char *stem)
{
	size_t n = strlen(stem);

	if (strncmp(name, stem, n) != 0)
		return false;
	for (name += n; *name; name++)
		if (!isdigit((unsigned char)*name) && *name != '.' && *name != '-' && *name != 'd')
			return false;
	return true;
}

/* One of the NUL-separated arguments begins with the text. */
static bool has_argument(const char *cmdline, size_t n, const char *text)
{
	size_t text_n = strlen(text);

	for (size_t i = 0; i < n; i += strnlen(cmdline + i, n - i) + 1)
		if (n - i >= text_n && !memcmp(cmdline + i, text, text_n))
			return true;
	return false;
}

struct runtime_info process_runtime(const char *exe, const char *cmdline, size_t cmdline_n)
{
	static const struct {
		const char *stem, *name, *hint, *already;
	} runtimes[] = {
		{ "python", "cpython", "python3 -X perf (Python 3.12 or later)", "perf" },
		{ "pypy", "pypy", "", NULL },
		{ "node", "node", "node --perf-basic-prof", "--perf-basic-prof" },
		{ "nodejs", "node", "node --perf-basic-prof", "--perf-basic-prof" },
		{ "deno", "deno", "deno --v8-flags=--perf-basic-prof",
			"--v8-flags=--perf-basic-prof" },
		{ "java", "jvm",
			"jcmd PID Compiler.perfmap (JDK 17 or later; java "
			"-XX:+PreserveFramePointer for whole stacks)",
			NULL },
		{ "dotnet", "dotnet", "DOTNET_PerfMapEnabled=1", NULL },
		{ "ruby", "ruby", "ruby --yjit --yjit-perf (Ruby 3.3 or later)", "--yjit-perf" },
		{ "php", "php", "php -d opcache.jit_debug=0x10", NULL },
		{ "perl", "perl", "", NULL },
		{ "luajit", "luajit", "", NULL },
	};
	const char *name = base_name(exe);

	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		struct runtime_info r = { runtimes[i].name, runtimes[i].hint };

		if (!is_versioned(name, runtimes[i].stem))
			continue;
		/* "-X perf" is two arguments, or "-Xperf" one. */
		if (runtimes[i].already &&
			(has_argument(cmdline, cmdline_n, runtimes[i].already) ||
				(!strcmp(r.name, "cpython") &&
					has_argument(cmdline, cmdline_n, "-Xperf"))))
			r.hint = "";
		return r;
	}
	return (struct runtime_info){ "", "" };
}
