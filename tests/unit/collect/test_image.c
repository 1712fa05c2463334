/* SPDX-License-Identifier: Apache-2.0 */
/* Which mapping of a profile is its main binary: the first, which every reader names as what was
 * profiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "collect/encoder.h"
#include "collect/image.h"

#define NOW_NS	     (100 * NS_PER_SEC)
#define LIBRARY	     0x7f0000000000ULL
#define PROGRAM	     0x400000ULL
#define KERNEL_FRAME 0xffffffff81000000ULL

struct world {
	struct dump_rooms rooms;
	struct strings strings;
	struct target_io *io;
	struct image image;
	uint64_t hash;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct dump_rooms *r = &w->rooms;
	struct aggregate_rooms below = { 0 };

	assert_int_equal(sd_event_new(&r->event), 0);
	assert_int_equal(target_io_new(&w->io, r->event), 0);
	assert_int_equal(module_table_new(&r->modules), 0);
	assert_int_equal(process_table_new(&r->processes, r->modules), 0);
	assert_int_equal(strings_init(&w->strings, 1 << 20, MIB), 0);
	r->strings = &w->strings;
	assert_int_equal(
		symbolizer_new(&r->symbolizer, r->event, w->io, r->modules, &w->strings, 1), 0);
	below = (struct aggregate_rooms){ .processes = r->processes,
		.modules = r->modules,
		.io = w->io,
		.symbolizer = r->symbolizer };
	assert_int_equal(aggregate_new(&r->aggregate, &below, 60 * NS_PER_SEC, 64 * MIB), 0);
	assert_int_equal(aggregate_set_rate(r->aggregate, 0, "cpu-clock", 99), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	aggregate_free(w->rooms.aggregate);
	symbolizer_free(w->rooms.symbolizer);
	process_table_free(w->rooms.processes);
	target_io_free(w->io);
	module_table_free(w->rooms.modules);
	strings_deinit(&w->strings);
	sd_event_unref(w->rooms.event);
	free(w);
	return 0;
}

/* A process that has just executed a program, which maps a library too. */
static void start(struct world *w, uint32_t pid, const char *program, uint64_t inode)
{
	struct process_table *t = w->rooms.processes;

	assert_int_equal(process_table_comm(t, pid, pid, "x", true, NOW_NS - 9), 0);
	assert_int_equal(process_table_mmap(t, pid, PROGRAM, PROGRAM + 0x1000, 0, 8, 1, inode, 0,
				 program, NOW_NS - 8),
		0);
	assert_int_equal(process_table_mmap(t, pid, LIBRARY, LIBRARY + 0x1000, 0, 8, 1, 1, 0,
				 "/lib/libc.so.6", NOW_NS - 7),
		0);
}

/* A sample of it with the frames, leaf first; the first n_kernel are the kernel's. */
static void sample(
	struct world *w, uint32_t pid, const uint64_t *frames, unsigned n_kernel, unsigned n_user)
{
	size_t n = (n_kernel + n_user) * sizeof(*frames);
	struct sample_record *record = calloc(1, sizeof(*record) + n);

	assert_non_null(record);
	*record = (struct sample_record){ .kind = RECORD_SAMPLE,
		.size = (uint32_t)(sizeof(*record) + n),
		.time_ns = NOW_NS,
		.stack_hash = ++w->hash,
		.tgid = pid,
		.tid = pid,
		.n_kernel = (uint16_t)n_kernel,
		.n_user = (uint16_t)n_user,
		.has_stack = 1 };
	memcpy(record->frames, frames, n);
	aggregate_sample(w->rooms.aggregate, record);
	free(record);
}

static bool any(void *userdata, const struct series_key *key)
{
	(void)userdata;
	(void)key;
	return true;
}

/* All of it as a profile, the caller's to free. */
static struct profile *dump(struct world *w)
{
	struct selection selection;
	struct profile *p = NULL;
	size_t n;

