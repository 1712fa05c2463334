/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the user names: parsed, with a pidfd for each pid, and put on the wire. Whether
 * anything matches is the daemon's to say; only a pid that does not exist is answered here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include "base/io.h"
#include "base/limits.h"
#include "client/target_args.h"

#define PID_MAX 4194304U /* the kernel's PID_MAX_LIMIT */

void target_args_deinit(struct target_args *t)
{
	for (size_t i = 0; i < t->n_pids; i++)
		close_fd(t->pidfds[i]);
	free(t->pids);
	free(t->pidfds);
	*t = (struct target_args)TARGET_ARGS_INIT;
}

static int add_pid(struct target_args *t, uint32_t pid)
{
	uint32_t *pids;
	int *pidfds;

	for (size_t i = 0; i < t->n_pids; i++)
		if (t->pids[i] == pid)
			return 0;
	if (t->n_pids >= LIMIT_PIDS)
		return -E2BIG;
	pids = reallocarray(t->pids, t->n_pids + 1, sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	t->pids = pids;
	pidfds = reallocarray(t->pidfds, t->n_pids + 1, sizeof(*pidfds));
	if (!pidfds)
		return -ENOMEM;
	t->pidfds = pidfds;
	t->pids[t->n_pids] = pid;
	t->pidfds[t->n_pids++] = -1;
	return 0;
}

static int parse_pids(struct target_args *t, const char *list, struct error *error)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	uint64_t pid;
	int r;

	if (!copy)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	while ((word = strsep(&rest, ","))) {
		r = parse_number(word, "pid", 1, PID_MAX, &pid, error);
		if (r < 0)
			return r;
		r = add_pid(t, pid);
		if (r == -E2BIG)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"more than %u pids; name the processes by --comm, --cgroup or "
				"--unit",
				LIMIT_PIDS);
		if (r < 0)
			return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	}
	return 0;
}

static int add_pattern(
	const char **list, size_t *n, const char *what, const char *value, struct error *error)
{
	if (!*value)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--%s needs a value that is not empty", what);
	if (strlen(value) >= LIMIT_PATH)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"the value of --%s is longer than %u", what, LIMIT_PATH - 1);
	if (*n >= TARGET_ARGS_PATTERNS)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--%s is given more than %u times", what, TARGET_ARGS_PATTERNS);
	list[(*n)++] = value;
	return 1;
}

int target_args_option(struct target_args *t, int id, const char *value, struct error *error)
{
	int r;

	switch (id) {
	case OPTION_OPERAND:
	case OPTION_PID:
		r = parse_pids(t, value, error);
		return r < 0 ? r : 1;
	case OPTION_COMM:
		return add_pattern(t->comms, &t->n_comms, "comm", value, error);
	case OPTION_EXE:
		if (*value && *value != '/')
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"--exe '%.200s' is not an absolute path", value);
		return add_pattern(t->exes, &t->n_exes, "exe", value, error);
	case OPTION_CGROUP:
		return add_pattern(t->cgroups, &t->n_cgroups, "cgroup", value, error);
	case OPTION_UNIT:
		return add_pattern(t->units, &t->n_units, "unit", value, error);
	case OPTION_ALL:
		t->all = true;
		return 1;
	case OPTION_NO_CHILDREN:
		t->no_children = true;
		return 1;
	default:
		return 0;
	}
}

bool target_args_empty(const struct target_args *t)
{
	return !t->n_pids && !t->n_comms && !t->n_exes && !t->n_cgroups && !t->n_units && !t->all;
}

int target_args_open(struct target_args *t, bool ended_too, struct error *error)
{
	for (size_t i = 0; i < t->n_pids; i++) {
		if (t->pidfds[i] >= 0)
			continue;
		t->pidfds[i] = syscall(SYS_pidfd_open, (pid_t)t->pids[i], 0);
		if (t->pidfds[i] >= 0)
			continue;
		if (errno == ESRCH && ended_too)
			continue;
		if (errno == ESRCH)
			return error_set(
				error, -ESRCH, EXIT_CODE_NO_TARGET, "no process %u", t->pids[i]);
		/* A thread that does not lead its process: ENOENT since 6.13, EINVAL before. */
		if (errno == EINVAL || errno == ENOENT)
			return error_set(error, -ESRCH, EXIT_CODE_NO_TARGET,
				"%u is a thread, not a process; see Tgid in /proc/%u/status",
				t->pids[i], t->pids[i]);
	}
	return 0;
}

