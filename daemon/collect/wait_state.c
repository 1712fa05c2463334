/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a wait was for, decided in this order: what the kernel side knows for certain; the system
 * call, and the kind of file it was for; for a futex the innermost function that wait_rules[]
 * knows, looked for through libraries only; then what a caller near to it says more of. The names
 * in a stripped C library are those that it exports, so unnamed functions are passed over.
 *
 * Pure, no memory of its own; names are the target's, of any length, and only compared.
 */
#include "collect/wait_state.h"
#include "collect/wait_rules.h"
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/syscall.h>

#define NAME_MAX_BYTES	 256 /* of a reduced name; longer ones are cut */
#define CALLERS_ASKED	 4   /* frames outwards that may refine a state */
#define FRAMES_LOOKED_AT 64

static const struct wait_state_info {
	const char *name, *text;
	uint32_t shown;
} infos[WAIT_COUNT] = {
#define X(id, name, text, shown) [WAIT_##id] = { (name), (text), (shown) },
	WAIT_STATES(X)
#undef X
};

const char *wait_state_name(enum wait_state state)
{
	return infos[state].name;
}

const char *wait_state_text(enum wait_state state)
{
	return infos[state].text;
}

int wait_state_find(const char *name)
{
	for (int i = 0; i < WAIT_COUNT; i++)
		if (strcmp(infos[i].name, name) == 0)
			return i;
	return -EINVAL;
}

uint32_t wait_states_shown(enum profile_type type)
{
	uint32_t in = type == PROFILE_BLOCK ? WAIT_IN_BLOCK : WAIT_IN_MUTEX, shown = 0;

	if (type != PROFILE_BLOCK && type != PROFILE_MUTEX)
		return UINT32_MAX;
	for (int i = 0; i < WAIT_COUNT; i++)
		if (infos[i].shown & in)
			shown |= 1U << i;
	return shown;
}

/* ---- system calls --------------------------------------------------------------------------- */

/* What waits in a call are for; WAIT_OTHER: what the file says. Futexes are not here. */
static const struct {
	uint16_t syscall;
	uint8_t state;
} syscalls[] = {
	{ SYS_nanosleep, WAIT_SLEEP },
	{ SYS_clock_nanosleep, WAIT_SLEEP },
	{ SYS_poll, WAIT_POLL },
	{ SYS_ppoll, WAIT_POLL },
	{ SYS_select, WAIT_POLL },
	{ SYS_pselect6, WAIT_POLL },
	{ SYS_epoll_wait, WAIT_POLL },
	{ SYS_epoll_pwait, WAIT_POLL },
	{ SYS_epoll_pwait2, WAIT_POLL },
	{ SYS_recvfrom, WAIT_SOCKET },
	{ SYS_recvmsg, WAIT_SOCKET },
	{ SYS_recvmmsg, WAIT_SOCKET },
	{ SYS_sendto, WAIT_SOCKET },
	{ SYS_sendmsg, WAIT_SOCKET },
	{ SYS_sendmmsg, WAIT_SOCKET },
	{ SYS_accept, WAIT_SOCKET },
	{ SYS_accept4, WAIT_SOCKET },
	{ SYS_connect, WAIT_SOCKET },
	{ SYS_wait4, WAIT_PROCESS },
	{ SYS_waitid, WAIT_PROCESS },
	{ SYS_vfork, WAIT_PROCESS },
	{ SYS_clone, WAIT_PROCESS }, /* with CLONE_VFORK: posix_spawn */
	{ SYS_clone3, WAIT_PROCESS },
	{ SYS_fsync, WAIT_DISK },
	{ SYS_fdatasync, WAIT_DISK },
	{ SYS_sync, WAIT_DISK },
	{ SYS_syncfs, WAIT_DISK },
	{ SYS_sync_file_range, WAIT_DISK },
	{ SYS_msync, WAIT_DISK },
	{ SYS_io_getevents, WAIT_DISK },
	{ SYS_io_pgetevents, WAIT_DISK },
	{ SYS_io_submit, WAIT_DISK },
	{ SYS_io_uring_enter, WAIT_IO_URING },
	{ SYS_rt_sigtimedwait, WAIT_SIGNAL },
	{ SYS_rt_sigsuspend, WAIT_SIGNAL },
	{ SYS_pause, WAIT_SIGNAL },
	{ SYS_semop, WAIT_IPC },
	{ SYS_semtimedop, WAIT_IPC },
	{ SYS_msgrcv, WAIT_IPC },
	{ SYS_msgsnd, WAIT_IPC },
	{ SYS_mq_timedsend, WAIT_IPC },
	{ SYS_mq_timedreceive, WAIT_IPC },
	{ SYS_flock, WAIT_FILE },
	{ SYS_fcntl, WAIT_FILE }, /* F_SETLKW */
	{ SYS_getdents64, WAIT_FILE },
	{ SYS_ftruncate, WAIT_FILE },
	{ SYS_truncate, WAIT_FILE },
	{ SYS_fallocate, WAIT_FILE },
	{ SYS_stat, WAIT_FILE },
	{ SYS_lstat, WAIT_FILE },
	{ SYS_fstat, WAIT_FILE },
	{ SYS_newfstatat, WAIT_FILE },
	{ SYS_statx, WAIT_FILE },
	{ SYS_statfs, WAIT_FILE },
	{ SYS_access, WAIT_FILE },
	{ SYS_faccessat, WAIT_FILE },
	{ SYS_faccessat2, WAIT_FILE },
	{ SYS_readlink, WAIT_FILE },
	{ SYS_readlinkat, WAIT_FILE },
	{ SYS_rename, WAIT_FILE },
	{ SYS_renameat, WAIT_FILE },
	{ SYS_renameat2, WAIT_FILE },
	{ SYS_unlink, WAIT_FILE },
	{ SYS_unlinkat, WAIT_FILE },
	{ SYS_mkdir, WAIT_FILE },
	{ SYS_mkdirat, WAIT_FILE },
	{ SYS_rmdir, WAIT_FILE },
	{ SYS_link, WAIT_FILE },
	{ SYS_linkat, WAIT_FILE },
	{ SYS_symlink, WAIT_FILE },
	{ SYS_symlinkat, WAIT_FILE },
};

