/* SPDX-License-Identifier: Apache-2.0 */
/* Identity, quota and bits of attachments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "session/attachment.h"

static struct target_spec of_pid(uint32_t pid)
{
	struct target_spec t = { .n_pids = 1, .pids = calloc(1, sizeof(*t.pids)) };

	assert_non_null(t.pids);
	t.pids[0] = (struct target_pid){ .pid = pid, .pidfd = -1 };
	return t;
}

static int add(struct attachment_table *t, uint32_t pid, uint32_t uid, struct attachment **ret,
	bool *ret_updated, struct error *error)
{
	struct target_spec target = of_pid(pid);
	int r = attachment_table_add(t, &target, uid, 0, ret, ret_updated, error);

	target_spec_deinit(&target);
	return r;
}

static void the_same_owner_and_target_is_the_same_attachment(void **state)
{
	struct attachment_table *t;
	struct attachment *a, *b;
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 4), 0);
	assert_int_equal(add(t, 10, 1000, &a, &updated, NULL), 0);
	assert_false(updated);
	a->freq_hz = 49;
	assert_int_equal(add(t, 10, 1000, &b, &updated, NULL), 0);
	assert_true(updated);
	assert_ptr_equal(a, b);
	assert_int_equal(b->freq_hz, 49);
	assert_int_equal(add(t, 10, 1001, &b, &updated, NULL), 0);
	assert_false(updated);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(a->bit, b->bit);

	/* What ends with a connection is another. */
	struct target_spec same = of_pid(10);
	assert_int_equal(attachment_table_add(t, &same, 1000, 7, &b, &updated, NULL), 0);
	assert_false(updated);
	assert_ptr_not_equal(a, b);
	assert_int_equal(b->connection, 7);

	struct target_spec below = of_pid(10);
	below.below = TAKE_PTR(below.pids);
	below.n_below = 1;
	below.n_pids = 0;
	assert_int_equal(attachment_table_add(t, &below, 1000, 0, &b, &updated, NULL), 0);
	assert_false(updated);
	attachment_table_free(t);
}

static void a_request_does_not_take_over_what_the_configuration_collects(void **state)
{
	struct target_spec all = { .all = true };
	struct attachment_table *t;
	struct attachment *a, *b;
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 4), 0);
	assert_int_equal(attachment_table_add(t, &all, 0, 0, &a, &updated, NULL), 0);
	a->from_config = true;
	all.all = true;
	assert_int_equal(attachment_table_add(t, &all, 0, 0, &b, &updated, NULL), 0);
	assert_false(updated);
	assert_ptr_not_equal(a, b);
	attachment_table_free(t);
}

static void a_uid_has_its_quota_and_others_are_not_disturbed(void **state)
{
	struct attachment_table *t;
	struct attachment *a, *first;
	struct error error = ERROR_INIT;
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 2), 0);
	assert_int_equal(add(t, 1, 1000, &first, &updated, NULL), 0);
	assert_int_equal(add(t, 2, 1000, &a, &updated, NULL), 0);
	assert_int_equal(add(t, 3, 1000, &a, &updated, &error), -EDQUOT);
	assert_int_equal(error.code, EXIT_CODE_FAILED);
	assert_non_null(strstr(error.text, "uid 1000 has 2 attachments"));
	/* An update is no new one. */
	assert_int_equal(add(t, 2, 1000, &a, &updated, NULL), 0);
	assert_true(updated);
	assert_int_equal(add(t, 3, 1001, &a, &updated, NULL), 0);
	for (uint32_t pid = 100; pid < 110; pid++)
		assert_int_equal(add(t, pid, 0, &a, &updated, NULL), 0);
	attachment_table_remove(t, first);
	assert_int_equal(add(t, 3, 1000, &a, &updated, NULL), 0);
	attachment_table_free(t);
}

