/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the opening of profile files. Their contents are anybody's: pprof_read() is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "client/load.h"
#include "profile/merge.h"
#include "profile/pprof.h"
#include "view/scale.h"

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

int load_unified(const char *path, struct profile **ret, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	int r = load_profile(path, &p, error);

	if (r < 0)
		return r;
	r = profile_unify_mappings(p);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	*ret = TAKE_PTR(p);
	return 0;
}

int load_merged(const char *const *paths, size_t n, struct profile **ret, struct error *error)
{
	CLEANUP(profile_freep) struct profile *sum = NULL;
	int r = profile_new(&sum);

	for (size_t i = 0; i < n && r >= 0; i++) {
		CLEANUP(profile_freep) struct profile *p = NULL;
		struct error why = ERROR_INIT;

		r = load_profile(paths[i], &p, error);
		if (r < 0)
			return r;
		r = scale_to_common_units(sum, p);
		if (r >= 0)
			r = profile_merge(sum, p, &why);
		if (r < 0)
			return error_set(error, r, EXIT_CODE_FAILED, "cannot add %s: %s", paths[i],
				why.code ? why.text : strerror(-r));
	}
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	profile_drop_zeros(sum);
	*ret = TAKE_PTR(sum);
	return 0;
}
