/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way: module, target helper, sandboxed worker, cache. This program is its own helper. */
#include "rooms.h"
#include <sys/auxv.h>

struct world {
	struct rooms rooms;
	struct strings strings;
	struct symbolizer *symbolizer;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	rooms_init(&w->rooms);
	assert_int_equal(strings_init(&w->strings, 1 << 20, 64 * MIB), 0);
	assert_int_equal(symbolizer_new(&w->symbolizer, w->rooms.event, w->rooms.io,
				 w->rooms.modules, &w->strings, 2),
		0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	symbolizer_free(w->symbolizer);
	rooms_deinit(&w->rooms);
	strings_deinit(&w->strings);
	free(w);
	return 0;
}

static void on_done(void *userdata, int error)
{
	struct world *w = userdata;

	assert_int_equal(error, 0);
	w->rooms.waiting--;
}

static void resolve(struct world *w, const struct module *m, const uint64_t *offsets, size_t n)
{
	w->rooms.waiting++;
	assert_int_equal(symbolizer_resolve(w->symbolizer, m->id, offsets, n, on_done, w), 0);
}

static const char *name_of(struct world *w, const struct module *m, uint64_t offset)
{
	const struct symbol_address *a = symbolizer_lookup(w->symbolizer, m->id, offset);

	if (!a || a->n_lines == 0)
		return "";
	return strings_get(
		&w->strings, symbolizer_lines(w->symbolizer, a)[a->n_lines - 1].name, NULL);
}

static void file_is_read_once_for_what_is_new(void **state)
{
	struct world *w = *state;
	const struct symbol_module *info;
	struct helper_stats before, after;
	struct loaded l = { 0 };
	struct module *m;
	uint64_t offsets[3];

	need_tool("gcc");
	write_source("two.c", "int one(int x) { return x + 1; }\nint two(int x) { return x + 2; }\n"
			      "int main(void) { return one(two(0)); }\n");
	assert_int_equal(run("gcc -O0 -g -gz -Wl,--build-id two.c -o two"), 0);
	load(&l, "two");
	offsets[0] = offset_of(&l, symbol_of(&l, "two", NULL));
	offsets[1] = offset_of(&l, symbol_of(&l, "one", NULL));
	offsets[2] = offsets[0];
	m = rooms_file(&w->rooms, "two");
	assert_null(symbolizer_module(w->symbolizer, m->id));
	assert_null(symbolizer_lookup(w->symbolizer, m->id, offsets[0]));
	/* The second waits for the first's job. */
	resolve(w, m, offsets, 3);
	resolve(w, m, offsets, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offsets[0]), "two");
	assert_string_equal(name_of(w, m, offsets[1]), "one");
	info = symbolizer_module(w->symbolizer, m->id);
	assert_non_null(info);
	assert_int_equal(info->error, 0);
	assert_int_equal(strlen(info->build_id), 40);
	assert_true(info->has_functions && info->has_filenames && info->has_line_numbers);
	assert_false(info->has_inline_frames);
	assert_true(info->has_symtab);
	assert_false(info->partial);
	assert_string_equal(info->runtime, "");
	assert_in_range(info->n_segments, 1, 2);
	symbolizer_get_stats(w->symbolizer, &before);
	resolve(w, m, offsets, 2);
	rooms_finish(&w->rooms);
	symbolizer_get_stats(w->symbolizer, &after);
	assert_int_equal(after.jobs, before.jobs);
	unload(&l);
}

static void broken_file_costs_itself_only(void **state)
{
	struct world *w = *state;
	struct module *bad, *gone;
	uint64_t offset = 0x1000;

	write_source("broken", "this is no ELF file\n");
	write_source("gone", "nothing\n");
	bad = rooms_file(&w->rooms, "broken");
	gone = rooms_file(&w->rooms, "gone");
	assert_int_equal(run("rm gone"), 0);
	resolve(w, bad, &offset, 1);
	resolve(w, gone, &offset, 1);
	rooms_finish(&w->rooms);
	assert_int_equal(symbolizer_module(w->symbolizer, bad->id)->error, -EBADMSG);
	assert_int_equal(symbolizer_module(w->symbolizer, gone->id)->error, -ENOENT);
	assert_null(symbolizer_lookup(w->symbolizer, bad->id, offset));
}

static void prepared_file_outlives_its_deletion(void **state)
{
	struct world *w = *state;
	struct loaded l = { 0 };
	struct module *m;
	uint64_t offset;

	need_tool("gcc");
	write_source("brief.c", "int main(void) { return 0; }\n");
	assert_int_equal(run("gcc brief.c -o brief"), 0);
	load(&l, "brief");
	offset = offset_of(&l, symbol_of(&l, "main", NULL));
	unload(&l);
	m = rooms_file(&w->rooms, "brief");
	assert_int_equal(symbolizer_prepare(w->symbolizer, m->id), 0);
	while (m->file_state != MODULE_FILE_OPEN)
		rooms_turn(&w->rooms);
	assert_int_equal(run("rm brief"), 0);
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offset), "main");
}

