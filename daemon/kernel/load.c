/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the embedded BPF objects, in the order of their maps: the sampler makes the shared ones,
 * the others are given them. Knows sizes that depend on the machine; attaches what needs no event.
 *
 * libbpf's own words go to a buffer; they are shown at debug level when a load fails.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "bpf/cpu.skel.h"
#include "bpf/follow.skel.h"
#include "bpf/forget.skel.h"
#include "bpf/mark.skel.h"
#include "bpf/self.skel.h"

static int load_failed(const char *name, int r, struct error *error)
{
	features_log_libbpf();
	if (r == -EPERM)
		return error_set(error, r, EXIT_CODE_DENIED,
			"loading the BPF program \"%s\" was not permitted; run profd as root or "
			"give its "
			"unit CAP_BPF and CAP_PERFMON",
			name);
	if (r == -ENOMEM)
		return error_set(error, r, EXIT_CODE_FAILED,
			"out of memory while loading the BPF program \"%s\" (maps count as memory "
			"of "
			"profd's cgroup: see MemoryMax=)",
			name);
	return error_set(error, r, EXIT_CODE_KERNEL,
		"this kernel refused the BPF program \"%s\": %s; `profctl status --features` says "
		"what is "
		"missing, the debug log holds the kernel's words",
		name, strerror(-r));
}

/* The namespaces of this process, as the kernel sees them. */
static int self_find(struct self_bpf **ret, struct error *error)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run);
	struct self_bpf *self = self_bpf__open_and_load();
	int r;

	if (!self)
		return load_failed("self", -errno, error);
	r = bpf_prog_test_run_opts(bpf_program__fd(self->progs.self), &run);
	if (r == 0 && run.retval)
		r = -ESRCH;
	if (r < 0) {
		self_bpf__destroy(self);
		return error_set(error, r, EXIT_CODE_KERNEL,
			"the kernel did not tell profd's own namespaces: %s", strerror(-r));
	}
	*ret = self;
	return 0;
}

static int load_cpu(
	struct programs *p, const struct cpus *cpus, uint64_t ring_bytes, struct error *error)
{
	struct self_bpf *self = NULL;
	struct cpu_bpf *cpu;
	int r = self_find(&self, error);

	if (r < 0)
		return r;
	cpu = p->cpu = cpu_bpf__open();
	if (!cpu) {
		r = -errno;
		self_bpf__destroy(self);
		return load_failed("cpu", r, error);
	}
	cpu->rodata->self_pid_level = self->bss->found_pid_level;
	cpu->rodata->self_pid_ns = self->bss->found_pid_ns;
	cpu->rodata->self_user_ns = self->bss->found_user_ns;
	cpu->rodata->ring_wake_bytes = (uint32_t)(ring_bytes / 2);
	self_bpf__destroy(self);
	r = bpf_map__set_max_entries(cpu->maps.scratch, cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.sent, cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.rings, cpus->n);
	if (r == 0)
		r = cpu_bpf__load(cpu);
	return r < 0 ? load_failed("cpu", r, error) : 0;
}

/* Gives a map of the sampler to an object that is open and not loaded. */
static int share(struct bpf_map *map, const struct bpf_map *from)
{
	return bpf_map__reuse_fd(map, bpf_map__fd(from));
}

static int load_others(struct programs *p, struct error *error)
{
	const struct bpf_map *control = p->cpu->maps.control, *processes = p->cpu->maps.processes;
	int r;

	p->follow = follow_bpf__open();
	r = p->follow ? share(p->follow->maps.control, control) : -errno;
	if (r == 0)
		r = share(p->follow->maps.processes, processes);
	if (r == 0)
		r = follow_bpf__load(p->follow);
	if (r == 0)
		r = follow_bpf__attach(p->follow);
	if (r < 0)
		return load_failed("follow", r, error);

	p->mark = mark_bpf__open();
	r = p->mark ? share(p->mark->maps.processes, processes) : -errno;
	if (r == 0)
		r = share(p->mark->maps.control, control);
	if (r == 0)
		r = mark_bpf__load(p->mark);
	if (r < 0)
		return load_failed("mark", r, error);

	p->forget = forget_bpf__open();
	r = p->forget ? share(p->forget->maps.processes, processes) : -errno;
	if (r == 0)
		r = share(p->forget->maps.control, control);
	if (r == 0)
		r = forget_bpf__load(p->forget);
	return r < 0 ? load_failed("forget", r, error) : 0;
}

static size_t counters_bytes(void)
{
	return sizeof(struct set_counters) * ABI_EVENT_SETS * ABI_MAX_CPUS;
}

static int map_values(const struct bpf_map *map, size_t n, void **ret)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

uint64_t programs_map_bytes(int map_fd)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *line;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd);
	if (io_read_file(AT_FDCWD, path, 65536, &text, &n) < 0)
		return 0;
	line = strstr(text, "memlock:");
	return line ? strtoull(line + strlen("memlock:"), NULL, 10) : 0;
}

static uint64_t object_bytes(const struct bpf_object *object)
{
	const struct bpf_map *map;
	uint64_t bytes = 0;

	bpf_object__for_each_map(map, object) bytes += programs_map_bytes(bpf_map__fd(map));
	return bytes;
}

int programs_load(
	struct programs *p, const struct cpus *cpus, uint64_t ring_bytes, struct error *error)
{
	int r = load_cpu(p, cpus, ring_bytes, error);

	if (r < 0)
		return r;
	r = map_values(p->cpu->maps.control, sizeof(struct control), (void **)&p->control);
	if (r == 0)
		r = map_values(p->cpu->maps.counters, counters_bytes(), (void **)&p->counters);
	if (r < 0)
		return error_set(
			error, r, EXIT_CODE_KERNEL, "cannot map a BPF map: %s", strerror(-r));
	p->bytes = object_bytes(p->cpu->obj);
	return load_others(p, error);
}

void programs_deinit(struct programs *p)
{
	forget_bpf__destroy(p->forget);
	mark_bpf__destroy(p->mark);
	follow_bpf__destroy(p->follow);
	if (p->counters)
		(void)munmap(p->counters, counters_bytes());
	if (p->control)
		(void)munmap(p->control, sizeof(struct control));
	cpu_bpf__destroy(p->cpu);
	*p = (struct programs){ 0 };
}
