/* SPDX-License-Identifier: Apache-2.0 */
/* The pure readers of the room: CPU lists, idle times, sideband records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "kernel/internal.h"

static void cpu_lists_are_read_with_ranges_and_gaps(void **state)
{
	struct cpus c;

	(void)state;
	assert_int_equal(cpus_parse("0-2,5\n", &c), 0);
	assert_int_equal(c.n, 6);
	assert_true(c.online[0] && c.online[2] && c.online[5]);
	assert_false(c.online[3] || c.online[4]);
	assert_int_equal(cpus_parse("1023,1024-99999999\n", &c), 0);
	assert_int_equal(c.n, ABI_MAX_CPUS);
}

static void a_broken_cpu_list_leaves_the_output_alone(void **state)
{
	static const char *const broken[] = { "", "\n", "x", "3-1", "1-", "0 1", "-1" };
	struct cpus c = { .n = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		assert_int_equal(cpus_parse(broken[i], &c), -EINVAL);
	assert_int_equal(c.n, 77);
}

static void idle_is_idle_and_iowait_of_each_cpu_line(void **state)
{
	uint64_t idle[3] = { 1, 1, 1 };

	(void)state;
	cpus_parse_idle("cpu  10 0 10 1000 10 0 0 0 0 0\n"
			"cpu0 5 0 5 600 7 0 0 0 0 0\n"
			"cpu2 5 0 5 400 3 0 0 0 0 0\n"
			"cpu9 5 0 5 400 3 0 0 0 0 0\n"
			"intr 12345 1 2 3\n",
		100, idle, 3);
	assert_int_equal(idle[0], 6070000000ULL);
	assert_int_equal(idle[1], 1);
	assert_int_equal(idle[2], 4030000000ULL);
}

/* A record of `type` with a body, and the sample_id of TID | TIME | CPU behind it. */
static size_t record(uint8_t *out, uint32_t type, uint16_t misc, const void *body, size_t n)
{
	struct perf_event_header h = { .type = type, .misc = misc, .size = (uint16_t)(8 + n + 24) };
	struct {
		uint32_t pid, tid;
		uint64_t time;
		uint32_t cpu, reserved;
	} id = { 1, 1, 123456789, 0, 0 };

	memcpy(out, &h, 8);
	memcpy(out + 8, body, n);
	memcpy(out + 8 + n, &id, 24);
	return h.size;
}

static void a_mapping_is_read_with_its_file(void **state)
{
	struct {
		uint32_t pid, tid;
		uint64_t addr, len, pgoff;
		uint32_t major, minor;
		uint64_t inode, generation;
		uint32_t prot, flags;
		char path[16];
	} m = { 7, 8, 0x400000, 0x1000, 0x2000, 8, 1, 99, 3, 5, 2, "/usr/bin/true" };
	uint8_t bytes[256];
	struct sideband_event e;
	size_t n = record(bytes, PERF_RECORD_MMAP2, 0, &m, sizeof(m));

	(void)state;
	assert_true(sideband_parse(bytes, n, &e));
	assert_int_equal(e.kind, SIDEBAND_MMAP);
	assert_int_equal(e.time_ns, 123456789);
	assert_int_equal(e.pid, 7);
	assert_int_equal(e.tid, 8);
	assert_int_equal(e.start, 0x400000);
	assert_int_equal(e.length, 0x1000);
	assert_int_equal(e.offset, 0x2000);
	assert_int_equal(e.major, 8);
	assert_int_equal(e.minor, 1);
	assert_int_equal(e.inode, 99);
	assert_int_equal(e.generation, 3);
	assert_int_equal(e.prot, 5);
	assert_string_equal(e.text, "/usr/bin/true");
}

static void a_path_without_its_end_is_no_path(void **state)
{
	uint8_t body[80], bytes[256];
	struct sideband_event e;

	(void)state;
	memset(body, 'x', sizeof(body));
	assert_true(
		sideband_parse(bytes, record(bytes, PERF_RECORD_MMAP2, 0, body, sizeof(body)), &e));
	assert_string_equal(e.text, "");
}

static void names_of_exec_are_told_from_others_and_strangers_have_no_pid(void **state)
{
	struct {
		uint32_t pid, tid;
		char comm[16];
	} m = { UINT32_MAX, 5, "a name" };
	uint8_t bytes[256];
	struct sideband_event e;

	(void)state;
	assert_true(sideband_parse(bytes,
		record(bytes, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, &m, sizeof(m)), &e));
	assert_int_equal(e.kind, SIDEBAND_COMM);
	assert_true(e.exec);
	assert_int_equal(e.pid, 0);
	assert_int_equal(e.tid, 5);
	assert_string_equal(e.text, "a name");
	assert_true(sideband_parse(bytes, record(bytes, PERF_RECORD_COMM, 0, &m, sizeof(m)), &e));
	assert_false(e.exec);
}

static void forks_name_child_and_parent_and_lost_says_how_many(void **state)
{
	struct {
		uint32_t pid, ppid, tid, ptid;
		uint64_t time;
	} fork = { 10, 9, 11, 12, 0 };
	uint64_t lost[2] = { 1, 42 };
	uint8_t bytes[256];
	struct sideband_event e;

	(void)state;
	assert_true(
		sideband_parse(bytes, record(bytes, PERF_RECORD_FORK, 0, &fork, sizeof(fork)), &e));
	assert_int_equal(e.kind, SIDEBAND_FORK);
	assert_int_equal(e.pid, 10);
	assert_int_equal(e.ppid, 9);
	assert_int_equal(e.tid, 11);
	assert_int_equal(e.ptid, 12);
	assert_true(
		sideband_parse(bytes, record(bytes, PERF_RECORD_LOST, 0, lost, sizeof(lost)), &e));
	assert_int_equal(e.kind, SIDEBAND_LOST);
	assert_int_equal(e.lost, 42);
}

static void records_cut_at_any_length_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		size_t least;
	} kinds[] = { { PERF_RECORD_MMAP2, 64 }, { PERF_RECORD_COMM, 8 }, { PERF_RECORD_FORK, 24 },
		{ PERF_RECORD_EXIT, 24 }, { PERF_RECORD_LOST, 16 } };
	uint8_t body[80] = { 0 };
	struct sideband_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (size_t n = 0; n < sizeof(body); n++) {
			/* On the heap, so that reading past the end is seen. */
			uint8_t *bytes = malloc(8 + n + 24);
			size_t whole;

			assert_non_null(bytes);
			whole = record(bytes, kinds[i].type, 0, body, n);
			assert_int_equal(sideband_parse(bytes, whole, &e), n >= kinds[i].least);
			free(bytes);
		}
	for (size_t n = 0; n < 32; n++)
		assert_false(sideband_parse(body, n, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_lists_are_read_with_ranges_and_gaps),
		cmocka_unit_test(a_broken_cpu_list_leaves_the_output_alone),
		cmocka_unit_test(idle_is_idle_and_iowait_of_each_cpu_line),
		cmocka_unit_test(a_mapping_is_read_with_its_file),
		cmocka_unit_test(a_path_without_its_end_is_no_path),
		cmocka_unit_test(names_of_exec_are_told_from_others_and_strangers_have_no_pid),
		cmocka_unit_test(forks_name_child_and_parent_and_lost_says_how_many),
		cmocka_unit_test(records_cut_at_any_length_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
