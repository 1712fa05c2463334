/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the naming and writing of profiles. Files appear whole or not at all (io_replace_file());
 * devices and pipes named by -o are written to as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/io.h"
#include "client/load.h"
#include "client/options.h"
#include "client/output.h"
#include "client/view/flame.h"
#include "client/view/view.h"
#include "profile/pprof.h"

#define GZIP_LEVEL 6

const char *const output_format_names[] = { "pprof", "folded", "text", "json", "svg", "html", "dot",
	"perf-script", "speedscope", NULL };
static const char *const suffixes[] = { ".pb.gz", ".folded", ".txt", ".json", ".svg", ".html",
	".dot", ".perf", ".speedscope.json" };

int output_format_parse(const char *name, enum output_format *ret, struct error *error)
{
	for (size_t i = 0; output_format_names[i]; i++) {
		if (!strcmp(name, output_format_names[i])) {
			*ret = i;
			return 0;
		}
	}
	return unknown_word("format", name, output_format_names, error);
}

/* The longest suffix that says a format; 0: none does. */
static size_t find_suffix(const char *path, enum output_format *ret)
{
	size_t n = strlen(path), longest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t m = strlen(suffixes[i]);

		if (n > m && m > longest && !strcmp(path + n - m, suffixes[i])) {
			longest = m;
			*ret = i;
		}
	}
	return longest;
}

enum output_format output_format_of(const char *path)
{
	enum output_format format = FORMAT_PPROF;

	(void)find_suffix(path, &format);
	return format;
}

int output_add_type(const char *path, const char *type, char *buf, size_t n, struct error *error)
{
	enum output_format ignored;
	size_t stem = strlen(path) - find_suffix(path, &ignored);
	bool device = !strncmp(path, "/dev/", 5);
	int written = snprintf(buf, n, "%.*s%s%s%s", (int)MIN(stem, (size_t)LIMIT_PATH), path,
		device ? "" : ".", device ? "" : type, path + stem);

	if (written < 0 || (size_t)written >= n)
		return error_set(error, -ENAMETOOLONG, EXIT_CODE_USAGE,
			"output '%.60s' becomes longer than %zu characters", path, n - 1);
	return 0;
}

static int refuse_terminal(struct error *error)
{
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"a pprof profile is binary and not written to a terminal; "
		"name a file with -o, or another format with -f");
}

/* What can be seen to fail before anything was collected. */
static int check_path(struct output *o, struct error *error)
{
	struct stat st;
	char folder[LIMIT_PATH];
	char *slash;

	if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		_cleanup_close_ int fd = -1;

		if (S_ISDIR(st.st_mode))
			return error_set(error, -EISDIR, EXIT_CODE_FAILED,
				"cannot write %s: it is a folder; name a file", o->path);
		if (!S_ISCHR(st.st_mode) || o->format != FORMAT_PPROF)
			return 0;
		fd = open(o->path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
		return fd >= 0 && isatty(fd) ? refuse_terminal(error) : 0;
	}
	strcpy(folder, o->path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	if (access(slash ? folder : ".", W_OK | X_OK) < 0)
		return error_set(error, -errno, EXIT_CODE_FAILED, "cannot write %s: %s", o->path,
			strerror(errno));
	return 0;
}

int output_init(struct output *o, const char *path, enum output_format format, const char *type,
	const char *name, bool may_stdout, struct error *error)
{
	*o = (struct output){ .format = format };
	if (o->format == FORMAT_UNSET)
		o->format = path ? output_format_of(path) : FORMAT_PPROF;
	if (!path && may_stdout && (!isatty(STDOUT_FILENO) || o->format != FORMAT_PPROF)) {
		o->to_stdout = true;
		return 0;
	}
	if (path && !strcmp(path, "-")) {
		o->to_stdout = true;
		return o->format == FORMAT_PPROF && isatty(STDOUT_FILENO) ? refuse_terminal(error)
									  : 0;
	}
	if (path && (!*path || strlen(path) >= sizeof(o->path)))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad output '%.60s': a file name of 1 to %zu characters is needed", path,
			sizeof(o->path) - 1);
	o->defaulted = !path;
	if (path)
		strcpy(o->path, path);
	else
		snprintf(o->path, sizeof(o->path), "./%s.%s%s", type, name, suffixes[o->format]);
	return check_path(o, error);
}

int output_expand(const char *pattern, unsigned pid, const char *command, char *buf, size_t n,
	struct error *error)
{
	size_t at = 0;

