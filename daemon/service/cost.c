/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing: asks the kernel what this process has used. What cannot be read counts as 0, which
 * is only possible without /proc.
 */
#include "service/cost.h"

#include <fcntl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/cleanup.h"

/* statm of proc(5): "size resident shared ..." in pages. */
static uint64_t rss_bytes(void)
{
	_cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	unsigned long long size, resident;
	char text[128];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void cost_self(struct cost *ret)
{
	*ret = (struct cost){ .cpu_ns = clock_process_cpu_ns(), .rss_bytes = rss_bytes() };
}
