/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs there are. Read once: a CPU that goes offline stops to be sampled, one that comes
 * online later is not taken in.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/io.h"

int cpus_parse(const char *list, struct cpus *ret)
{
	struct cpus c = { 0 };
	const char *at = list;

	while (*at && *at != '\n') {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;

		if (end == at)
			return -EINVAL;
		at = end;
		if (*at == '-') {
			last = strtoul(at + 1, &end, 10);
			if (end == at + 1 || last < first)
				return -EINVAL;
			at = end;
		}
		for (unsigned long i = first; i <= last && i < ABI_MAX_CPUS; i++) {
			c.online[i] = true;
			c.n = MAX(c.n, (unsigned)i + 1);
		}
		if (*at == ',')
			at++;
		else if (*at && *at != '\n')
			return -EINVAL;
	}
	if (!c.n)
		return -EINVAL;
	*ret = c;
	return 0;
}

int cpus_read(struct cpus *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = io_read_file(AT_FDCWD, "/sys/devices/system/cpu/online", 65536, &text, &n);

	return r < 0 ? r : cpus_parse(text, ret);
}
