/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the symbolizer's worker: builds small programs with what compilers are installed,
 * asks symbolizer_serve() as the daemon would, and asks binutils and elfutils for the truth.
 */
#ifndef PROFD_TEST_SYMBOL_FIXTURE_H
#define PROFD_TEST_SYMBOL_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "image/elf.h"
#include "symbol/protocol.h"
#include "symbol/symbolizer.h"

#define UNUSED __attribute__((unused))

static char directory[64];

UNUSED static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/profd-symbol-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

UNUSED static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* Runs a shell command inside the directory. */
UNUSED PRINTF(1, 2) static int run(const char *format, ...)
{
	char command[4096];
	size_t n = (size_t)snprintf(command, sizeof(command), "cd %s && ", directory);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(command + n, sizeof(command) - n, format, ap);
	va_end(ap);
	return system(command);
}

UNUSED static void need_tool(const char *tool)
{
	if (run("command -v %s >/dev/null", tool) != 0) {
		print_message("skipped: %s is not installed\n", tool);
		skip();
	}
}

UNUSED static void write_source(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

UNUSED static int open_built(const char *name)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : directory,
		name[0] == '/' ? "" : "/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* What symbolizer_serve() said; text stays with it. */
struct answered {
	int error;
	void *copy;
	struct answer_view view;
};

UNUSED static void answered_free(struct answered *a)
{
	free(a->copy);
}

UNUSED static void ask(struct symbol_request q, const int *fds, const uint64_t *offsets, size_t n,
	struct answered *ret)
{
	uint8_t reply[LIMIT_HELPER_MESSAGE];
	struct symbol_reply size;
	int all[16], reply_fds[LIMIT_HELPER_FDS], r;
	size_t n_fds = 1 + q.n_debug + q.n_alt, n_reply_fds = 0;
	int offsets_fd = io_memfd("offsets"), answer_fd = io_memfd("answer");

	*ret = (struct answered){ 0 };
	q.op = SYMBOL_SYMBOLIZE;
	q.n_offsets = (uint32_t)n;
	q.answer_size = answer_size(n);
	assert_int_equal(io_write_full(offsets_fd, offsets, n * sizeof(*offsets)), 0);
	assert_int_equal(ftruncate(answer_fd, (off_t)q.answer_size), 0);
	memcpy(all, fds, n_fds * sizeof(*fds));
	all[n_fds] = offsets_fd;
	all[n_fds + 1] = answer_fd;
	r = symbolizer_serve(&q, sizeof(q), all, n_fds + 2, reply, reply_fds, &n_reply_fds);
	assert_int_equal(n_reply_fds, 0);
	if (r < 0) {
		ret->error = r;
	} else {
		assert_int_equal(r, sizeof(size));
		memcpy(&size, reply, sizeof(size));
		ret->copy = malloc(size.answer_n);
		assert_non_null(ret->copy);
		assert_int_equal(
			pread(answer_fd, ret->copy, size.answer_n, 0), (ssize_t)size.answer_n);
		assert_int_equal(answer_check(ret->copy, size.answer_n, n, &ret->view), 0);
	}
	close(offsets_fd);
	close(answer_fd);
}

UNUSED static int identify(struct symbol_request q, const int *fds, struct symbol_identity *ret)
{
	uint8_t reply[LIMIT_HELPER_MESSAGE];
	int reply_fds[LIMIT_HELPER_FDS], r;
	size_t n_reply_fds = 0;

	q.op = SYMBOL_IDENTIFY;
	r = symbolizer_serve(
		&q, sizeof(q), fds, 1 + q.n_debug + q.n_alt, reply, reply_fds, &n_reply_fds);
	if (r < 0)
		return r;
	assert_int_equal(symbol_identity_check(reply, (size_t)r, q.n_debug, ret), 0);
	return 0;
}

/* file, and debug or alt file where they are not NULL. */
UNUSED static void ask_elf(const char *file, const char *debug, const char *alt,
	const uint64_t *offsets, size_t n, struct answered *ret)
{
	struct symbol_request q = { .source = SYMBOL_SOURCE_ELF };
	int fds[3] = { open_built(file), -1, -1 };
	size_t n_fds = 1;

	if (debug) {
		fds[n_fds++] = open_built(debug);
		q.n_debug = 1;
	}
	if (alt) {
		fds[n_fds++] = open_built(alt);
		q.n_alt = 1;
	}
	ask(q, fds, offsets, n, ret);
	while (n_fds > 0)
		close(fds[--n_fds]);
}

UNUSED static const char *text_of(const struct answered *a, uint32_t id, char *out, size_t n)
{
	size_t length;
	const char *s = answer_string(&a->view, id, &length);

	(void)snprintf(out, n, "%.*s", (int)length, s);
	return out;
}

/* "name file:line < name file:line < ..." with base names of files; "?" where unknown. */
UNUSED static const char *describe(
	const struct answered *a, size_t i, bool demangled, bool position, char *out, size_t n)
{
	const struct answer_address *address = &a->view.addresses[i];
	char name[LIMIT_SYMBOL_NAME + 1], file[LIMIT_SYMBOL_NAME + 1];
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t k = 0; k < address->n_lines && used < n; k++) {
		const struct answer_line *l = &a->view.lines[address->first_line + k];
		const char *base;

		text_of(a, demangled ? l->name : l->system_name, name, sizeof(name));
		text_of(a, l->file, file, sizeof(file));
		base = strrchr(file, '/');
		used += (size_t)snprintf(
			out + used, n - used, "%s%s", k ? " < " : "", name[0] ? name : "??");
		if (position && used < n)
			used += (size_t)snprintf(out + used, n - used, " %s:%u",
				base ? base + 1 : (file[0] ? file : "??"), l->line);
	}
	return out;
}

/* An ELF file read whole, for the test's own look at it. */
struct loaded {
	char *data;
	size_t n;
	struct elf elf;
};

UNUSED static void load(struct loaded *l, const char *name)
{
	int fd = open_built(name);

	assert_int_equal(io_read_fd(fd, 512 * MIB, &l->data, &l->n), 0);
	assert_int_equal(elf_init(&l->elf, l->data, l->n), 0);
	close(fd);
}

UNUSED static void unload(struct loaded *l)
{
	elf_deinit(&l->elf);
	free(l->data);
}

UNUSED static uint64_t offset_of(const struct loaded *l, uint64_t vaddr)
{
	for (uint32_t i = 0; i < l->elf.n_segments; i++) {
		const struct elf_segment *s = &l->elf.segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return vaddr - s->vaddr + s->offset;
	}
	fail_msg("no segment has %#lx", (unsigned long)vaddr);
	return 0;
}

/* Start and size of a function symbol. */
UNUSED static uint64_t symbol_of(const struct loaded *l, const char *name, uint64_t *ret_size)
{
	const struct elf_section *s = elf_find_section(&l->elf, NULL, SHT_SYMTAB), *strings;

	assert_non_null(s);
	strings = elf_section_at(&l->elf, s->link);
	for (uint64_t at = 0; at < s->size; at += sizeof(Elf64_Sym)) {
		Elf64_Sym symbol;

		memcpy(&symbol, l->data + s->offset + at, sizeof(symbol));
		if (strcmp(l->data + strings->offset + symbol.st_name, name) == 0) {
			if (ret_size)
				*ret_size = symbol.st_size;
			return symbol.st_value;
		}
	}
	fail_msg("no symbol %s", name);
	return 0;
}

#endif