static void kernel_addresses_have_names(void **state)
{
	struct world *w = *state;
	struct module *m = module_table_pseudo(w->rooms.modules, MODULE_KERNEL);
	unsigned long address = 0;
	char line[512], name[256] = "";
	FILE *f = fopen("/proc/kallsyms", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) == 2 &&
			strcmp(name, "schedule") == 0)
			break;
	}
	fclose(f);
	if (address == 0) {
		uint64_t any = 1;

		resolve(w, m, &any, 1);
		rooms_finish(&w->rooms);
		assert_int_equal(symbolizer_module(w->symbolizer, m->id)->error, -EPERM);
		print_message("skipped: kernel addresses are hidden here\n");
		skip();
	}
	address += 4;
	resolve(w, m, &(uint64_t){ address }, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, address), "schedule");
	assert_int_equal(
		symbolizer_lookup(w->symbolizer, m->id, address)->function_start, address - 4);
}

static void vdso_functions_have_names(void **state)
{
	struct world *w = *state;
	struct module *m = module_table_pseudo(w->rooms.modules, MODULE_VDSO);
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct elf elf;
	const struct elf_section *symbols, *names;
	uint64_t offset = 0;

	assert_non_null(image);
	assert_int_equal(elf_init(&elf, image, 8192), 0);
	symbols = elf_find_section(&elf, NULL, SHT_DYNSYM);
	assert_non_null(symbols);
	names = elf_section_at(&elf, symbols->link);
	for (uint64_t at = 0; at < symbols->size; at += sizeof(Elf64_Sym)) {
		const Elf64_Sym *s = (const Elf64_Sym *)(image + symbols->offset + at);

		if (strcmp((const char *)image + names->offset + s->st_name,
			    "__vdso_clock_gettime") == 0)
			offset = s->st_value + 1;
	}
	elf_deinit(&elf);
	assert_true(offset > 0);
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_true(strstr(name_of(w, m, offset), "clock_gettime") != NULL);
}

static void write_map(const char *text)
{
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static void perf_map_is_read_again_when_it_changes(void **state)
{
	struct world *w = *state;
	struct module *m = module_table_jit(w->rooms.modules, (uint32_t)getpid(), 1);
	uint64_t addresses[] = { 0x7000, 0x8000 };
	char path[64];

	m->n_processes = 1;
	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	write_map("7000 100 Builtin one\n");
	resolve(w, m, addresses, 2);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, 0x7000), "Builtin one");
	assert_string_equal(name_of(w, m, 0x8000), "");
	write_map("7000 100 Builtin one\n7000 80 moved\n8000 10 later\n");
	resolve(w, m, addresses, 2);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, 0x7000), "moved");
	assert_string_equal(name_of(w, m, 0x8000), "later");
	/* A map that is gone by now is read as it was held, and what is known stays. */
	assert_int_equal(unlink(path), 0);
	addresses[0] = 0x7070;
	resolve(w, m, addresses, 2);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, 0x7070), "moved");
	assert_string_equal(name_of(w, m, 0x8000), "later");
	assert_int_equal(symbolizer_module(w->symbolizer, m->id)->error, 0);
}

static void on_cancelled(void *userdata, int error)
{
	unsigned *n = userdata;

	assert_int_equal(error, -ECANCELED);
	(*n)++;
}

static void freeing_with_jobs_under_way_cancels_each_once(void **state)
{
	struct world *w = *state;
	struct module *m = module_table_pseudo(w->rooms.modules, MODULE_KERNEL);
	struct module *file;
	uint64_t offset = 1;
	unsigned n = 0;

	write_source("late", "no ELF\n");
	file = rooms_file(&w->rooms, "late");
	assert_int_equal(symbolizer_resolve(w->symbolizer, m->id, &offset, 1, on_cancelled, &n), 0);
	assert_int_equal(
		symbolizer_resolve(w->symbolizer, file->id, &offset, 1, on_cancelled, &n), 0);
	assert_int_equal(
		symbolizer_resolve(w->symbolizer, file->id, &offset, 1, on_cancelled, &n), 0);
	w->symbolizer = symbolizer_free(w->symbolizer);
	assert_int_equal(n, 3);
}

static void perf_map_of_an_ended_process_is_the_one_that_was_held(void **state)
{
	struct world *w = *state;
	struct module *m = module_table_jit(w->rooms.modules, (uint32_t)getpid(), 2);
	struct module *unheld = module_table_jit(w->rooms.modules, (uint32_t)getpid(), 3);
	uint64_t address = 0x7000;
	char path[64];

	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	write_map("7000 100 own\n");
	m->n_processes = 1;
	assert_int_equal(symbolizer_prepare(w->symbolizer, m->id), 0);
	while (m->file_state != MODULE_FILE_OPEN)
		rooms_turn(&w->rooms);
	/* The process ends; another one gets its number and writes its own map. */
	m->n_processes = 0;
	assert_int_equal(unlink(path), 0);
	write_map("7000 100 strange\n");
	resolve(w, m, &address, 1);
	resolve(w, unheld, &address, 1);
	rooms_finish(&w->rooms);
	assert_int_equal(unlink(path), 0);
	assert_string_equal(name_of(w, m, 0x7000), "own");
	assert_null(symbolizer_lookup(w->symbolizer, unheld->id, 0x7000));
	assert_int_equal(symbolizer_module(w->symbolizer, unheld->id)->error, -ESRCH);
}

