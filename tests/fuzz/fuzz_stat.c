/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: proc isolate base
/* /proc/PID/{stat,status,cgroup}. */
#include <stdlib.h>
#include <string.h>
#include "proc/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *path;
	struct status_fields status;
	struct stat_fields stat;
	size_t n;

	if (stat_parse(text, size, &stat) == 0 &&
		strnlen(stat.comm, sizeof(stat.comm)) == sizeof(stat.comm))
		abort();
	(void)status_parse(text, size, &status);
	if (cgroup_parse(text, size, &path, &n) == 0 &&
		(path < text || path + n > text + size || path[0] != '/'))
		abort();
	return 0;
}
