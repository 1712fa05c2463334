/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perf events of an event set: one of each online CPU, of every process, with our program behind
 * it. Every bit of perf_event_attr is chosen here; a client only picks a name and a rate.
 *
 * Below IDLE_SEEN_HZ the events leave the idle task out: on a CPU whose tick is stopped the kernel
 * counts every sample against the allowance of one tick, then throttles the event until the next
 * tick, and the short work of a mostly idle CPU would never be seen. How much of what did not run
 * was idle is then taken from /proc/stat.
 *
 * cpu-clock has a fixed period, so the event's own count / period says how often it should have run
 * the program; what is missing was not run. PMU events run in frequency mode, where the kernel
 * adapts the period: for them triggered is what ran.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

#define IDLE_SEEN_HZ 1000U /* no tick is longer than a period from here on, so none is stopped */

static const struct event_name {
	const char *name;
	uint32_t type;
	uint64_t config;
} event_names[] = {
	{ "cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
	{ "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES },
	{ "cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	{ "cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	{ "branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS },
	{ "branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
};

static const struct event_name *event_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
		if (strcmp(event_names[i].name, name) == 0)
			return &event_names[i];
	return NULL;
}

static int event_open(const struct event_name *e, uint32_t freq_hz, uint64_t period, int cpu)
{
	struct perf_event_attr attr = {
		.type = e->type,
		.size = sizeof(attr),
		.config = e->config,
		.disabled = 1,
		.exclude_idle = freq_hz < IDLE_SEEN_HZ,
	};
	int fd;

	if (period) {
		attr.sample_period = period;
	} else {
		attr.freq = 1;
		attr.sample_freq = freq_hz;
	}
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int event_probe(const char *name)
{
	const struct event_name *e = event_find(name);
	_cleanup_close_ int fd = -1;
	struct cpus cpus;
	int r;

	if (!e)
		return -ENOENT;
	r = cpus_read(&cpus);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < cpus.n && fd < 0; i++) {
		if (!cpus.online[i])
			continue;
		fd = event_open(e, 99, e->type == PERF_TYPE_SOFTWARE ? NS_PER_SEC / 99 : 0, (int)i);
		if (fd < 0 && fd != -ENODEV)
			return fd;
	}
	return fd < 0 ? -ENODEV : 0;
}

int event_explain(int r, const char *what, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int paranoid = 0;

	if (r != -EACCES && r != -EPERM)
		return error_set(error, r,
			r == -ENOENT || r == -EOPNOTSUPP ? EXIT_CODE_KERNEL : EXIT_CODE_FAILED,
			"cannot open %s: %s", what, strerror(-r));
	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", 64, &text, &n) == 0)
		paranoid = atoi(text);
	if (paranoid >= 3 && !features_capable(CAP_SYS_ADMIN))
		return error_set(error, r, EXIT_CODE_DENIED,
			"cannot open %s: kernel.perf_event_paranoid is %d, "
			"where this kernel asks for CAP_SYS_ADMIN; "
			"run profd as root or give its unit CAP_SYS_ADMIN, or set the sysctl to 2",
			what, paranoid);
	if (!features_capable(CAP_PERFMON) && !features_capable(CAP_SYS_ADMIN))
		return error_set(error, r, EXIT_CODE_DENIED,
			"cannot open %s: CAP_PERFMON is missing; "
			"run profd as root or give its unit CAP_PERFMON",
			what);
	return error_set(error, r, EXIT_CODE_DENIED,
		"cannot open %s: %s, although the capabilities are there; "
		"a seccomp filter or a security module forbids perf_event_open "
		"(in a container: --cap-add is not enough)",
		what, strerror(-r));
}

static int no_such_event(const char *name, int r, struct error *error)
{
	char known[256] = "";

	if (r == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
			strcat(known, i ? ", " : "");
			strcat(known, event_names[i].name);
		}
		return error_set(error, -EOPNOTSUPP, EXIT_CODE_USAGE,
			"no event \"%s\"; known are %s", name, known);
	}
	return error_set(error, -EOPNOTSUPP, EXIT_CODE_KERNEL,
		"event \"%s\" is not available here (%s): "
		"this machine or its hypervisor does not offer the performance counter it needs; "
		"cpu-clock works everywhere",
		name, strerror(-r));
}

static int *fds_new(unsigned n)
{
	int *fds = malloc(n * sizeof(*fds));

	return fds ? memset(fds, -1, n * sizeof(*fds)) : NULL;
}

int event_set_open(struct event_set *s, const char *name, uint32_t freq_hz, const struct cpus *cpus,
	struct error *error)
{
	const struct event_name *e = event_find(name);
	CLEANUP(event_set_deinit) struct event_set set = { .freq_hz = freq_hz, .n = cpus->n };
	unsigned opened = 0;

	if (!e)
		return no_such_event(name, 0, error);
	if (freq_hz < LIMIT_FREQ_MIN_HZ || freq_hz > LIMIT_FREQ_MAX_HZ)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"frequency %u Hz is not within %u to %u Hz", freq_hz, LIMIT_FREQ_MIN_HZ,
			LIMIT_FREQ_MAX_HZ);
	memcpy(set.name, e->name, strlen(e->name) + 1);
	if (e->type == PERF_TYPE_SOFTWARE)
		set.period = NS_PER_SEC / freq_hz;
	set.link_fds = fds_new(cpus->n);
	set.counts = calloc(cpus->n, sizeof(uint64_t));
	set.idle_from_ns = calloc(cpus->n, sizeof(uint64_t));
	set.idle_ns = calloc(cpus->n, sizeof(uint64_t));
	if (set.link_fds && set.counts && set.idle_from_ns && set.idle_ns)
		set.event_fds = fds_new(cpus->n);
	if (!set.event_fds)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	for (unsigned i = 0; i < cpus->n; i++) {
		int fd;

		if (!cpus->online[i])
			continue;
		fd = event_open(e, freq_hz, set.period, (int)i);
		if (fd == -ENODEV && opened + 1 < cpus->n && e->type == PERF_TYPE_SOFTWARE)
			continue; /* offline by now */
		if (fd == -EINVAL && !set.period)
			return error_set(error, -EOPNOTSUPP, EXIT_CODE_KERNEL,
				"event \"%s\" at %u Hz is refused; "
				"kernel.perf_event_max_sample_rate may be lower",
				name, freq_hz);
		if (fd == -ENOENT || fd == -ENODEV || fd == -EOPNOTSUPP || fd == -EINVAL)
			return no_such_event(name, fd, error);
		if (fd < 0)
			return event_explain(fd, name, error);
		set.event_fds[i] = fd;
		opened++;
	}
	event_set_deinit(s);
	*s = set;
	set = (struct event_set){ 0 };
	return 0;
}

int event_set_start(struct event_set *s, unsigned number, int prog_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = number);
	int r = 0;

	for (unsigned i = 0; i < s->n && r == 0; i++) {
		if (s->event_fds[i] < 0)
			continue;
		s->link_fds[i] = bpf_link_create(prog_fd, s->event_fds[i], BPF_PERF_EVENT, &opts);
		if (s->link_fds[i] < 0) {
			r = s->link_fds[i];
			s->link_fds[i] = -1;
		}
	}
	(void)cpus_idle(s->idle_from_ns, s->n);
	memcpy(s->idle_ns, s->idle_from_ns, s->n * sizeof(uint64_t));
	for (unsigned i = 0; i < s->n && r == 0; i++)
		if (s->event_fds[i] >= 0 && ioctl(s->event_fds[i], PERF_EVENT_IOC_ENABLE, 0) < 0)
			r = -errno;
	if (r < 0)
		event_set_close(s);
	return r;
}

void event_set_read(struct event_set *s)
{
	for (unsigned i = 0; s->event_fds && i < s->n; i++) {
		uint64_t count;

		if (s->event_fds[i] >= 0 &&
			read(s->event_fds[i], &count, sizeof(count)) == (ssize_t)sizeof(count))
			s->counts[i] = count;
	}
	if (s->event_fds && s->freq_hz < IDLE_SEEN_HZ)
		(void)cpus_idle(s->idle_ns, s->n);
}

uint64_t event_set_idle(const struct event_set *s, unsigned cpu, uint64_t missing)
{
	if (!s->period || s->freq_hz >= IDLE_SEEN_HZ || s->idle_ns[cpu] <= s->idle_from_ns[cpu])
		return 0;
	return MIN(missing, (s->idle_ns[cpu] - s->idle_from_ns[cpu]) / s->period);
}

void event_set_close(struct event_set *s)
{
	if (!s->event_fds)
		return;
	/* Off first: the ioctl returns when no program of it runs any more, so counts and counters
	 * that are read afterwards are final. */
	for (unsigned i = 0; i < s->n; i++)
		if (s->event_fds[i] >= 0)
			(void)ioctl(s->event_fds[i], PERF_EVENT_IOC_DISABLE, 0);
	event_set_read(s);
	for (unsigned i = 0; i < s->n; i++) {
		(void)close_fd(s->link_fds[i]);
		(void)close_fd(s->event_fds[i]);
	}
	free(s->link_fds);
	free(s->event_fds);
	s->link_fds = s->event_fds = NULL;
}

void event_set_deinit(struct event_set *s)
{
	event_set_close(s);
	free(s->link_fds);
	free(s->counts);
	free(s->idle_from_ns);
	free(s->idle_ns);
	*s = (struct event_set){ 0 };
}