static struct module *crashing_program(
	struct world *w, const char *name, const char *mark, uint64_t *ret_offset)
{
	struct loaded l = { 0 };

	write_source("crash.c", "int main(void) { return 0; }\n");
	assert_int_equal(run("gcc -g crash.c -o %s && printf %s >> %s", name, mark, name), 0);
	load(&l, name);
	*ret_offset = offset_of(&l, symbol_of(&l, "main", NULL));
	unload(&l);
	return rooms_file(&w->rooms, name);
}

static void worker_that_dies_of_dwarf_is_replaced_by_one_without(void **state)
{
	struct world *w = *state;
	struct helper_stats stats;
	struct module *m;
	uint64_t offset;

	need_tool("gcc");
	m = crashing_program(w, "fatal-dwarf", "DIEDWARF", &offset);
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offset), "main");
	assert_false(symbolizer_module(w->symbolizer, m->id)->has_line_numbers);
	assert_true(symbolizer_module(w->symbolizer, m->id)->partial);
	symbolizer_get_stats(w->symbolizer, &stats);
	assert_int_equal(stats.crashed, 1);
	/* Nor is it tried again with DWARF for what is asked next. */
	offset++;
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offset), "main");
	symbolizer_get_stats(w->symbolizer, &stats);
	assert_int_equal(stats.crashed, 1);
}

static void file_that_kills_workers_is_left_alone(void **state)
{
	struct world *w = *state;
	struct helper_stats before, after;
	struct module *m;
	uint64_t offset;

	need_tool("gcc");
	m = crashing_program(w, "fatal", "DIEALWAY", &offset);
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_int_equal(symbolizer_module(w->symbolizer, m->id)->error, -EPIPE);
	symbolizer_get_stats(w->symbolizer, &before);
	assert_true(before.crashed > 0);
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	symbolizer_get_stats(w->symbolizer, &after);
	assert_int_equal(after.jobs, before.jobs);
}

static void debug_file_beside_the_program_is_used(void **state)
{
	struct world *w = *state;
	struct loaded l = { 0 };
	struct module *m;
	uint64_t offset;

	need_tool("gcc");
	need_tool("objcopy");
	if (geteuid() != 0) {
		print_message("skipped: only root's debug files are used\n");
		skip();
	}
	write_source("split.c", "static int hidden(void) { return 3; }\n"
				"int main(void) { return hidden(); }\n");
	assert_int_equal(
		run("gcc -O0 -g split.c -o split && mkdir -p .debug && "
		    "objcopy --only-keep-debug split .debug/split.debug && cp split whole && "
		    "objcopy -S --add-gnu-debuglink=.debug/split.debug split"),
		0);
	load(&l, "whole");
	offset = offset_of(&l, symbol_of(&l, "hidden", NULL));
	unload(&l);
	m = rooms_file(&w->rooms, "split");
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offset), "hidden");
	assert_true(symbolizer_module(w->symbolizer, m->id)->has_line_numbers);
	/* And is found again for what is asked later. */
	offset++;
	resolve(w, m, &offset, 1);
	rooms_finish(&w->rooms);
	assert_string_equal(name_of(w, m, offset), "hidden");
}

/* symbolizer_serve(), but files that end in a mark kill it. */
static int serve_or_die(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	struct symbol_request q = { 0 };
	char mark[9] = "";
	off_t end = n_fds > 0 ? lseek(fds[0], 0, SEEK_END) : 0;

	memcpy(&q, req, MIN(req_n, sizeof(q)));
	if (end > 8 && pread(fds[0], mark, 8, end - 8) == 8) {
		if (strcmp(mark, "DIEALWAY") == 0)
			_exit(9);
		if (strcmp(mark, "DIEDWARF") == 0 && q.op == SYMBOL_SYMBOLIZE && !q.no_dwarf)
			_exit(9);
	}
	if (n_fds > 0)
		(void)lseek(fds[0], 0, SEEK_SET);
	return symbolizer_serve(req, req_n, fds, n_fds, reply, reply_fds, n_reply_fds);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			file_is_read_once_for_what_is_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_file_costs_itself_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			prepared_file_outlives_its_deletion, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kernel_addresses_have_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(vdso_functions_have_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			perf_map_is_read_again_when_it_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			perf_map_of_an_ended_process_is_the_one_that_was_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			worker_that_dies_of_dwarf_is_replaced_by_one_without, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			file_that_kills_workers_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			debug_file_beside_the_program_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			freeing_with_jobs_under_way_cancels_each_once, set_up, tear_down),
	};

	rooms_main(argc, argv, serve_or_die);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
