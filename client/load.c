/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the opening of profile files. Their contents are anybody's: pprof_read() is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "client/load.h"
#include "profile/pprof.h"

int load_profile(const char *path, struct profile **ret, struct error *error)
{
	struct error why = ERROR_INIT;
	bool named = strcmp(path, "-");
	_cleanup_close_ int file = named ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	int fd = named ? file : STDIN_FILENO;
	struct stat st;
	int r;

	if (fd < 0)
		return error_set(error, -errno, EXIT_CODE_FAILED, "cannot open %s: %s", path,
			strerror(errno));
	if (!named && isatty(fd))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"standard input is a terminal; name a profile file, or pipe one in");
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return error_set(
			error, -EISDIR, EXIT_CODE_FAILED, "cannot read %s: it is a folder", path);
	r = pprof_read(fd, ret, &why);
	if (r < 0)
		return error_set(error, r, why.code ? why.code : EXIT_CODE_FAILED, "%s: %s",
			named ? path : "standard input", why.code ? why.text : strerror(-r));
	return 0;
}
