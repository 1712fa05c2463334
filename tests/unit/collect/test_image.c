/* SPDX-License-Identifier: Apache-2.0 */
/* Which mapping of a profile is its main binary: the first, which every reader names as what was
 * profiled. */
#include "world.h"

static struct profile *dump(struct world *w)
{
	struct profile *p = dump_of(w, &(struct ask){ .type = PROFILE_CPU });

	assert_non_null(p);
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
