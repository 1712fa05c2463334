/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `report --top` against `go tool pprof -top`: the same header, rows and numbers for profiles made
 * by chance (recursion, inlining, C++ names, dropped frames, negative values, missing names), and
 * not a word from pprof about symbols. Skipped where there is no go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "view_common.h"
#include "base/io.h"
#include "profile/pprof.h"
#include "view/filter.h"
#include "view/graph.h"

#define SKIP	 77
#define PROFILES 20

static char file[] = "/tmp/test_view_pprof.XXXXXX";
static uint64_t random_state;

static uint32_t any(uint32_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % n;
}

static uint32_t any_function(struct profile *p, uint32_t i)
{
	static const char *const kinds[] = { "f%u", "main.(*T%u).run", "main.generic%u[...]",
		"ns::f%u<int, (a)0>(std::vector<x>)", "operator%u(", "_start%u", "a%u b)(", "@%u" };
	char name[64], system[80];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(name, sizeof(name), kinds[any(ARRAY_SIZE(kinds))], i / 2);
#pragma GCC diagnostic pop
	snprintf(system, sizeof(system), "%s%s", name, any(3) ? "" : "_mangled");
	struct profile_function f = { .start_line = i };
	if (any(12)) {
		f.name = any(10) ? string(p, name) : 0;
		f.system_name = string(p, system);
	}
	f.file = string(p, any(2) ? "/src/a.c" : "");
	uint32_t id;
	assert_int_equal(profile_add_function(p, &f, &id), 0);
	return id;
}

static struct profile *any_profile(uint64_t seed)
{
	static const char *const units[] = { "nanoseconds", "bytes", "count", "kilobytes",
		"widgets", "ms" };
	uint32_t functions[40], locations[120], n_functions, n_locations, maps[3];

	random_state = seed * 2654435761u + 12345;
	struct profile *p =
		new_profile("samples", "count", "value", units[seed % ARRAY_SIZE(units)]);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		char path[32], id[32];
		snprintf(path, sizeof(path), "/usr/lib/lib%zu.so", i);
		snprintf(id, sizeof(id), "%08x", any(UINT32_MAX));
		maps[i] = mapping(p, path, id);
	}
	n_functions = 2 + any(38);
	for (uint32_t i = 0; i < n_functions; i++)
		functions[i] = any_function(p, i);
	n_locations = 2 + any(118);
	for (uint32_t i = 0; i < n_locations; i++) {
		struct profile_line lines[4];
		uint32_t n = any(10) ? any(8) ? 1 : 1 + any(4) : 0;
		for (uint32_t k = 0; k < n; k++)
			lines[k] = (struct profile_line){ .function = functions[any(n_functions)],
				.line = any(100) };
		assert_int_equal(
			profile_add_location(p, any(1 << 21), any(10) ? maps[any(3)] : PROFILE_NONE,
				lines, n, false, &locations[i]),
			0);
	}
	if (seed % 3 == 0) {
		p->drop_frames = string(p, "f1|_start.*|main\\.(?:.*)2|ns::f3");
		p->keep_frames = string(p, seed % 2 ? ".*2.*" : "");
	}
	if (seed % 4) {
		p->time_nanos = 1700000000123456789 + (int64_t)seed * 50000000000000;
		p->duration_nanos = (int64_t)any(2000000000) * 10;
	}
	for (uint32_t i = 0, n = 1 + any(300); i < n; i++) {
		uint32_t stack[30], depth = any(30);
		for (uint32_t k = 0; k < depth; k++)
			stack[k] = locations[any(any(2) ? n_locations : MIN(n_locations, 5U))];
		int64_t v = (int64_t)any(1000) * any(1000) * (any(40) ? 1 : 100000);
		sample(p, stack, depth, 1 + any(3), seed % 5 == 4 && !any(4) ? -v : v);
	}
	assert_int_equal(profile_add_comment(p, "seed %u", (unsigned)seed), 0);
	return p;
}

