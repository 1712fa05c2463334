/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps a handed file. A file that is cut short while it is mapped raises SIGBUS, which ends this
 * worker and nothing else.
 */
#include "symbol/source.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "base/io.h"

int source_file_map(struct source_file *f, int fd)
{
	size_t n;
	void *p;
	int r;

	*f = (struct source_file){ 0 };
	r = io_regular_size(fd, LIMIT_ELF_BYTES, &n);
	if (r < 0)
		return r;
	if (n == 0)
		return -ENODATA;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*f = (struct source_file){ .data = p, .n = n };
	return 0;
}

void source_file_unmap(struct source_file *f)
{
	if (f->data)
		(void)munmap(f->data, f->n);
	*f = (struct source_file){ 0 };
}

int source_elf_open(struct source_elf *f, int fd)
{
	int r = source_file_map(&f->file, fd);

	return r < 0 ? r : elf_init(&f->elf, f->file.data, f->file.n);
}

void source_elf_close(struct source_elf *f)
{
	elf_deinit(&f->elf);
	source_file_unmap(&f->file);
}

bool source_elf_belongs(const struct elf *e, const struct source_elf *debug)
{
	uint8_t id[ELF_MAX_BUILD_ID], debug_id[ELF_MAX_BUILD_ID];
	size_t n = elf_build_id(e, id), debug_n = elf_build_id(&debug->elf, debug_id);
	uint32_t crc;

	if (n > 0 && debug_n > 0)
		return n == debug_n && memcmp(id, debug_id, n) == 0;
	return elf_debuglink(e, &crc) && elf_crc32(debug->file.data, debug->file.n) == crc;
}

int source_elf_open_debug(const struct elf *e, const int *fds, uint32_t n, struct source_elf *ret)
{
	for (uint32_t i = 0; i < n; i++) {
		struct source_elf f = { 0 };

		if (source_elf_open(&f, fds[i]) == 0 && source_elf_belongs(e, &f)) {
			*ret = f;
			return (int)i;
		}
		source_elf_close(&f);
	}
	return -1;
}
