/* SPDX-License-Identifier: Apache-2.0 */
/* What top counts, remembers, draws and understands of keys: no terminal, no daemon. */
#include <string.h>
#include "base/cleanup.h"
#include "live/draw.h"
#include "live/rows.h"
#include "live/screen.h"
#include "view_common.h"

static uint32_t function_at(struct profile *p, const char *name, uint64_t address)
{
	struct profile_function f = { 0 };
	struct profile_line line = { 0 };
	uint32_t location;

	assert_int_equal(profile_add_string(p, name, &f.name), 0);
	f.system_name = f.name;
	assert_int_equal(profile_add_function(p, &f, &line.function), 0);
	assert_int_equal(
		profile_add_location(p, address, PROFILE_NONE, &line, 1, false, &location), 0);
	return location;
}

static uint32_t owner(struct profile *p, int64_t pid, int64_t tid, const char *comm)
{
	struct profile_label labels[4] = { { .num = pid }, { .num = tid }, { .num = 0 },
		{ .num = 0 } };
	uint32_t set;

	assert_int_equal(profile_add_string(p, "pid", &labels[0].key), 0);
	assert_int_equal(profile_add_string(p, "tid", &labels[1].key), 0);
	assert_int_equal(profile_add_string(p, "comm", &labels[2].key), 0);
	assert_int_equal(profile_add_string(p, comm, &labels[2].str), 0);
	assert_int_equal(profile_add_string(p, "state", &labels[3].key), 0);
	assert_int_equal(profile_add_string(p, tid == 1 ? "mutex" : "disk", &labels[3].str), 0);
	/* Process 9 is of a profile without states. */
	assert_int_equal(profile_add_label_set(p, labels, pid == 9 ? 3 : 4, &set), 0);
	return set;
}

static void sample_of(
	struct profile *p, uint32_t leaf, uint32_t root, uint32_t labels, int64_t value)
{
	uint32_t stack, frames[2] = { leaf, root };

	assert_int_equal(profile_add_stack(p, frames, 2, &stack), 0);
	assert_int_equal(profile_add_sample(p, stack, labels, &value, true), 0);
}

/* Process 1 has threads 1 and 2, process 9 one: main -> work and other -> work. */
static struct profile *make(void)
{
	struct profile *p;
	uint32_t main_, other, work;

	assert_int_equal(profile_new(&p), 0);
	assert_int_equal(profile_add_type(p, "cpu", "nanoseconds"), 0);
	main_ = function_at(p, "main", 1);
	other = function_at(p, "other", 2);
	work = function_at(p, "work\033[2J", 3);
	sample_of(p, work, main_, owner(p, 1, 1, "app"), 10);
	sample_of(p, work, main_, owner(p, 1, 2, "app"), 20);
	sample_of(p, work, other, owner(p, 9, 9, "<b>\033]0;x\a"), 5);
	return p;
}

static const struct row *row(const struct rows *r, size_t i)
{
	assert_true(i < r->all.n);
	return ARRAY_AT(&r->all, struct row, i);
}

static void count(struct rows *r, enum rows_by by, struct rows_focus focus, const char *filter)
{
	struct profile *p = make();

	assert_int_equal(rows_init(r, p, NULL, by, &focus), 0);
	rows_select(r, false, filter);
	profile_free(p);
}

static void test_rows_are_functions_threads_or_processes(void **state)
{
	struct rows r;

	(void)state;
	count(&r, ROWS_FUNCTION, (struct rows_focus){ 0 }, "");
	assert_int_equal(r.total, 35);
	assert_int_equal(r.all.n, 3);
	assert_int_equal(row(&r, 0)->flat, 35);
	assert_string_equal(row(&r, 1)->name, "main");
	assert_int_equal(row(&r, 1)->cum, 30);
	rows_deinit(&r);
	count(&r, ROWS_PROCESS, (struct rows_focus){ 0 }, "");
	assert_int_equal(r.all.n, 2);
	assert_string_equal(row(&r, 0)->name, "app [1]");
	assert_int_equal(row(&r, 0)->flat, 30);
	rows_deinit(&r);
	count(&r, ROWS_THREAD, (struct rows_focus){ 0 }, "");
	assert_int_equal(r.all.n, 3);
	assert_string_equal(row(&r, 0)->name, "app [2] of app [1]");
	assert_int_equal(row(&r, 0)->tid, 2);
	rows_deinit(&r);
}

