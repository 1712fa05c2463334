/* SPDX-License-Identifier: Apache-2.0 */
/* Crafted ELF headers and symbol tables: each costs what it lies about and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "image/demangle.h"
#include "image/elf.h"
#include "image/symtab.h"

/* Header, two segments, sections (null, .text, .symtab, .strtab), symbols, strings. */
struct file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[4];
	Elf64_Sym symbols[8];
	char strings[64];
	uint8_t tail[64];
};

static const char names[] = "\0.text\0.symtab\0.strtab\0whole\0part\0label\0alias";
enum { TEXT = 1, SYMTAB = 7, STRTAB = 15, WHOLE = 23, PART = 29, LABEL = 34, ALIAS = 40 };

static struct file make(void)
{
	struct file f = { 0 };

	memcpy(f.header.e_ident, ELFMAG, SELFMAG);
	f.header.e_ident[EI_CLASS] = ELFCLASS64;
	f.header.e_ident[EI_DATA] = ELFDATA2LSB;
	f.header.e_type = ET_EXEC;
	f.header.e_phoff = offsetof(struct file, segments);
	f.header.e_phentsize = sizeof(Elf64_Phdr);
	f.header.e_phnum = 2;
	f.header.e_shoff = offsetof(struct file, sections);
	f.header.e_shentsize = sizeof(Elf64_Shdr);
	f.header.e_shnum = 4;
	f.header.e_shstrndx = 3;
	f.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R,
		.p_offset = 0,
		.p_vaddr = 0x400000,
		.p_filesz = 0x1800 };
	f.segments[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = 0x1234,
		.p_vaddr = 0x602234,
		.p_filesz = 0x2000 };
	f.sections[1] = (Elf64_Shdr){ .sh_name = TEXT,
		.sh_type = SHT_PROGBITS,
		.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
		.sh_addr = 0x1000,
		.sh_size = 0x1000 };
	f.sections[2] = (Elf64_Shdr){ .sh_name = SYMTAB,
		.sh_type = SHT_SYMTAB,
		.sh_offset = offsetof(struct file, symbols),
		.sh_size = sizeof(f.symbols),
		.sh_entsize = sizeof(Elf64_Sym),
		.sh_link = 3 };
	f.sections[3] = (Elf64_Shdr){ .sh_name = STRTAB,
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct file, strings),
		.sh_size = sizeof(f.strings) };
	memcpy(f.strings, names, sizeof(names));
	f.symbols[1] = (Elf64_Sym){ .st_name = WHOLE,
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
		.st_shndx = 1,
		.st_value = 0x1000,
		.st_size = 0x100 };
	f.symbols[2] = (Elf64_Sym){ .st_name = PART,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = 1,
		.st_value = 0x1040,
		.st_size = 0x10 };
	f.symbols[3] = (Elf64_Sym){ .st_name = LABEL,
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE),
		.st_shndx = 1,
		.st_value = 0x1200 };
	return f;
}

static const char *look(const struct file *f, uint64_t vaddr)
{
	static char name[64];
	const struct symtab_symbol *s = NULL;
	struct symtab t;
	struct elf e;

	name[0] = '\0';
	assert_int_equal(elf_init(&e, f, sizeof(*f)), 0);
	if (symtab_init(&t, &e, SHT_SYMTAB) == 0) {
		s = symtab_lookup(&t, vaddr);
		if (s)
			(void)snprintf(name, sizeof(name), "%s", s->name);
		symtab_deinit(&t);
	}
	elf_deinit(&e);
	return s ? name : NULL;
}

static void innermost_sized_symbol_wins(void **state)
{
	struct file f = make();

	(void)state;
	assert_string_equal(look(&f, 0x1000), "whole");
	assert_string_equal(look(&f, 0x1040), "part");
	assert_string_equal(look(&f, 0x104f), "part");
	assert_string_equal(look(&f, 0x1050), "whole");
	assert_null(look(&f, 0x1100));
	assert_null(look(&f, 0xfff));
}

static void label_without_size_reaches_to_its_sections_end(void **state)
{
	struct file f = make();

	(void)state;
	assert_string_equal(look(&f, 0x1200), "label");
	assert_string_equal(look(&f, 0x1fff), "label");
	assert_null(look(&f, 0x2000));
	f.symbols[3].st_value = 0x1080;
	assert_string_equal(look(&f, 0x1090), "whole");
	assert_string_equal(look(&f, 0x1100), "label");
}

