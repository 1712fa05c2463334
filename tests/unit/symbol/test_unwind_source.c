/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way of an unwind table: module, target helper, sandboxed worker, sealed memory. This
 * program is its own helper. */
#include "rooms.h"
#include <sys/mman.h>
#include "symbol/unwind_source.h"

struct world {
	struct rooms rooms;
	struct unwind_source *source;
	int error;
	struct unwind_answer answer;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	rooms_init(&w->rooms);
	assert_int_equal(unwind_source_new(&w->source, w->rooms.event, w->rooms.io, 1), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	unwind_answer_deinit(&w->answer);
	unwind_source_free(w->source);
	rooms_deinit(&w->rooms);
	free(w);
	return 0;
}

static void on_done(void *userdata, uint32_t module, int error, struct unwind_answer *answer)
{
	struct world *w = userdata;

	(void)module;
	w->error = error;
	w->rooms.waiting--;
	unwind_answer_deinit(&w->answer);
	w->answer = *answer;
	*answer = (struct unwind_answer){ 0 };
}

static int build(struct world *w, struct module *m)
{
	w->rooms.waiting++;
	assert_int_equal(unwind_source_build(w->source, m, on_done, w), 0);
	rooms_finish(&w->rooms);
	return w->error;
}

static const struct unwind_rule_entry *rule_at(const struct unwind_view *v, uint64_t vaddr)
{
	uint64_t at = vaddr - v->header->vaddr;
	uint32_t page = (uint32_t)(at >> UNWIND_PAGE_SHIFT), found;

	assert_true(page < v->header->n_pages);
	found = v->page_index[page] - 1;
	for (uint32_t i = v->page_index[page]; i < v->page_index[page + 1]; i++) {
		if (v->rows[i] >> UNWIND_ROW_SHIFT <= (at & ((1U << UNWIND_PAGE_SHIFT) - 1)))
			found = i;
	}
	assert_true((v->rows[found] & UNWIND_ROW_RULE) < v->header->n_rules);
	return &v->rules[v->rows[found] & UNWIND_ROW_RULE];
}

static uint64_t address_of(const char *name, const char *symbol)
{
	char command[256];
	unsigned long long v = 0;
	FILE *f;

	(void)snprintf(command, sizeof(command), "nm %s/%s | awk '$3 == \"%s\" { print $1 }'",
		directory, name, symbol);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &v), 1);
	(void)pclose(f);
	return v;
}

static void build_program(const char *name, const char *flags)
{
	need_tool("gcc");
	write_source("leaf.c", "int leaf(volatile int *x) { return *x; }\n"
			       "int main(void) { int x = 0; return leaf(&x); }\n");
	assert_int_equal(run("gcc -O1 -fno-inline %s leaf.c -o %s", flags, name), 0);
}

static void table_has_the_rules_of_the_file(void **state)
{
	struct world *w = *state;

	build_program("plain", "");
	assert_int_equal(build(w, rooms_file(&w->rooms, "plain")), 0);
	const struct unwind_view *v = &w->answer.view;
	const struct unwind_rule_entry *rule = rule_at(v, address_of("plain", "leaf"));
	assert_int_equal(rule->cfa, UNWIND_CFA_RSP);
	assert_int_equal(rule->cfa_offset, 8);
	assert_int_equal(v->header->n_segments, 1);
	assert_true(v->header->segments[0].vaddr >= v->header->vaddr);
	assert_int_equal(rule_at(v, address_of("plain", "_start"))->cfa, UNWIND_CFA_END);
	/* Nobody can write to it any more. */
	assert_true(mprotect(w->answer.map, w->answer.map_n, PROT_READ | PROT_WRITE) < 0);
}

static void debug_frame_of_the_debug_file_is_used(void **state)
{
	struct world *w = *state;

	need_tool("objcopy");
	build_program("split", "-g -Wl,--build-id -fno-asynchronous-unwind-tables -nostartfiles "
			       "-nostdlib -Wl,-e,main -static");
	assert_int_equal(run("objcopy --only-keep-debug split split.debug && mkdir -p .debug && "
			     "cp split.debug .debug/ && objcopy --strip-all -R .eh_frame "
			     "--add-gnu-debuglink=split.debug split bare"),
		0);
	assert_int_equal(build(w, rooms_file(&w->rooms, "bare")), 0);
	assert_int_equal(w->answer.view.header->stats.eh_fdes, 0);
	assert_true(w->answer.view.header->stats.debug_fdes >= 2);
	assert_int_equal(
		rule_at(&w->answer.view, address_of("split", "leaf"))->cfa, UNWIND_CFA_RSP);
}

