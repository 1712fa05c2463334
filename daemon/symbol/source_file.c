/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps a handed file. A file that is cut short while it is mapped raises SIGBUS, which ends this
 * worker and nothing else.
 */
#include "symbol/source.h"

#include <errno.h>
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