static void test_rows_are_states(void **state)
{
	struct rows r;

	(void)state;
	count(&r, ROWS_STATE, (struct rows_focus){ 0 }, "");
	assert_int_equal(r.all.n, 3);
	assert_string_equal(row(&r, 0)->name, "disk");
	assert_int_equal(row(&r, 0)->flat, 20);
	assert_string_equal(row(&r, 1)->state, "mutex");
	assert_string_equal(row(&r, 2)->name, "[no state]");
	assert_int_equal(row(&r, 2)->flat, 5);
	rows_deinit(&r);
	count(&r, ROWS_FUNCTION, (struct rows_focus){ .state = "disk" }, "");
	assert_int_equal(row(&r, 0)->flat, 20);
	assert_int_equal(r.total, 35);
	rows_deinit(&r);
	count(&r, ROWS_FUNCTION, (struct rows_focus){ .state = "" }, "");
	assert_int_equal(row(&r, 0)->flat, 5);
	rows_deinit(&r);
	count(&r, ROWS_PROCESS, (struct rows_focus){ .state = "disk", .pid = 1 }, "");
	assert_int_equal(row(&r, 0)->flat, 20);
	rows_deinit(&r);
}

static void test_the_head_says_how_many_threads_at_once(void **state)
{
	struct rows r;

	(void)state;
	count(&r, ROWS_FUNCTION, (struct rows_focus){ 0 }, "");
	for (int cpu = 0; cpu < 2; cpu++) {
		struct draw d = { .rows = &r,
			.type = cpu ? "cpu" : "block",
			.target = "everything",
			.filter = "",
			.focus = "",
			.note = "",
			.span_ns = 14 };
		_cleanup_free_ char *text = NULL;
		size_t n;
		FILE *out = open_memstream(&text, &n);

		draw_plain(&d, 5, out);
		assert_int_equal(fclose(out), 0);
		assert_non_null(strstr(text, cpu ? " (2.50 CPUs)\n" : " (2.50 threads)\n"));
	}
	rows_deinit(&r);
}

static void test_focus_is_one_process_thread_or_function(void **state)
{
	struct rows r;
	char work[32];

	(void)state;
	count(&r, ROWS_FUNCTION, (struct rows_focus){ .pid = 9 }, "");
	assert_int_equal(row(&r, 0)->flat, 5);
	(void)snprintf(work, sizeof(work), "%s", row(&r, 0)->name);
	assert_int_equal(r.total, 35);
	rows_deinit(&r);
	count(&r, ROWS_FUNCTION, (struct rows_focus){ .pid = 1, .tid = 2 }, "");
	assert_int_equal(row(&r, 0)->flat, 20);
	rows_deinit(&r);
	count(&r, ROWS_FUNCTION, (struct rows_focus){ .function = work }, "");
	assert_int_equal(r.all.n, 2);
	assert_string_equal(row(&r, 0)->name, "main");
	assert_int_equal(row(&r, 0)->flat, 30);
	assert_string_equal(row(&r, 1)->name, "other");
	rows_deinit(&r);
	count(&r, ROWS_FUNCTION, (struct rows_focus){ 0 }, "OTH");
	assert_int_equal(r.all.n, 1);
	rows_deinit(&r);
}

static void test_history_moves_with_time_and_forgets(void **state)
{
	const struct history_entry *e;
	struct history h;
	char name[32];

	(void)state;
	history_init(&h);
	history_advance(&h, 100 * HISTORY_CELL_NS);
	history_add(&h, "a", 3, 4);
	history_add(&h, "a", 3, 4);
	history_advance(&h, 102 * HISTORY_CELL_NS);
	e = history_find(&h, "a");
	assert_non_null(e);
	assert_int_equal(e->flat[2], 6);
	assert_int_equal(e->cum[2], 8);
	assert_int_equal(e->flat[0], 0);
	history_advance(&h, (102 + HISTORY_CELLS) * HISTORY_CELL_NS);
	assert_null(history_find(&h, "a"));
	for (unsigned i = 0; i < HISTORY_NAMES + 100; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		history_add(&h, name, 1, 1);
	}
	assert_int_equal(h.entries.n, HISTORY_NAMES);
	history_deinit(&h);
}