	for (const char *s = pattern; *s; s++) {
		char number[24], c[2] = { *s, 0 };
		const char *add = c;

		if (*s == '%') {
			switch (*++s) {
			case 'p':
				snprintf(number, sizeof(number), "%u", pid);
				add = number;
				break;
			case 't':
				snprintf(number, sizeof(number), "%lld", (long long)time(NULL));
				add = number;
				break;
			case 'c':
				add = command;
				break;
			case '%':
				break;
			default:
				return error_set(error, -EINVAL, EXIT_CODE_USAGE,
					"bad output '%.60s': after %% only p, c, t or %% is known",
					pattern);
			}
		}
		if (at + strlen(add) >= n)
			return error_set(error, -ENAMETOOLONG, EXIT_CODE_USAGE,
				"output '%.60s' becomes longer than %zu characters", pattern,
				n - 1);
		at += strlen(strcpy(buf + at, add));
	}
	buf[at] = 0;
	return 0;
}

int output_render(
	const struct profile *p, enum output_format format, FILE *out, struct error *error)
{
	struct view_options o = { 0 };

	switch (format) {
	case FORMAT_FOLDED:
		return view_folded(p, &o, out, error);
	case FORMAT_DOT:
		return view_dot(p, &o, out, error);
	case FORMAT_PERF_SCRIPT:
		return view_perf_script(p, &o, out, error);
	case FORMAT_SPEEDSCOPE:
		return view_speedscope(p, &o, out, error);
	case FORMAT_TEXT:
		return view_text(p, &o, out, error);
	case FORMAT_SVG:
		return view_svg(p, &o, out, error);
	case FORMAT_HTML:
		return view_html(p, &o, out, error);
	default:
		return view_json(p, &o, out, error);
	}
}

static int write_file(const struct output *o, const void *data, size_t n)
{
	_cleanup_free_ char *real = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(o->path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
		return fd < 0 ? -errno : io_write_full(fd, data, n);
	}
	/* Through a link: what it names is replaced, not the link. */
	real = realpath(o->path, NULL);
	return io_replace_file(real && !o->defaulted ? real : o->path, data, n, o->defaulted);
}

/* Into TMPDIR, under a name of its own; the path is the caller's. NULL: that failed as well. */
static char *save_elsewhere(const void *pprof, size_t n)
{
	const char *dir = getenv("TMPDIR");
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/profctl.XXXXXX.pb.gz", dir && *dir ? dir : "/tmp") < 0)
		return NULL;
	fd = mkostemps(path, 6, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (io_write_full(fd, pprof, n) < 0) {
		unlink(path);
		return NULL;
	}
	return TAKE_PTR(path);
}

static int write_bytes(const struct output *o, const void *data, size_t n, const void *pprof,
	size_t pprof_n, struct error *error)
{
	_cleanup_free_ char *saved = NULL;
	int r;

	if (o->to_stdout) {
		r = fflush(stdout) ? -errno : io_write_full(STDOUT_FILENO, data, n);
		if (r == -EPIPE)
			return 0;
		return r < 0 ? error_set(error, r, EXIT_CODE_FAILED,
				       "cannot write standard output: %s", strerror(-r))
			     : 0;
	}
	r = write_file(o, data, n);
	if (r == 0)
		return 0;
	saved = pprof ? save_elsewhere(pprof, pprof_n) : NULL;
	return error_set(error, r, EXIT_CODE_FAILED, "cannot write %s: %s%s%s", o->path,
		strerror(-r), saved ? "; the profile was saved as " : "", saved ? saved : "");
}

int output_write_bytes(const struct output *o, const void *data, size_t n, struct error *error)
{
	return write_bytes(o, data, n, NULL, 0, error);
}

int output_write(const struct output *o, const void *pprof, size_t n, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	size_t text_n = 0;
	int r;

	if (o->format == FORMAT_PPROF)
		return write_bytes(o, pprof, n, pprof, n, error);
	r = pprof_decode(pprof, n, &p, error);
	if (r < 0)
		return r;
	out = open_memstream(&text, &text_n);
	if (!out)
		return error_set(error, -errno, EXIT_CODE_FAILED, "out of memory");
	r = output_render(p, o->format, out, error);
	if (r < 0)
		return r;
	if (fflush(out))
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	return write_bytes(o, text, text_n, pprof, n, error);
}

/* The profile as gzipped profile.proto, which is what output_write() takes. */
static int encode(const struct profile *p, char **ret, size_t *ret_n, struct error *error)
{
	_cleanup_close_ int fd = io_memfd("profile");
	int r = fd < 0 ? fd : pprof_write(p, fd, GZIP_LEVEL);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = io_read_fd(fd, LIMIT_PROFILE_BYTES, ret, ret_n);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot encode the profile: %s",
			       strerror(-r))
		     : 0;
}

int output_write_profile(const struct output *o, const struct profile *p, struct error *error)
{
	_cleanup_free_ char *data = NULL;
	size_t n;
	int r;

	if (o->to_stdout && o->format != FORMAT_PPROF) {
		r = output_render(p, o->format, stdout, error);
		/* A stream that failed is finish_stdout()'s to judge: a reader may have left. */
		return r == -EIO ? 0 : r;
	}
	r = encode(p, &data, &n, error);
	return r < 0 ? r : output_write(o, data, n, error);
}
