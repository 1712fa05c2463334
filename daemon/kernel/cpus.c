/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs there are. Read once: a CPU that goes offline stops to be sampled, one that comes
 * online later is not taken in.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
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

void cpus_parse_idle(const char *stat, unsigned hz, uint64_t *ret_ns, unsigned n)
{
	for (const char *line = stat; line; line = strchr(line, '\n')) {
		unsigned long long idle, iowait;
		unsigned cpu;

		line += *line == '\n';
		/* cpuN user nice system idle iowait ... (proc(5)) */
		if (sscanf(line, "cpu%u %*u %*u %*u %llu %llu", &cpu, &idle, &iowait) == 3 &&
			cpu < n)
			ret_ns[cpu] = (idle + iowait) * (NS_PER_SEC / hz);
	}
}

int cpus_idle(uint64_t *ret_ns, unsigned n)
{
	_cleanup_free_ char *text = NULL;
	size_t text_n;
	int r = io_read_file(AT_FDCWD, "/proc/stat", 4U << 20, &text, &text_n);

	if (r < 0)
		return r;
	cpus_parse_idle(text, (unsigned)sysconf(_SC_CLK_TCK), ret_ns, n);
	return 0;
}
