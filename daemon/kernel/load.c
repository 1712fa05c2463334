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
#include "base/limits.h"
#include "bpf/cpu.skel.h"
#include "bpf/follow.skel.h"
#include "bpf/forget.skel.h"
#include "bpf/mark.skel.h"
#include "bpf/self.skel.h"

int programs_failed(const char *name, int r, struct error *error)
{
	features_log_libbpf();
	if (r == -EPERM)
		return error_set(error, r, EXIT_CODE_DENIED,
			"loading the BPF program \"%s\" was not permitted; "
			"run profd as root or give its unit CAP_BPF and CAP_PERFMON",
			name);
	if (r == -ENOMEM)
		return error_set(error, r, EXIT_CODE_FAILED,
			"out of memory while loading the BPF program \"%s\" "
			"(maps count as memory of profd's cgroup: see MemoryMax=)",
			name);
	return error_set(error, r, EXIT_CODE_KERNEL,
		"this kernel refused the BPF program \"%s\": %s; "
		"`profctl status --features` says what is missing, "
		"the debug log holds the kernel's words",
		name, strerror(-r));
}

/* The namespaces of this process, as the kernel sees them. */
static int self_find(struct self_bpf **ret, struct error *error)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run);
	struct self_bpf *self = self_bpf__open_and_load();
	int r;

	if (!self)
		return programs_failed("self", -errno, error);
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

#define STORE_DEFAULT (64 * MIB)
#define STORE_MIN     (4 * MIB)
#define STORE_MAX     (2 * GIB)

static uint64_t store_size(const struct kernel_options *options, bool is_arena)
{
	uint64_t want = options && options->table_bytes ? options->table_bytes : STORE_DEFAULT;
	uint64_t size = STORE_MIN;

	want = MIN(MAX(want, STORE_MIN), STORE_MAX);
	if (is_arena)
		return want & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	/* An array value is at most INT_MAX bytes. */
	while (size * 2 <= want && size * 2 < STORE_MAX)
		size *= 2;
	return size;
}