/* Lines of what a screen got, without sequences; the longest is *ret_width columns. */
static unsigned lines_of(const char *text, unsigned *ret_width)
{
	unsigned lines = 1, width = 0, longest = 0;

	for (const char *s = text; *s; s++) {
		if (*s == '\033') {
			s += strcspn(s, "HKJmhl");
		} else if (*s == '\n') {
			lines++;
			width = 0;
		} else if (*s != '\r' && ((unsigned char)*s & 0xc0) != 0x80) {
			width++;
		}
		longest = width > longest ? width : longest;
	}
	*ret_width = longest;
	return lines;
}

static void test_a_screen_is_never_overdrawn(void **state)
{
	struct history h;
	struct rows r;

	(void)state;
	history_init(&h);
	count(&r, ROWS_PROCESS, (struct rows_focus){ 0 }, "");
	history_advance(&h, HISTORY_CELL_NS);
	for (unsigned i = 0; i < r.all.n; i++)
		history_add(&h, row(&r, i)->name, row(&r, i)->flat, row(&r, i)->cum);
	for (unsigned width = 1; width < 140; width += 3) {
		for (unsigned height = 1; height < 8; height++) {
			struct draw d = { .rows = &r,
				.history = &h,
				.target = "everything",
				.type = "cpu",
				.filter = "",
				.focus = "",
				.note = "",
				.utf8 = true,
				.span_ns = 1,
				.selected = 1,
				.width = width,
				.height = height };
			_cleanup_free_ char *text = NULL;
			unsigned wide;
			size_t n;
			FILE *out = open_memstream(&text, &n);

			draw_screen(&d, out);
			assert_int_equal(fclose(out), 0);
			assert_true(lines_of(text, &wide) <= height);
			assert_true(wide <= width);
			assert_null(strstr(text, "\033]"));
			assert_null(strchr(text, '\a'));
		}
	}
	rows_deinit(&r);
	history_deinit(&h);
}

static void test_plain_tables_hold_no_sequence(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct rows r;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	count(&r, ROWS_FUNCTION, (struct rows_focus){ 0 }, "");
	draw_plain(&(struct draw){ .rows = &r,
			   .target = "x",
			   .type = "cpu",
			   .filter = "",
			   .focus = "",
			   .note = "" },
		2, out);
	assert_int_equal(fclose(out), 0);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "work"));
	assert_non_null(strstr(text, "main"));
	assert_null(strstr(text, "other"));
	rows_deinit(&r);
}

static void test_keys_are_read_as_terminals_send_them(void **state)
{
	static const struct {
		const char *bytes;
		int key;
		size_t n;
	} keys[] = {
		{ "q", 'q', 1 },
		{ "\033[A", KEY_UP, 3 },
		{ "\033OB", KEY_DOWN, 3 },
		{ "\033[5~x", KEY_PAGE_UP, 4 },
		{ "\033", KEY_ESCAPE, 1 },
		{ "\r", KEY_ENTER, 1 },
		{ "\x7f", KEY_BACK, 1 },
		{ "\003", KEY_QUIT, 1 },
		{ "\x1a", KEY_SUSPEND, 1 },
		{ "\033[1;5Cq", KEY_NONE, 6 },
		{ "\033[", KEY_NONE, 2 },
		{ "\001", KEY_NONE, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t n;

		assert_int_equal(key_decode(keys[i].bytes, strlen(keys[i].bytes), &n), keys[i].key);
		assert_int_equal(n, keys[i].n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_functions_threads_or_processes),
		cmocka_unit_test(test_rows_are_states),
		cmocka_unit_test(test_the_head_says_how_many_threads_at_once),
		cmocka_unit_test(test_focus_is_one_process_thread_or_function),
		cmocka_unit_test(test_history_moves_with_time_and_forgets),
		cmocka_unit_test(test_a_screen_is_never_overdrawn),
		cmocka_unit_test(test_plain_tables_hold_no_sequence),
		cmocka_unit_test(test_keys_are_read_as_terminals_send_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