/* Output and what is said on standard error, of `go tool pprof -top ARGS... FILE`; -1: no go. */
static int pprof(const char *args, char **ret)
{
	char command[256];
	size_t n;

	snprintf(command, sizeof(command),
		"TZ=UTC PPROF_BINARY_PATH=/nonexistent go tool pprof -top %s %s 2>&1", args, file);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(io_read_fd(fileno(out), 1 << 26, ret, &n), 0);
	int status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Says only the first line that differs. */
static void assert_same_lines(char *got, char *want, const char *args)
{
	char *rest_got, *rest_want;
	char *a = strtok_r(got, "\n", &rest_got), *b = strtok_r(want, "\n", &rest_want);
	char seed[32] = "";

	for (; a || b; a = strtok_r(NULL, "\n", &rest_got), b = strtok_r(NULL, "\n", &rest_want)) {
		if (a && !strncmp(a, "seed ", 5))
			snprintf(seed, sizeof(seed), "%s", a);
		if (!a || !b || strcmp(a, b))
			fail_msg("%s %s\n  ours:  %s\n  pprof: %s", seed, args, a ?: "(end)",
				b ?: "(end)");
	}
}

static void compare(const struct profile *p, const char *args, const struct view_options *o)
{
	_cleanup_free_ char *want = NULL, *got = show(view_top, p, o);

	assert_int_equal(pprof(args, &want), 0);
	/* What follows the rows is our own. */
	char *tail = strstr(got, "\n\nFunctions without a name");
	if (tail)
		tail[1] = '\0';
	assert_same_lines(got, want, args);
}

static void write_file(const struct profile *p)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pprof_write(p, fd, 1), 0);
}

static void tables_are_equal_to_pprofs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= PROFILES; seed++) {
		struct profile *p = any_profile(seed);
		write_file(p);
		compare(p, "", &(struct view_options){ 0 });
		compare(p, "-nodecount=7 -nodefraction=0", &(struct view_options){ .n = 7 });
		compare(p, "-cum -nodecount=1000 -nodefraction=0 -sample_index=samples",
			&(struct view_options){ .n = -1, .cum = true, .sample_index = "samples" });
		profile_free(p);
	}
}

/* A state of some samples, a number of others, both of some. */
static void label_samples(struct profile *p)
{
	static const char *const states[] = { "mutex", "disk", "pool-idle" };

	for (size_t i = 0; i < profile_n_samples(p); i++) {
		struct profile_label labels[] = {
			{ .key = string(p, "state"), .str = string(p, states[any(3)]) },
			{ .key = string(p, "size"),
				.num = 1 + any(5000),
				.num_unit = string(p, any(2) ? "bytes" : "") },
		};
		uint32_t first = any(2), n = any(3);

		assert_int_equal(profile_add_label_set(p, &labels[first], MIN(n, 2 - first),
					 ARRAY_AT(&p->sample_labels, uint32_t, i)),
			0);
	}
}

static void frames_of_labels_are_pprofs(void **state)
{
	static const struct {
		const char *args;
		struct filter filter;
	} cases[] = {
		{ "-tagroot=state", { .tagroot = "state" } },
		{ "-tagleaf=state,size", { .tagleaf = "state,size" } },
		{ "-tagroot=size -focus=mutex -tagleaf=state",
			{ .tagroot = "size", .focus = "mutex", .tagleaf = "state" } },
	};

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		const size_t i = seed % ARRAY_SIZE(cases);
		struct profile *p = any_profile(seed);
		struct error e = ERROR_INIT;
		_cleanup_free_ char *said = NULL;
		char args[160];
		int64_t total;
		size_t n;
		FILE *notes = open_memstream(&said, &n);

		label_samples(p);
		write_file(p);
		assert_int_equal(graph_total(p, 1, &total), 0);
		assert_int_equal(filter_apply(p, &cases[i].filter, notes, &e), 0);
		fclose(notes);
		snprintf(args, sizeof(args), "%s -nodecount=10000 -nodefraction=0", cases[i].args);
		compare(p, args,
			&(struct view_options){
				.n = -1, .total = &total, .filter = &cases[i].filter });
		profile_free(p);
	}
}

static void pprof_has_nothing_to_symbolize_or_to_complain_about(void **state)
{
	struct profile *p = new_profile("samples", "count", "cpu", "nanoseconds");
	_cleanup_free_ char *said = NULL;
	uint32_t lib = mapping(p, "/no/such/libx.so.1", "0123456789abcdef"),
		 kernel = mapping(p, "[kernel.kallsyms]", "");

	(void)state;
	sample(p,
		(uint32_t[]){ location_in(p, kernel, "schedule", 0x150000),
			location_in(p, lib, "libx.so.1+0x1230", 0x1240) },
		2, 1, 10101010);
	write_file(p);
	assert_int_equal(pprof("", &said), 0);
	/* The table begins at once: no message before it. */
	assert_int_equal(strncmp(said, "File: libx.so.1\n", 16), 0);
	assert_null(strstr(said, "ymboliz"));
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_equal_to_pprofs),
		cmocka_unit_test(frames_of_labels_are_pprofs),
		cmocka_unit_test(pprof_has_nothing_to_symbolize_or_to_complain_about),
	};

	if (system("go tool pprof -h 2>&1 | grep -q usage:") != 0) {
		puts("skipped: there is no `go tool pprof`");
		return SKIP;
	}
	setenv("TZ", "UTC", 1);
	int fd = mkstemp(file);
	if (fd < 0)
		return 1;
	close(fd);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return r;
}