/* Calls that open: for a file, unless for a pipe whose other end nobody has. */
static bool opens(uint16_t syscall)
{
	return syscall == SYS_open || syscall == SYS_openat || syscall == SYS_openat2 ||
	       syscall == SYS_creat || syscall == SYS_execve || syscall == SYS_execveat;
}

static bool is_futex(uint16_t syscall)
{
	return syscall == SYS_futex || syscall == SYS_futex_waitv ||
	       (syscall >= 454 && syscall <= 456) || /* futex_wake, _wait, _requeue: Linux 6.7 */
	       syscall == SYS_restart_syscall;
}

static enum wait_state of_file(uint8_t file)
{
	switch (file) {
	case WAIT_FILE_REGULAR:
	case WAIT_FILE_DIRECTORY:
		return WAIT_FILE;
	case WAIT_FILE_PIPE:
		return WAIT_PIPE;
	case WAIT_FILE_SOCKET:
		return WAIT_SOCKET;
	case WAIT_FILE_CHARACTER:
		return WAIT_TERMINAL;
	case WAIT_FILE_BLOCK:
		return WAIT_DISK;
	case WAIT_FILE_ANONYMOUS:
		return WAIT_EVENT;
	default:
		return WAIT_OTHER;
	}
}

static enum wait_state of_syscall(const struct wait_facts *facts)
{
	for (size_t i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++)
		if (syscalls[i].syscall == facts->syscall)
			return syscalls[i].state;
	enum wait_state state = of_file(facts->file);
	return state == WAIT_OTHER && opens(facts->syscall) ? WAIT_FILE : state;
}

/* ---- names ---------------------------------------------------------------------------------- */

struct name {
	char text[NAME_MAX_BYTES]; /* "": not known */
	const char *raw;	   /* with its leading underscores */
};

static bool is_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Behind the bracket that closes the one at *s. */
static const char *behind(const char *s, char open, char close)
{
	for (int depth = 0; *s; s++) {
		depth += *s == open;
		depth -= *s == close;
		if (depth == 0)
			return s + 1;
	}
	return s;
}

/* C++ and Rust: without arguments of templates and functions, return type, closures;
 * "<A<T> as B>::c" is A::c. */
static void reduce_path(const char *s, char *to)
{
	size_t n = 0;
	int qualified = 0;

	while (*s && n + 1 < NAME_MAX_BYTES) {
		bool after_name = n > 0 && (is_word(to[n - 1]) || to[n - 1] == ':');
		if (is_prefix(s, "(anonymous namespace)::")) {
			s += strlen("(anonymous namespace)::");
		} else if (*s == '(') {
			break;
		} else if (*s == '<' && after_name) {
			s = behind(s, '<', '>');
			if (n > 1 && to[n - 1] == ':' && is_prefix(s, "::"))
				n -= 2;		      /* Rust's turbofish */
		} else if (*s == '[' && after_name) { /* a crate's hash */
			s = behind(s, '[', ']');
		} else if (*s == '<') {
			qualified++, s++;
		} else if (*s == '>') {
			qualified -= qualified > 0, s++;
		} else if (qualified && is_prefix(s, " as ")) {
			while (*s && *s != '>')
				s = *s == '<' ? behind(s, '<', '>') : s + 1;
		} else if (*s == '{') {
			s = behind(s, '{', '}');
			while (n > 0 && to[n - 1] == ':')
				n--;
		} else if (*s == ' ') {
			n = 0, s++;
		} else {
			to[n++] = *s++;
		}
	}
	while (n > 0 && to[n - 1] == ':')
		n--;
	to[n] = '\0';
}

