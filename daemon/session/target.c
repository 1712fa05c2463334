/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns turning a Target from the wire into values that the daemon can trust: bounded lists,
 * printable strings, pids of our own PID namespace with a pidfd that pins them. What is kept is
 * canonical: pids sorted without doubles, cgroups as "/a/b" below the mount. Matching and printing
 * are target_match.c's.
 *
 * Everything in the message, and every descriptor with it, is hostile.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "bpf/abi.h"
#include "proc/cgroup.h"
#include "session/pidfd.h"
#include "session/target.h"
#include "wire/profd.pb-c.h"

#define COMM_MAX    15U		     /* the kernel's TASK_COMM_LEN without NUL */
#define UNIT_MAX    255U	     /* systemd's UNIT_NAME_MAX */
#define CGROUP_ROOT "/sys/fs/cgroup" /* meant where the tree is mounted elsewhere, too */

static void strings_free(char **list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free(TAKE_PTR(list[i]));
	*n = 0;
}

static void pids_free(struct target_pid **list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		close_fd((*list)[i].pidfd);
	free(TAKE_PTR(*list));
	*n = 0;
}

void target_spec_deinit(struct target_spec *t)
{
	if (!t)
		return;
	pids_free(&t->pids, &t->n_pids);
	pids_free(&t->below, &t->n_below);
	strings_free(t->comms, &t->n_comms);
	strings_free(t->exes, &t->n_exes);
	strings_free(t->cgroups, &t->n_cgroups);
	strings_free(t->units, &t->n_units);
	*t = (struct target_spec){ 0 };
}

static int by_pid(const void *a, const void *b)
{
	uint32_t x = ((const struct target_pid *)a)->pid, y = ((const struct target_pid *)b)->pid;

	return x < y ? -1 : x > y;
}

static size_t sort_pids(struct target_pid *list, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(list, n, sizeof(*list), by_pid);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && list[kept - 1].pid == list[i].pid)
			close_fd(list[i].pidfd);
		else
			list[kept++] = list[i];
	}
	return kept;
}

static int no_process(struct error *error, uint32_t number)
{
	return error_set(error, -ESRCH, EXIT_CODE_NO_TARGET, "no process %u", number);
}

/* The process behind a number that came with a pidfd (then the number is only what the peer calls
 * it) or without one. */
static int resolve_pid(
	uint32_t number, int pidfd, bool keep, struct target_pid *ret, struct error *error)
{
	_cleanup_close_ int owned = pidfd;
	uint32_t pid = number;
	int r;

	if (number == 0 || number > INT32_MAX)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "%u is not a process id", number);
	if (owned >= 0) {
		r = pidfd_pid(owned, &pid);
		if (r == -ESRCH)
			return no_process(error, number);
		if (r < 0)
			return error_set(error, r, EXIT_CODE_USAGE,
				"the descriptor sent for process %u is not a pidfd", number);
	} else {
		owned = (int)syscall(SYS_pidfd_open, (pid_t)number, 0);
		/* EINVAL: a thread that leads no process; ENOENT on newer kernels. */
		if (owned < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT))
			return no_process(error, number);
	}
	*ret = (struct target_pid){ .pid = pid, .pidfd = keep ? TAKE_FD(owned) : -1 };
	return 0;
}

static int pids_from_wire(struct target_pid **list, size_t *n_list, const uint32_t *numbers,
	size_t n, int *fds, size_t n_fds, size_t keep, struct error *error)
{
	if (n == 0)
		return 0;
	*list = calloc(n, sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int fd = n_fds > 0 ? TAKE_FD(fds[i]) : -1;
		int r = resolve_pid(numbers[i], fd, i < keep, &(*list)[i], error);
		if (r < 0)
			return r;
		*n_list = i + 1;
	}
	*n_list = sort_pids(*list, *n_list);
	return 0;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A copy in canonical form, or NULL with `*why` (NULL there: out of memory). */
typedef char *(*check_fn)(const char *s, const char **why);

static char *check_comm(const char *s, const char **why)
{
	size_t n = strlen(s);

	if (n >= ABI_GLOB)
		*why = "is longer than 63 characters";
	else if (n > COMM_MAX && !strpbrk(s, "*?["))
		*why = "matches nothing: a comm has at most 15 characters; use --exe or a glob";
	else
		return strdup(s);
	return NULL;
}

static char *check_exe(const char *s, const char **why)
{
	if (s[0] != '/')
		*why = "is not an absolute path";
	else if (strlen(s) >= LIMIT_PATH)
		*why = "is longer than 4095 characters";
	else
		return strdup(s);
	return NULL;
}

/* What of a path is below the directory, "" for itself; NULL: it is elsewhere. */
static const char *below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || !path[n]) ? path + n : NULL;
}