void target_args_message(const struct target_args *t, struct target_message *ret)
{
	Profd__V1__Target *w = &ret->wire;
	bool fds = t->n_pids + (t->below ? 1 : 0) <= WIRE_MAX_FDS;

	profd__v1__target__init(w);
	ret->n_fds = 0;
	w->pids = t->pids;
	w->n_pids = t->n_pids;
	for (size_t i = 0; i < t->n_pids; i++)
		fds = fds && t->pidfds[i] >= 0;
	if (fds) {
		for (size_t i = 0; i < t->n_pids; i++)
			ret->fds[ret->n_fds++] = t->pidfds[i];
		w->n_pidfds = t->n_pids;
	}
	w->comms = (char **)t->comms;
	w->n_comms = t->n_comms;
	w->exes = (char **)t->exes;
	w->n_exes = t->n_exes;
	w->cgroups = (char **)t->cgroups;
	w->n_cgroups = t->n_cgroups;
	w->units = (char **)t->units;
	w->n_units = t->n_units;
	w->all = t->all;
	w->no_children = t->no_children;
	if (t->below) {
		ret->below = t->below;
		w->below_pids = &ret->below;
		w->n_below_pids = 1;
		if (fds && t->below_pidfd >= 0) {
			ret->fds[ret->n_fds++] = t->below_pidfd;
			w->n_below_pidfds = 1;
		}
	}
}

const char *file_word(const char *s, char *buf, size_t n)
{
	static const char fine[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	size_t i = 0;

	for (; *s && i + 1 < n && i < 64; s++) {
		char c = strchr(fine, *s) ? *s : '_';

		if (i == 0 && (c == '.' || c == '-'))
			c = '_';
		buf[i++] = c;
	}
	if (i == 0 && n > 1)
		buf[i++] = '_';
	buf[i] = 0;
	return buf;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *pid_word(uint32_t pid, char *buf, size_t n)
{
	_cleanup_free_ char *comm = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	if (io_read_file(AT_FDCWD, path, 4096, &comm, &len) < 0) {
		snprintf(path, sizeof(path), "%u", pid);
		return file_word(path, buf, n);
	}
	if (len && comm[len - 1] == '\n')
		comm[len - 1] = 0;
	return file_word(comm, buf, n);
}

const char *target_args_name(const struct target_args *t, char *buf, size_t n)
{
	if (t->n_pids)
		return pid_word(t->pids[0], buf, n);
	if (t->n_units)
		return file_word(t->units[0], buf, n);
	if (t->n_comms)
		return file_word(t->comms[0], buf, n);
	if (t->n_exes)
		return file_word(last_part(t->exes[0]), buf, n);
	if (t->n_cgroups)
		return file_word(last_part(t->cgroups[0]), buf, n);
	return file_word("all", buf, n);
}

static void add_text(
	char *buf, size_t n, const char *option, const char *const *list, size_t n_list)
{
	for (size_t i = 0; i < n_list; i++) {
		size_t at = strlen(buf);

		snprintf(buf + at, n - at, "%s--%s '%s'", at ? " " : "", option, list[i]);
	}
}

const char *target_args_text(const struct target_args *t, char *buf, size_t n)
{
	size_t at;

	buf[0] = 0;
	for (size_t i = 0; i < t->n_pids; i++) {
		at = strlen(buf);
		snprintf(buf + at, n - at, "%s%u", i ? "," : "--pid ", t->pids[i]);
	}
	add_text(buf, n, "comm", t->comms, t->n_comms);
	add_text(buf, n, "exe", t->exes, t->n_exes);
	add_text(buf, n, "cgroup", t->cgroups, t->n_cgroups);
	add_text(buf, n, "unit", t->units, t->n_units);
	at = strlen(buf);
	if (t->all)
		snprintf(buf + at, n - at, "%s--all", at ? " " : "");
	at = strlen(buf);
	if (t->no_children)
		snprintf(buf + at, n - at, "%s--no-children", at ? " " : "");
	return buf;
}