/* What the compiler and symbol versions put behind the name of a C function. */
static const char *const c_suffixes[] = { "@", ".constprop", ".part", ".isra", ".cold",
	".localalias" };

static void name_of(const struct wait_frame *frame, struct name *name)
{
	const char *s = frame->function ? frame->function : "";
	*name = (struct name){ .raw = s };
	if (!s[0] || strstr(s, "+0x") || s[0] == '[') /* grouped by its place, or a note of ours */
		return;
	if (strstr(s, "::")) {
		reduce_path(s, name->text);
		return;
	}
	if (is_prefix(s, "__GI_"))
		s += strlen("__GI_");
	while (*s == '_')
		s++;
	if (is_prefix(s, "new_sem")) /* glibc: __new_sem_wait */
		s += strlen("new_");
	size_t n = strcspn(s, "( "); /* the arguments of a C++ function in no namespace */
	if (s[n] == '(' && n > 0 && s[n - 1] == '.')
		n = strlen(s); /* Go: "runtime.(*mheap).grow" */
	n = n < NAME_MAX_BYTES - 1 ? n : NAME_MAX_BYTES - 1;
	memcpy(name->text, s, n);
	name->text[n] = '\0';
	for (size_t i = 0; i < sizeof(c_suffixes) / sizeof(c_suffixes[0]); i++) {
		char *suffix = strstr(name->text, c_suffixes[i]);
		if (suffix)
			*suffix = '\0';
	}
}

static bool fits(const char *pattern, const char *text)
{
	if (pattern[0] != text[0] && pattern[0] != '*')
		return false;
	return strchr(pattern, '*') ? fnmatch(pattern, text, 0) == 0 : strcmp(pattern, text) == 0;
}

/* As wait_rules.h describes it. */
static bool name_fits(const struct name *name, const char *pattern)
{
	if (!name->text[0])
		return false;
	if (is_prefix(pattern, "__"))
		return fits(pattern, name->raw);
	const char *tail = strstr(pattern, "::");
	if (!tail)
		return fits(pattern, name->text);
	size_t root = (size_t)(tail - pattern);
	if (strncmp(name->text, pattern, root) != 0 || is_word(name->text[root])) {
		/* a class of any namespace: the whole pattern ends the name */
		root = 0;
		tail = pattern;
	} else {
		tail += 2;
	}
	for (const char *s = name->text + root; s; s = strstr(s, "::")) {
		s += is_prefix(s, "::") ? 2 : 0;
		if (fits(tail, s))
			return true;
	}
	return false;
}

/* ---- modules -------------------------------------------------------------------------------- */

static bool module_is(const char *path, const char *const *prefixes, size_t n)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *base = slash ? slash + 1 : path;

	for (size_t i = 0; base && i < n; i++)
		if (is_prefix(base, prefixes[i]))
			return true;
	return false;
}

static bool in_libc(const struct wait_frame *frame)
{
	return module_is(frame->module, wait_libc, sizeof(wait_libc) / sizeof(wait_libc[0]));
}

/* Of libc's exported functions, those that do not wait themselves. */
static bool starts_or_calls(const struct name *name)
{
	return strcmp(name->text, "syscall") == 0 || is_prefix(name->text, "clone") ||
	       strcmp(name->text, "start_thread") == 0 || is_prefix(name->text, "libc_start");
}

/* Whether a function only passes a wait on: the search goes on with its caller. */
static bool passed_over(const struct name *name)
{
	if (!name->text[0] || is_prefix(name->raw, "__"))
		return true;
	for (size_t i = 0; i < sizeof(wait_passed) / sizeof(wait_passed[0]); i++)
		if (fits(wait_passed[i], name->text))
			return true;
	return false;
}

/* A worker of a library's pool that has nothing to do: under its start, only the library. */
static bool is_idle_worker(const struct wait_frame *frames, size_t n)
{
	size_t first = 0;
	while (first < n && in_libc(&frames[first]))
		first++;
	size_t i = first;
	while (i < n &&
		module_is(frames[i].module, wait_pools, sizeof(wait_pools) / sizeof(wait_pools[0])))
		i++;
	return i > first && (i == n || in_libc(&frames[i]));
}

/* ---- the decision --------------------------------------------------------------------------- */

/* What the innermost known function says; in *ret_at its frame, or the first that is passed to no
 * library. */
