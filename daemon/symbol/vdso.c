/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies the vdso of this process. Its size is not in the auxiliary vector; an ELF image as the
 * kernel makes it ends with its section headers or its last section, whichever is later.
 */
#include "symbol/vdso.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"

#define VDSO_MAX (64 * KIB)

int vdso_image(void)
{
	const uint8_t *p = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	_cleanup_close_ int fd = -1;
	Elf64_Ehdr h;
	uint64_t n;
	int r;

	if (!p)
		return -ENODATA;
	memcpy(&h, p, sizeof(h));
	n = h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || n < sizeof(h) || n > VDSO_MAX)
		return -ENODATA;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, p + h.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD && ph.p_offset + ph.p_filesz <= VDSO_MAX)
			n = MAX(n, ph.p_offset + ph.p_filesz);
	}
	fd = io_memfd("profd-vdso");
	if (fd < 0)
		return fd;
	r = io_write_full(fd, p, n);
	return r < 0 ? r : TAKE_FD(fd);
}
