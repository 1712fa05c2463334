/* SPDX-License-Identifier: Apache-2.0 */
/* Owns telling pidfds from other descriptors and reading the pid behind one (proc_pid_fdinfo(5)).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "session/pidfd.h"

#define FDINFO_BYTES 4096U

bool pidfd_is(int fd)
{
	char path[64], name[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = '\0';
	/* Before and after pidfds got a file system of their own (Linux 6.9). A file's link begins
	 * with '/'. */
	return strcmp(name, "anon_inode:[pidfd]") == 0 || strncmp(name, "pidfd:[", 7) == 0;
}

int pidfd_pid(int fd, uint32_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	size_t n;

	if (!pidfd_is(fd))
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int r = io_read_file(AT_FDCWD, path, FDINFO_BYTES, &text, &n);
	if (r < 0)
		return r;
	const char *line = strstr(text, "\nPid:");
	if (!line)
		return -EINVAL;
	long pid = strtol(line + 5, NULL, 10);
	if (pid <= 0 || pid > INT32_MAX)
		return -ESRCH;
	*ret = (uint32_t)pid;
	return 0;
}
