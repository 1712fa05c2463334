/* SPDX-License-Identifier: Apache-2.0 */
/* Modules: which files are the same, and who keeps their descriptors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "proc/module.h"
#include "proc/quarantine.h"

static struct module_table *t;

static int setup(void **state)
{
	(void)state;
	return module_table_new(&t) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	t = module_table_free(t);
	return 0;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void a_file_is_one_module_under_any_name(void **state)
{
	(void)state;
	struct module *a = module_table_file(t, 8, 1, 77, 5, "/lib/a");

	assert_ptr_equal(a, module_table_file(t, 8, 1, 77, 5, "/mnt/a"));
	assert_string_equal(a->path, "/lib/a");
	assert_ptr_not_equal(a, module_table_file(t, 8, 2, 77, 5, "/lib/a"));
	assert_ptr_not_equal(a, module_table_file(t, 8, 1, 78, 5, "/lib/a"));
	assert_ptr_equal(a, module_table_get(t, a->id));
	assert_null(module_table_get(t, module_table_n(t)));
}

static void a_reused_inode_is_another_file_where_the_generation_is_known(void **state)
{
	(void)state;
	struct module *unknown = module_table_file(t, 8, 1, 77, 0, "/lib/a");
	struct module *first = module_table_file(t, 8, 1, 77, 5, "/lib/a");
	struct module *second = module_table_file(t, 8, 1, 77, 6, "/lib/b");

	assert_ptr_equal(unknown, first);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(module_table_file(t, 8, 1, 77, 5, "/lib/a"), first);
	assert_ptr_equal(module_table_file(t, 8, 1, 77, 0, "/lib/b"), second);
}

static void jit_modules_are_by_life_of_a_process(void **state)
{
	(void)state;
	struct module *a = module_table_jit(t, 7, 100);

	assert_ptr_equal(a, module_table_jit(t, 7, 100));
	assert_ptr_not_equal(a, module_table_jit(t, 7, 200));
	assert_ptr_not_equal(a, module_table_jit(t, 8, 100));
	assert_int_equal(a->kind, MODULE_JIT);
	assert_int_equal(module_table_pseudo(t, MODULE_VDSO)->kind, MODULE_VDSO);
	assert_int_equal(module_table_pseudo(t, MODULE_KERNEL)->kind, MODULE_KERNEL);
	assert_null(module_table_pseudo(t, MODULE_JIT));
}

static void descriptors_are_closed_when_replaced_failed_or_freed(void **state)
{
	(void)state;
	struct module *m = module_table_file(t, 8, 1, 77, 5, "/lib/a");
	int first = open("/dev/null", O_RDONLY), second = open("/dev/null", O_RDONLY);

	module_set_file(m, first, 10, 20, 30, 40, true);
	assert_int_equal(m->file_state, MODULE_FILE_OPEN);
	assert_int_equal(m->fd, first);
	module_set_file(m, second, 10, 20, 30, 40, true);
	assert_false(is_open(first));
	module_set_file_error(m, -ESTALE);
	assert_false(is_open(second));
	assert_int_equal(m->file_state, MODULE_FILE_FAILED);
	assert_int_equal(m->file_error, -ESTALE);
	first = open("/dev/null", O_RDONLY);
	module_set_file(m, first, 10, 20, 30, 40, true);
	t = module_table_free(t);
	assert_false(is_open(first));
}

static void files_are_held_up_to_the_cap_and_no_further(void **state)
{
	(void)state;
	unsigned refused = 0;

	/* Numbers that are no open descriptors stand for open ones: the table only counts. */
	for (uint64_t i = 0; i <= LIMIT_MODULE_FDS; i++) {
		struct module *m = module_table_file(t, 8, 1, 1000 + i, 1, "/lib/x");

		module_set_file(m, 1 << 20, 1, 1, 1, 0, true);
		refused += m->file_error == -EMFILE && m->fd == -1;
	}
	assert_int_equal(refused, 1);
}

