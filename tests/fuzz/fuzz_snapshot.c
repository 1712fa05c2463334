/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: collect profile base
/* The encoder's input: any bytes are a profile that can be read back, or an error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/io.h"
#include "collect/encoder.h"
#include "profile/pprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct profile *p = NULL, *again = NULL;
	/* Aligned, as a mapping is. */
	_cleanup_free_ void *copy = malloc(n ?: 1);

	if (!copy)
		abort();
	memcpy(copy, data, n);
	if (encoder_build(copy, n, &p) < 0)
		return 0;
	_cleanup_close_ int fd = io_memfd("fuzz");
	if (fd < 0 || pprof_write(p, fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (pprof_read(fd, &again, NULL) < 0 || profile_n_samples(again) != profile_n_samples(p))
		abort();
	profile_free(again);
	profile_free(p);
	return 0;
}