static void all_64_bits_are_given_once_and_ids_never_again(void **state)
{
	struct attachment_table *t;
	struct attachment *a;
	struct error error = ERROR_INIT;
	uint64_t bits = 0, last = 0;
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 4), 0);
	for (uint32_t i = 0; i < LIMIT_ATTACHMENTS; i++) {
		assert_int_equal(add(t, i + 1, 0, &a, &updated, NULL), 0);
		assert_int_equal(bits >> a->bit & 1, 0);
		bits |= 1ULL << a->bit;
		assert_true(a->id > last);
		last = a->id;
	}
	assert_true(bits == UINT64_MAX);
	assert_int_equal(add(t, 1000, 0, &a, &updated, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "all 64"));

	a = attachment_table_at(t, 17);
	uint64_t id = a->id;
	unsigned bit = a->bit;
	attachment_table_remove(t, a);
	assert_null(attachment_table_by_id(t, id));
	assert_int_equal(add(t, 1000, 0, &a, &updated, NULL), 0);
	assert_int_equal(a->bit, bit);
	assert_true(a->id > last);
	assert_ptr_equal(attachment_table_by_id(t, a->id), a);

	last = 0;
	size_t n = 0;
	for (struct attachment *it; (it = attachment_table_at(t, n)); n++) {
		assert_true(it->id > last);
		last = it->id;
	}
	assert_int_equal(n, LIMIT_ATTACHMENTS);
	attachment_table_free(t);
}

/* What was collected is held for long, by bit: a bit comes back as late as it can. */
static void a_bit_is_known_by_what_it_collected_until_it_is_given_again(void **state)
{
	struct attachment_table *t;
	struct attachment *a, *b;
	unsigned more, bit;
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 4), 0);
	assert_int_equal(add(t, 1, 0, &a, &updated, NULL), 0);
	assert_int_equal(attachment_table_take_bit(t, a, &more), 0);
	uint64_t bits = a->bits;
	attachment_table_collects(t, a, 1);
	assert_int_equal(a->types, 1);
	attachment_table_collects(t, a, 4);
	assert_int_equal(a->types, 4);
	assert_int_equal(attachment_table_types(t, 1ULL << more), 5);
	attachment_table_remove(t, a);
	assert_int_equal(attachment_table_types(t, bits), 5);
	for (unsigned i = 0; i < LIMIT_ATTACHMENTS - 2; i++) {
		assert_int_equal(add(t, 2, 0, &b, &updated, NULL), 0);
		assert_false(updated);
		assert_int_equal(b->bits & bits, 0);
		attachment_table_remove(t, b);
	}
	assert_int_equal(attachment_table_types(t, bits), 5);
	assert_int_equal(add(t, 2, 0, &b, &updated, NULL), 0);
	assert_int_not_equal(b->bits & bits, 0);
	bit = b->bit;
	assert_int_equal(attachment_table_types(t, 1ULL << bit), 0);
	attachment_table_collects(t, b, 2);
	assert_int_equal(attachment_table_types(t, bits), 7);
	attachment_table_free(t);
}

static void the_callers_target_is_untouched_when_nothing_is_added(void **state)
{
	struct attachment_table *t;
	struct attachment *a;
	struct target_spec target = of_pid(5);
	bool updated;

	(void)state;
	assert_int_equal(attachment_table_new(&t, 1), 0);
	assert_int_equal(add(t, 4, 1000, &a, &updated, NULL), 0);
	assert_int_equal(attachment_table_add(t, &target, 1000, 0, &a, &updated, NULL), -EDQUOT);
	assert_int_equal(target.n_pids, 1);
	assert_int_equal(target.pids[0].pid, 5);
	assert_int_equal(attachment_table_add(t, &target, 1001, 0, &a, &updated, NULL), 0);
	assert_int_equal(target.n_pids, 0);
	assert_null(target.pids);
	attachment_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_owner_and_target_is_the_same_attachment),
		cmocka_unit_test(a_request_does_not_take_over_what_the_configuration_collects),
		cmocka_unit_test(a_uid_has_its_quota_and_others_are_not_disturbed),
		cmocka_unit_test(all_64_bits_are_given_once_and_ids_never_again),
		cmocka_unit_test(a_bit_is_known_by_what_it_collected_until_it_is_given_again),
		cmocka_unit_test(the_callers_target_is_untouched_when_nothing_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