static void a_full_table_gives_no_more(void **state)
{
	(void)state;
	uint64_t inode = 1;

	while (module_table_n(t) < LIMIT_MODULES)
		assert_non_null(module_table_file(t, 8, 1, inode++, 1, ""));
	assert_null(module_table_file(t, 8, 1, inode, 1, ""));
	assert_non_null(module_table_file(t, 8, 1, 1, 1, ""));
	assert_null(module_table_jit(t, 1, 1));
}

static bool id_is(void *userdata, uint32_t id)
{
	return *(uint32_t *)userdata == id;
}

static bool agree(void *userdata, uint32_t id)
{
	(void)userdata;
	(void)id;
	return true;
}

static void a_sweep_takes_what_nobody_has_used_for_a_while(void **state)
{
	uint64_t later = 1 + MODULE_IDLE_NS;

	(void)state;
	struct module *used = module_table_file(t, 8, 1, 1, 0, "/used");
	struct module *mapped = module_table_file(t, 8, 1, 2, 0, "/mapped");
	struct module *idle = module_table_file(t, 8, 1, 3, 5, "/old");
	struct module *newer = module_table_file(t, 8, 1, 3, 6, "/new");
	uint32_t used_id = used->id, idle_id = idle->id, newer_id = newer->id;
	uint64_t serial = idle->serial;

	mapped->n_processes = newer->n_processes = 1;
	assert_int_equal(module_table_sweep(t, 1, id_is, agree, &used_id), 0);
	assert_int_equal(module_table_sweep(t, later - 1, id_is, agree, &used_id), 0);
	assert_int_equal(module_table_sweep(t, later, id_is, agree, &used_id), 1);
	assert_null(module_table_get(t, idle_id));
	assert_non_null(module_table_get(t, used_id));
	/* The other file of that inode is still found, the swept one is a new module in its place.
	 */
	assert_int_equal(module_table_file(t, 8, 1, 3, 6, "/new")->id, newer_id);
	assert_int_equal(module_table_jit(t, 9, 9)->id, idle_id);
	assert_true(module_table_get(t, idle_id)->serial > serial);
	newer->n_processes = 0;
	(void)module_table_sweep(t, later, id_is, agree, &used_id);
	assert_int_equal(module_table_sweep(t, 2 * later, id_is, agree, &used_id), 2);
	assert_int_equal(module_table_file(t, 8, 1, 3, 6, "/again")->id, newer_id);
}

static void quarantine_forgets_and_spares_the_root(void **state)
{
	(void)state;
	static struct quarantine q;

	quarantine_init(&q);
	q.root_major = 254;
	q.root_minor = 0;
	assert_true(quarantine_add(&q, 0, 47, 5, true, 1000));
	assert_false(quarantine_add(&q, 0, 47, 6, true, 1000));
	assert_true(quarantine_holds(&q, 0, 47, 9, 1001));
	assert_false(quarantine_holds(&q, 0, 48, 9, 1001));
	assert_false(quarantine_holds(&q, 0, 47, 9, 1001 + QUARANTINE_NS));
	/* The root device cannot be taken away from everybody by one process. */
	assert_true(quarantine_add(&q, 254, 0, 5, true, 1000));
	assert_true(quarantine_holds(&q, 254, 0, 5, 1001));
	assert_false(quarantine_holds(&q, 254, 0, 6, 1001));
	/* What was refused is told once, and asked again. */
	assert_true(quarantine_add(&q, 0, 50, 5, false, 1000));
	assert_false(quarantine_holds(&q, 0, 50, 5, 1001));
	for (uint32_t i = 0; i < 2 * QUARANTINE_DEVICES; i++)
		assert_true(quarantine_add(&q, 1, i, 5, true, 2000 + i));
	assert_false(quarantine_holds(&q, 0, 47, 9, 3000));
	assert_true(quarantine_holds(&q, 1, 2 * QUARANTINE_DEVICES - 1, 9, 3000));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_is_one_module_under_any_name),
		T(a_reused_inode_is_another_file_where_the_generation_is_known),
		T(jit_modules_are_by_life_of_a_process),
		T(descriptors_are_closed_when_replaced_failed_or_freed),
		T(files_are_held_up_to_the_cap_and_no_further),
		T(a_full_table_gives_no_more),
		T(a_sweep_takes_what_nobody_has_used_for_a_while),
		T(quarantine_forgets_and_spares_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