static char *check_cgroup(const char *s, const char **why)
{
	size_t n = 0;

	if (strlen(s) >= LIMIT_PATH) {
		*why = "is longer than 4095 characters";
		return NULL;
	}
	const char *mounted = cgroup_mount_point(), *inner = mounted ? below(s, mounted) : NULL;
	if (!inner)
		inner = below(s, CGROUP_ROOT);
	if (inner)
		s = inner;
	char *path = malloc(strlen(s) + 2);
	if (!path)
		return NULL;
	while (*s) {
		size_t part = strcspn(s, "/");
		if (part == 2 && s[0] == '.' && s[1] == '.') {
			free(path);
			*why = "has a \"..\" in it";
			return NULL;
		}
		if (part > 0 && !(part == 1 && s[0] == '.')) {
			path[n++] = '/';
			memcpy(path + n, s, part);
			n += part;
		}
		s += part + (s[part] == '/');
	}
	if (n == 0)
		path[n++] = '/';
	path[n] = '\0';
	return path;
}

static char *check_unit(const char *s, const char **why)
{
	size_t n = strlen(s);

	if (n > UNIT_MAX)
		*why = "is longer than 255 characters";
	else if (strspn(s,
			 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") !=
		 n)
		*why = "is not a unit name";
	else
		return strdup(s);
	return NULL;
}

static int strings_from_wire(char **list, size_t *n_list, char *const *from, size_t n,
	const char *option, check_fn check, struct error *error)
{
	char shown[80];

	if (n > TARGET_MAX_PATTERNS)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "%zu times %s, at most %u", n,
			option, TARGET_MAX_PATTERNS);
	for (size_t i = 0; i < n; i++) {
		const char *why = NULL;
		char *copy = NULL;
		if (!from[i][0])
			why = "is empty";
		else if (!printable(from[i]))
			why = "has control characters";
		else
			copy = check(from[i], &why);
		if (!copy && !why)
			return -ENOMEM;
		if (!copy)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE, "%s: \"%s\" %s", option,
				io_printable(from[i], shown, sizeof(shown)), why);
		list[(*n_list)++] = copy;
	}
	return 0;
}

static int check_counts(const Profd__V1__Target *w, size_t n_fds, struct error *error)
{
	if (w->n_pids > LIMIT_PIDS || w->n_below_pids > LIMIT_PIDS - w->n_pids)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"%zu processes in one target, at most %u", w->n_pids + w->n_below_pids,
			LIMIT_PIDS);
	if ((w->n_pidfds != 0 && w->n_pidfds != w->n_pids) ||
		(w->n_below_pidfds != 0 && w->n_below_pidfds != w->n_below_pids) ||
		(uint64_t)w->n_pidfds + w->n_below_pidfds != n_fds)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"%u and %u pidfds announced for %zu and %zu processes, %zu came",
			w->n_pidfds, w->n_below_pidfds, w->n_pids, w->n_below_pids, n_fds);
	return 0;
}

static int fill(struct target_spec *t, const Profd__V1__Target *w, int *fds, size_t n_fds,
	struct error *error)
{
	int r = check_counts(w, n_fds, error);
	if (r < 0)
		return r;
	t->all = w->all;
	t->no_children = w->no_children;
	r = strings_from_wire(
		t->comms, &t->n_comms, w->comms, w->n_comms, "--comm", check_comm, error);
	if (r == 0)
		r = strings_from_wire(
			t->exes, &t->n_exes, w->exes, w->n_exes, "--exe", check_exe, error);
	if (r == 0)
		r = strings_from_wire(t->cgroups, &t->n_cgroups, w->cgroups, w->n_cgroups,
			"--cgroup", check_cgroup, error);
	if (r == 0)
		r = strings_from_wire(
			t->units, &t->n_units, w->units, w->n_units, "--unit", check_unit, error);
	if (r == 0)
		r = pids_from_wire(&t->pids, &t->n_pids, w->pids, w->n_pids, fds, w->n_pidfds,
			TARGET_MAX_PIDFDS, error);
	if (r == 0)
		r = pids_from_wire(&t->below, &t->n_below, w->below_pids, w->n_below_pids,
			w->n_below_pidfds > 0 ? fds + w->n_pidfds : NULL, w->n_below_pidfds,
			TARGET_MAX_PIDFDS - MIN(t->n_pids, TARGET_MAX_PIDFDS), error);
	return r;
}

int target_spec_from_wire(struct target_spec *ret, const struct Profd__V1__Target *wire, int *fds,
	size_t n_fds, struct error *error)
{
	static const Profd__V1__Target nothing = PROFD__V1__TARGET__INIT;
	struct target_spec t = { 0 };

	int r = fill(&t, wire ? wire : &nothing, fds, n_fds, error);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = close_fd(fds[i]);
	if (r < 0) {
		target_spec_deinit(&t);
		return r;
	}
	*ret = t;
	return 0;
}