static void global_name_is_preferred_to_local_alias(void **state)
{
	struct file f = make();

	(void)state;
	f.symbols[4] = f.symbols[1];
	f.symbols[4].st_name = ALIAS;
	f.symbols[4].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	assert_string_equal(look(&f, 0x1000), "alias");
	f.symbols[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	f.symbols[4].st_info = ELF64_ST_INFO(STB_WEAK, STT_FUNC);
	assert_string_equal(look(&f, 0x1000), "whole");
}

static void lies_about_the_symbol_table_leave_no_symbols(void **state)
{
	struct file f;

	(void)state;
	f = make();
	f.sections[2].sh_entsize = 0;
	assert_null(look(&f, 0x1000));
	f = make();
	f.sections[2].sh_size = UINT64_MAX;
	assert_null(look(&f, 0x1000));
	f = make();
	f.sections[2].sh_offset = UINT64_MAX - 8;
	assert_null(look(&f, 0x1000));
	f = make();
	f.sections[2].sh_link = 77;
	assert_null(look(&f, 0x1000));
	f = make();
	f.sections[2].sh_flags = SHF_COMPRESSED;
	assert_null(look(&f, 0x1000));
	f = make();
	memset(f.strings, 'x', sizeof(f.strings));
	assert_null(look(&f, 0x1000));
	f = make();
	f.symbols[1].st_name = UINT32_MAX;
	assert_null(look(&f, 0x1000));
	f = make();
	f.symbols[1].st_size = UINT64_MAX;
	assert_null(look(&f, 0x1000));
	assert_string_equal(look(&f, 0x1040), "part");
}

static void counts_beyond_the_file_are_cut(void **state)
{
	struct file f = make();
	struct elf e;

	(void)state;
	f.header.e_shnum = 0;
	f.sections[0].sh_size = UINT64_MAX;
	f.header.e_phnum = UINT16_MAX - 1;
	assert_int_equal(elf_init(&e, &f, sizeof(f)), 0);
	assert_true(e.n_sections <= sizeof(f) / sizeof(Elf64_Shdr));
	assert_true(e.n_segments <= sizeof(f) / sizeof(Elf64_Phdr));
	elf_deinit(&e);
	f = make();
	f.header.e_shoff = UINT64_MAX - 3;
	f.header.e_phoff = UINT64_MAX - 3;
	assert_int_equal(elf_init(&e, &f, sizeof(f)), 0);
	assert_int_equal(e.n_sections, 0);
	assert_int_equal(e.n_segments, 0);
	elf_deinit(&e);
	f = make();
	f.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(elf_init(&e, &f, sizeof(f)), -EBADMSG);
	assert_int_equal(elf_init(&e, &f, 63), -EBADMSG);
	assert_int_equal(elf_init(&e, NULL, 0), -EBADMSG);
}

static void false_compressed_size_costs_no_memory(void **state)
{
	struct file f = make();
	Elf64_Chdr c = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = 1ULL << 29 };
	struct elf_bytes b;
	struct elf e;

	(void)state;
	f.sections[1].sh_flags |= SHF_COMPRESSED;
	f.sections[1].sh_offset = offsetof(struct file, tail);
	f.sections[1].sh_size = sizeof(f.tail);
	memcpy(f.tail, &c, sizeof(c));
	assert_int_equal(elf_init(&e, &f, sizeof(f)), 0);
	assert_int_equal(elf_section_bytes(&e, &e.sections[1], &b), -EBADMSG);
	c.ch_size = UINT64_MAX;
	memcpy(f.tail, &c, sizeof(c));
	assert_int_equal(elf_section_bytes(&e, &e.sections[1], &b), -E2BIG);
	c.ch_type = 2;
	memcpy(f.tail, &c, sizeof(c));
	assert_int_equal(elf_section_bytes(&e, &e.sections[1], &b), -EOPNOTSUPP);
	elf_deinit(&e);
}

static void executable_segment_decides_where_pages_are_shared(void **state)
{
	struct file f = make();
	struct elf e;
	uint64_t vaddr;

	(void)state;
	assert_int_equal(elf_init(&e, &f, sizeof(f)), 0);
	/* In both segments' bytes: it is code that is asked for. */
	assert_int_equal(elf_offset_to_vaddr(&e, 0x1300, &vaddr), 0);
	assert_int_equal(vaddr, 0x602300);
	/* Only in the first page of the mapping, before the segment itself. */
	f.segments[0].p_filesz = 0x800;
	elf_deinit(&e);
	assert_int_equal(elf_init(&e, &f, sizeof(f)), 0);
	assert_int_equal(elf_offset_to_vaddr(&e, 0x1100, &vaddr), 0);
	assert_int_equal(vaddr, 0x602100);
	assert_int_equal(elf_offset_to_vaddr(&e, 0x500, &vaddr), 0);
	assert_int_equal(vaddr, 0x400500);
	assert_int_equal(elf_offset_to_vaddr(&e, 0x9000, &vaddr), -ENOENT);
	elf_deinit(&e);
}

static void only_mangled_names_are_demangled(void **state)
{
	static const char *const pairs[][2] = {
		{ "_ZN3foo3barEi", "foo::bar(int)" },
		{ "_RNvCs1234_7mycrate3foo", "mycrate::foo" },
		{ "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			"core::fmt::Write::write_fmt" },
	};
	char *long_name = malloc(DEMANGLE_MAX_INPUT + 8), *out;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		out = demangle(pairs[i][0]);
		assert_non_null(out);
		assert_string_equal(out, pairs[i][1]);
		free(out);
	}
	assert_null(demangle("main"));
	assert_null(demangle("main.(*T).Do"));
	assert_null(demangle("foo__Fi"));
	assert_null(demangle(""));
	assert_null(demangle("_Z"));
	assert_non_null(long_name);
	memset(long_name, 'P', DEMANGLE_MAX_INPUT + 2);
	memcpy(long_name, "_Z1f", 4);
	strcpy(long_name + DEMANGLE_MAX_INPUT + 1, "i");
	assert_null(demangle(long_name));
	free(long_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(innermost_sized_symbol_wins),
		cmocka_unit_test(label_without_size_reaches_to_its_sections_end),
		cmocka_unit_test(global_name_is_preferred_to_local_alias),
		cmocka_unit_test(lies_about_the_symbol_table_leave_no_symbols),
		cmocka_unit_test(counts_beyond_the_file_are_cut),
		cmocka_unit_test(false_compressed_size_costs_no_memory),
		cmocka_unit_test(executable_segment_decides_where_pages_are_shared),
		cmocka_unit_test(only_mangled_names_are_demangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