	selection_init(&selection, w->rooms.aggregate, PROFILE_CPU, 0, 0, false, any, NULL);
	while (!selection.done)
		assert_int_equal(selection_step(&selection, NS_PER_SEC), 0);
	assert_true(selection.rows.n > 0);
	image_init(&w->image, &w->rooms, &(struct image_options){ .kernel_addresses = true });
	ARRAY_EACH(&selection.rows, struct selected, row)
		assert_int_equal(image_add(&w->image, row), 0);
	_cleanup_close_ int fd = image_finish(&w->image, NOW_NS, NOW_NS + 1);
	assert_true(fd >= 0);
	image_deinit(&w->image);
	selection_deinit(&selection);
	assert_int_equal(io_regular_size(fd, MIB, &n), 0);
	void *snapshot = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(snapshot, MAP_FAILED);
	assert_int_equal(encoder_build(snapshot, n, &p), 0);
	(void)munmap(snapshot, n);
	return p;
}

static const char *mapping_file(const struct profile *p, uint32_t mapping)
{
	if (mapping == PROFILE_NONE)
		return "";
	return profile_text(p, ARRAY_AT(&p->mappings, struct profile_mapping, mapping)->file);
}

/* That the profile's location of an address is in that file. */
static void assert_address_in(const struct profile *p, uint64_t address, const char *file)
{
	ARRAY_EACH(&p->locations, struct profile_location, l) {
		if (l->address != address)
			continue;
		assert_string_equal(mapping_file(p, l->mapping), file);
		return;
	}
	fail_msg("no location 0x%llx", (unsigned long long)address);
}

static void main_binary_of_one_program_is_first(void **state)
{
	const uint64_t frames[] = { KERNEL_FRAME, LIBRARY + 0x10, PROGRAM + 0x20 };
	struct world *w = *state;
	struct profile *p;

	start(w, 10, "/bin/app", 2);
	start(w, 11, "/bin/app", 2);
	sample(w, 10, frames, 1, 2);
	sample(w, 11, frames, 1, 2);
	p = dump(w);
	assert_int_equal(p->mappings.n, 3);
	assert_string_equal(mapping_file(p, 0), "/bin/app");
	assert_address_in(p, KERNEL_FRAME, "[kernel.kallsyms]");
	assert_address_in(p, 0x10, "/lib/libc.so.6");
	assert_address_in(p, 0x1f, "/bin/app");
	profile_free(p);
}

static void several_programs_have_no_main_binary(void **state)
{
	const uint64_t frames[] = { KERNEL_FRAME, PROGRAM + 0x20, PROGRAM + 0x30 };
	struct world *w = *state;
	const struct profile_mapping *first;
	struct profile *p;

	start(w, 10, "/bin/app", 2);
	start(w, 11, "/bin/other", 3);
	sample(w, 10, frames, 1, 1);
	sample(w, 11, frames, 1, 2);
	sample(w, 10, frames, 1, 2);
	p = dump(w);
	first = p->mappings.data;
	assert_int_equal(p->mappings.n, 4);
	assert_string_equal(mapping_file(p, 0), "");
	assert_int_equal(first->build_id, 0);
	assert_true(first->has_functions);
	assert_address_in(p, KERNEL_FRAME, "[kernel.kallsyms]");
	profile_free(p);
}

static void program_that_was_not_met_is_no_main_binary(void **state)
{
	const uint64_t frames[] = { LIBRARY + 0x10 };
	struct world *w = *state;
	struct profile *p;

	start(w, 10, "/bin/app", 2);
	sample(w, 10, frames, 0, 1);
	p = dump(w);
	assert_string_equal(mapping_file(p, 0), "");
	assert_address_in(p, 0x10, "/lib/libc.so.6");
	profile_free(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(main_binary_of_one_program_is_first),
		TEST(several_programs_have_no_main_binary),
		TEST(program_that_was_not_met_is_no_main_binary),
	};

	/* This program is its own target helper; what it is asked to open is not there. */
	if (argc == 3 && strcmp(argv[1], "--helper") == 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