static enum wait_state of_futex(
	const struct wait_frame *frames, size_t n, bool wakes, size_t *ret_at)
{
	bool in_libcs_own = false;

	*ret_at = 0;
	for (size_t i = 0; i < n; i++) {
		struct name name;
		name_of(&frames[i], &name);
		for (size_t r = 0; r < sizeof(wait_rules) / sizeof(wait_rules[0]); r++) {
			uint8_t state = wakes ? wait_rules[r].wakes : wait_rules[r].waits;
			if (state && name_fits(&name, wait_rules[r].name)) {
				*ret_at = i;
				return state;
			}
		}
		if (in_libc(&frames[i])) {
			in_libcs_own |= name.text[0] ? !starts_or_calls(&name) : wakes;
			continue;
		}
		/* A lock of libc's own, within what it exports. Without a name, one that waits has
		 * called sem_wait or pthread_join, of which glibc's jump to what has none; one that
		 * wakes only pthread_mutex_unlock. */
		if (in_libcs_own)
			return WAIT_MUTEX;
		if (!passed_over(&name)) {
			*ret_at = i;
			return WAIT_FUTEX;
		}
	}
	return WAIT_FUTEX;
}

/* Whether the nearest named function inwards of frames[at] is `below`, and what is between belongs
 * to the module of frames[at]. */
static bool has_called(const struct wait_frame *frames, size_t at, const char *below)
{
	for (size_t i = at; i-- > 0;) {
		struct name name;
		name_of(&frames[i], &name);
		if (name.text[0])
			return name_fits(&name, below);
		if (!frames[i].module || !frames[at].module ||
			strcmp(frames[i].module, frames[at].module) != 0)
			return false;
	}
	return false;
}

static enum wait_state refined(
	enum wait_state state, const struct wait_frame *frames, size_t n, size_t at)
{
	size_t asked = 0;

	for (size_t i = at; i < n && asked <= CALLERS_ASKED; i++) {
		struct name name;
		name_of(&frames[i], &name);
		for (size_t r = 0; r < sizeof(wait_refinements) / sizeof(wait_refinements[0]);
			r++) {
			const struct wait_refinement *ref = &wait_refinements[r];
			if ((ref->from >> state & 1) && name_fits(&name, ref->name) &&
				(!ref->below || has_called(frames, i, ref->below)))
				return ref->to;
		}
		asked += !in_libc(&frames[i]) && !passed_over(&name);
	}
	return state;
}

/* Not every waking is one of the thread itself: signals and timers wake too, and its end. */
static enum wait_state of_waking(
	const struct wait_facts *facts, const struct wait_frame *frames, size_t n)
{
	size_t at;

	if (facts->flags & WAIT_IS_KERNEL_LOCK)
		return WAIT_KERNEL_LOCK;
	if (facts->flags & WAIT_IS_INTERRUPT)
		return WAIT_SLEEP; /* its time is over */
	if (facts->syscall == SYS_exit || facts->syscall == SYS_exit_group ||
		facts->syscall == SYS_execve || facts->syscall == SYS_execveat)
		return WAIT_JOIN;
	if (!is_futex(facts->syscall))
		return WAIT_SIGNAL;
	enum wait_state state = of_futex(frames, n, true, &at);
	if (state == WAIT_FUTEX && is_idle_worker(frames, n))
		return WAIT_BARRIER; /* the last one of a team that comes to its end */
	return refined(state, frames, n, at);
}

enum wait_state wait_state(
	const struct wait_facts *facts, const struct wait_frame *frames, size_t n)
{
	size_t at = 0;

	n = n < FRAMES_LOOKED_AT ? n : FRAMES_LOOKED_AT;
	if (facts->probe_set == SET_UNLOCKS)
		return of_waking(facts, frames, n);
	if (facts->probe_set == SET_CREATES)
		return WAIT_OTHER;
	if (facts->probe_set != SET_WAITS)
		return WAIT_RUNNING;
	if (facts->only_runnable || !(facts->flags & WAIT_IS_BLOCKED))
		return WAIT_RUNNABLE;
	if (facts->syscall == SYSCALL_STOPPED)
		return WAIT_STOPPED;
	if (facts->flags & WAIT_IS_KERNEL_LOCK)
		return WAIT_KERNEL_LOCK;
	if (facts->flags & WAIT_IS_FAULT)
		return WAIT_FAULT;
	if (facts->flags & WAIT_IS_IO)
		return WAIT_DISK;
	enum wait_state state =
		is_futex(facts->syscall) ? of_futex(frames, n, false, &at) : of_syscall(facts);
	enum wait_state better = refined(state, frames, n, at);
	bool may_be_idle = state == WAIT_FUTEX || state == WAIT_CONDVAR || state == WAIT_SEMAPHORE;
	if (better == state && may_be_idle && is_idle_worker(frames, n))
		return WAIT_POOL_IDLE;
	return better;
}