int arena_reserve(uint64_t bytes, uint8_t **ret)
{
	const uint64_t align = 4 * GIB;
	uint8_t *all = mmap(
		NULL, align + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip;

	if (all == MAP_FAILED)
		return -errno;
	/* The low half of an address in an arena is the offset, so it must begin with 0. */
	skip = -(uint64_t)(uintptr_t)all & (align - 1);
	if (skip)
		(void)munmap(all, skip);
	if (skip < align)
		(void)munmap(all + skip + bytes, align - skip);
	*ret = all + skip;
	return 0;
}

static int store_prepare(struct programs *p, struct cpu_bpf *cpu)
{
	int r;

	cpu->rodata->store_is_arena = p->store_is_arena;
	if (!p->store_is_arena) {
		cpu->rodata->store_bytes = (uint32_t)p->store_bytes;
		r = bpf_map__set_autocreate(cpu->maps.arena, false);
		return r < 0 ? r
			     : bpf_map__set_value_size(cpu->maps.store, (uint32_t)p->store_bytes);
	}
	r = arena_reserve(p->store_bytes, &p->store);
	if (r == 0)
		r = bpf_map__set_autocreate(cpu->maps.store, false);
	if (r == 0)
		r = bpf_map__set_max_entries(
			cpu->maps.arena, (uint32_t)(p->store_bytes / sysconf(_SC_PAGESIZE)));
	if (r == 0)
		r = bpf_map__set_map_extra(cpu->maps.arena, (uint64_t)(uintptr_t)p->store);
	return r;
}

/* Over the reserved addresses where there are some. */
static int store_map(struct programs *p)
{
	const struct bpf_map *map = p->store_is_arena ? p->cpu->maps.arena : p->cpu->maps.store;
	void *at = mmap(p->store, p->store_bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | (p->store ? MAP_FIXED : 0), bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		return -errno;
	p->store = at;
	return 0;
}

static int load_cpu(struct programs *p, const struct self_bpf *self, const struct cpus *cpus,
	uint64_t ring_bytes, const struct kernel_options *options)
{
	struct cpu_bpf *cpu = p->cpu = cpu_bpf__open();
	int r;

	if (!cpu)
		return -errno;
	p->pid_level = self->bss->found_pid_level;
	cpu->rodata->self_pid_level = self->bss->found_pid_level;
	cpu->rodata->self_pid_ns = self->bss->found_pid_ns;
	cpu->rodata->self_user_ns = self->bss->found_user_ns;
	cpu->rodata->cpus = cpus->n;
	cpu->rodata->ring_wake_bytes = (uint32_t)(ring_bytes / 2);
	p->store_bytes = store_size(options, p->store_is_arena);
	r = store_prepare(p, cpu);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.scratch, cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.walks, cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.counters, ABI_SETS * cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.sent, cpus->n);
	if (r == 0)
		r = bpf_map__set_max_entries(cpu->maps.rings, cpus->n);
	if (r == 0)
		r = cpu_bpf__load(cpu);
	return r < 0 ? r : store_map(p);
}

static void unload_cpu(struct programs *p)
{
	cpu_bpf__destroy(p->cpu);
	p->cpu = NULL;
	if (p->store)
		(void)munmap(p->store, p->store_bytes);
	p->store = NULL;
}

/* With the arena where it is there and does, else with the array. */
static int load_sampler(struct programs *p, const struct cpus *cpus, uint64_t ring_bytes,
	const struct kernel_options *options, struct error *error)
{
	enum kernel_store want = options ? options->store : KERNEL_STORE_AUTO;
	struct self_bpf *self = NULL;
	int r = self_find(&self, error);

	if (r < 0)
		return r;
	p->store_is_arena = want == KERNEL_STORE_ARENA ||
			    (want == KERNEL_STORE_AUTO && features_present("bpf_arena"));
	r = load_cpu(p, self, cpus, ring_bytes, options);
	if (r < 0 && r != -EPERM && want == KERNEL_STORE_AUTO && p->store_is_arena) {
		unload_cpu(p);
		p->store_is_arena = false;
		r = load_cpu(p, self, cpus, ring_bytes, options);
	}
	self_bpf__destroy(self);
	return r < 0 ? programs_failed("cpu", r, error) : 0;
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
		r = share(p->follow->maps.unwind_processes, p->cpu->maps.unwind_processes);
	if (r == 0)
		r = follow_bpf__load(p->follow);
	if (r == 0)
		r = follow_bpf__attach(p->follow);
	if (r < 0)
		return programs_failed("follow", r, error);

	p->mark = mark_bpf__open();
	r = p->mark ? share(p->mark->maps.processes, processes) : -errno;
	if (r == 0)
		r = share(p->mark->maps.control, control);
	if (r == 0)
		r = mark_bpf__load(p->mark);
	if (r < 0)
		return programs_failed("mark", r, error);

	p->forget = forget_bpf__open();
	r = p->forget ? share(p->forget->maps.processes, processes) : -errno;
	if (r == 0)
		r = share(p->forget->maps.control, control);
	if (r == 0)
		r = forget_bpf__load(p->forget);
	return r < 0 ? programs_failed("forget", r, error) : 0;
}

static size_t counters_bytes(const struct programs *p)
{
	return sizeof(struct set_counters) * ABI_SETS * p->n_cpus;
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

	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__fd(map) >= 0)
			bytes += programs_map_bytes(bpf_map__fd(map));
	}
	return bytes;
}

int programs_load(struct programs *p, const struct cpus *cpus, uint64_t ring_bytes,
	const struct kernel_options *options, struct error *error)
{
	int r = load_sampler(p, cpus, ring_bytes, options, error);

	if (r < 0)
		return r;
	p->n_cpus = cpus->n;
	r = map_values(p->cpu->maps.control, sizeof(struct control), (void **)&p->control);
	if (r == 0)
		r = map_values(p->cpu->maps.counters, counters_bytes(p), (void **)&p->counters);
	if (r == 0)
		r = map_values(p->cpu->maps.walks, cpus->n * sizeof(struct walk_state),
			(void **)&p->walks);
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
		(void)munmap(p->counters, counters_bytes(p));
	if (p->control)
		(void)munmap(p->control, sizeof(struct control));
	if (p->walks)
		(void)munmap(p->walks, p->n_cpus * sizeof(struct walk_state));
	unload_cpu(p);
	*p = (struct programs){ 0 };
}