static void file_without_call_frame_information_says_so(void **state)
{
	struct world *w = *state;

	build_program("none", "-fno-asynchronous-unwind-tables -nostartfiles -nostdlib "
			      "-Wl,-e,main -static");
	assert_int_equal(run("strip -R .eh_frame -R .eh_frame_hdr none"), 0);
	assert_int_equal(build(w, rooms_file(&w->rooms, "none")), -ENODATA);
	assert_null(w->answer.map);
}

static void broken_file_costs_itself_only(void **state)
{
	struct world *w = *state;

	build_program("good", "");
	write_source("broken", "\177ELF and nothing else");
	assert_int_equal(build(w, rooms_file(&w->rooms, "broken")), -EBADMSG);
	assert_int_equal(build(w, rooms_file(&w->rooms, "good")), 0);
}

static void worker_that_keeps_the_memory_writable_is_not_believed(void **state)
{
	struct world *w = *state;

	build_program("keeper", "");
	assert_int_equal(run("printf keep-writable >>keeper"), 0);
	assert_int_equal(build(w, rooms_file(&w->rooms, "keeper")), -EBADMSG);
	assert_null(w->answer.map);
}

static void vdso_has_a_table(void **state)
{
	struct world *w = *state;

	assert_int_equal(build(w, module_table_pseudo(w->rooms.modules, MODULE_VDSO)), 0);
	assert_true(w->answer.view.header->stats.eh_fdes > 0);
}

static void loader_is_entered_by_nobody(void **state)
{
	struct world *w = *state;
	Elf64_Ehdr h;
	int fd = open("/lib64/ld-linux-x86-64.so.2", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip();
	assert_int_equal(read(fd, &h, sizeof(h)), sizeof(h));
	close(fd);
	assert_int_equal(run("cp /lib64/ld-linux-x86-64.so.2 loader"), 0);
	assert_int_equal(build(w, rooms_file(&w->rooms, "loader")), 0);
	/* Where _dl_start() returns to. */
	assert_int_equal(rule_at(&w->answer.view, h.e_entry + 7)->cfa, UNWIND_CFA_END);
	assert_int_not_equal(rule_at(&w->answer.view, h.e_entry + 256)->cfa, UNWIND_CFA_END);
}

static void freeing_with_a_job_under_way_calls_nobody(void **state)
{
	struct world *w = *state;

	build_program("late", "");
	assert_int_equal(
		unwind_source_build(w->source, rooms_file(&w->rooms, "late"), on_done, w), 0);
	w->rooms.waiting = 1;
	w->source = unwind_source_free(w->source);
	assert_int_equal(w->rooms.waiting, 1);
}

static void answers_with_counts_out_of_bounds_are_refused(void **state)
{
	uint64_t words[4096 / 8] = { 0 };
	struct unwind_header *h = (void *)words;
	struct unwind_view view;

	(void)state;
	*h = (struct unwind_header){
		.magic = UNWIND_MAGIC, .n_rules = 2, .n_rows = 3, .n_pages = 1, .vaddr = 0x1000
	};
	uint64_t n = unwind_answer_layout(words, h, &view);
	assert_int_equal(unwind_answer_check(words, n, &view), 0);
	assert_int_equal(unwind_answer_check(words, n - 1, &view), -EBADMSG);
	assert_int_equal(unwind_answer_check(words, sizeof(*h) - 1, &view), -EBADMSG);
	h->n_rows = UINT32_MAX;
	assert_int_equal(unwind_answer_check(words, n, &view), -EBADMSG);
	h->n_rows = 3;
	h->n_segments = SYMBOL_MAX_SEGMENTS + 1;
	assert_int_equal(unwind_answer_check(words, n, &view), -EBADMSG);
	h->n_segments = 0;
	h->vaddr = 0x1001;
	assert_int_equal(unwind_answer_check(words, n, &view), -EBADMSG);
}

/* Of a file that ends in "keep-writable", the memory stays mapped. */
static int serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	static const char mark[] = "keep-writable";
	char end[sizeof(mark) - 1];
	off_t n = lseek(fds[0], 0, SEEK_END);

	if (n > (off_t)sizeof(end) &&
		pread(fds[0], end, sizeof(end), n - (off_t)sizeof(end)) == sizeof(end) &&
		memcmp(end, mark, sizeof(end)) == 0)
		(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[n_fds - 1], 0);
	return symbolizer_serve(req, req_n, fds, n_fds, reply, reply_fds, n_reply_fds);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(table_has_the_rules_of_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			debug_frame_of_the_debug_file_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			file_without_call_frame_information_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_file_costs_itself_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			worker_that_keeps_the_memory_writable_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(vdso_has_a_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loader_is_entered_by_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			freeing_with_a_job_under_way_calls_nobody, set_up, tear_down),
		cmocka_unit_test(answers_with_counts_out_of_bounds_are_refused),
	};

	rooms_main(argc, argv, serve);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
