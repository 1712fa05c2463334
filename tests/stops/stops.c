/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stops PID-OF-PROFD: loads stops.bpf.o with the maps of that profd, then obeys lines of standard
 * input:
 *
 *   PID N   stops a thread of the process at its N-th next sample in user mode; answers within a
 *           few seconds with "TID REASON IP..." (hexadecimal, leaf first), or with "none"
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "stops.h"
#include "stops.skel.h"

#define WAIT_MS	  3000
#define MAX_IDS	  64
#define PERIOD_NS 1003009 /* no divisor of a timer's */

static const char *const reasons[] = {
#define X(id, name, text) name,
	TRUNCATE_REASONS(X)
#undef X
};

static void fail(const char *what)
{
	(void)fprintf(stderr, "stops: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t id_of(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[128];
	uint32_t id = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "prog_id: %" SCNu32, &id) == 1)
			break;
	if (f)
		(void)fclose(f);
	return id;
}

/* The program "cpu_sample" among those that the process holds. */
static void find_program(const char *pid, struct bpf_prog_info *ret, uint32_t *map_ids)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	d = opendir(path);
	if (!d)
		fail(path);
	while ((e = readdir(d))) {
		uint32_t n = sizeof(*ret), id;
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, e->d_name);
		id = id_of(path);
		fd = id ? bpf_prog_get_fd_by_id(id) : -1;
		if (fd < 0)
			continue;
		memset(ret, 0, sizeof(*ret));
		ret->nr_map_ids = MAX_IDS;
		ret->map_ids = (uint64_t)(uintptr_t)map_ids;
		if (bpf_obj_get_info_by_fd(fd, ret, &n) == 0 &&
			strcmp(ret->name, "cpu_sample") == 0) {
			(void)close(fd);
			(void)closedir(d);
			return;
		}
		(void)close(fd);
	}
	(void)closedir(d);
	errno = ENOENT;
	fail("cpu_sample");
}

static int find_map(const char *name, const struct bpf_prog_info *info, const uint32_t *ids)
{
	for (uint32_t i = 0; i < info->nr_map_ids && i < MAX_IDS; i++) {
		struct bpf_map_info map = { 0 };
		uint32_t n = sizeof(map);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &n) == 0 &&
			strncmp(map.name, name, sizeof(map.name) - 1) == 0)
			return fd;
		if (fd >= 0)
			(void)close(fd);
	}
	return -1;
}

static void share(struct bpf_map *map, const struct bpf_prog_info *info, const uint32_t *ids)
{
	int fd = find_map(bpf_map__name(map), info, ids);

	if (fd < 0 || bpf_map__reuse_fd(map, fd) < 0)
		fail(bpf_map__name(map));
}

static void open_events(struct stops_bpf *s)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
	};
	int n = libbpf_num_possible_cpus();

	for (int cpu = 0; cpu < n; cpu++) {
		int fd =
			(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0 && errno == ENODEV)
			continue;
		if (fd < 0 || !bpf_program__attach_perf_event(s->progs.stop_at_sample, fd))
			fail("perf event");
	}
}

static struct stops_bpf *attach(const char *pid)
{
	struct bpf_prog_info info;
	uint32_t ids[MAX_IDS];
	struct stops_bpf *s;
	bool is_arena;

	find_program(pid, &info, ids);
	s = stops_bpf__open();
	if (!s)
		fail("open");
	is_arena = find_map("arena", &info, ids) >= 0;
	s->rodata->store_is_arena = is_arena;
	share(is_arena ? s->maps.arena : s->maps.store, &info, ids);
	s->rodata->store_bytes = is_arena ? 4096 : bpf_map__value_size(s->maps.store);
	share(s->maps.unwind_processes, &info, ids);
	share(s->maps.walks, &info, ids);
	if (bpf_map__set_autocreate(is_arena ? s->maps.store : s->maps.arena, false) < 0 ||
		stops_bpf__load(s) < 0)
		fail("load");
	open_events(s);
	return s;
}

static void wait_for_stop(struct stops_bpf *s)
{
	const struct stop *stop = &s->bss->stop;
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && !__atomic_load_n(&stop->is_taken, __ATOMIC_ACQUIRE); i++)
		(void)nanosleep(&ms, NULL);
	/* Not awaited any more, but the program may have begun with it. */
	if (__atomic_exchange_n(&s->bss->awaited, 0, __ATOMIC_ACQ_REL) == 0)
		for (int i = 0; i < 100 && !__atomic_load_n(&stop->is_taken, __ATOMIC_ACQUIRE); i++)
			(void)nanosleep(&ms, NULL);
	if (!stop->is_taken) {
		(void)puts("none");
		return;
	}
	(void)printf("%" PRIu32 " %s", stop->tid, reasons[stop->reason]);
	for (uint32_t i = 0; i < stop->n && i < ABI_USER_FRAMES; i++)
		(void)printf(" %" PRIx64, (uint64_t)stop->frames[i]);
	(void)putchar('\n');
}

int main(int argc, char **argv)
{
	struct stops_bpf *s;
	uint32_t pid, left;
	char line[64];

	if (argc != 2)
		return 2;
	s = attach(argv[1]);
	(void)puts("ready");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) &&
		sscanf(line, "%" SCNu32 " %" SCNu32, &pid, &left) == 2) {
		s->bss->stop.is_taken = 0;
		s->bss->left = left;
		__atomic_store_n(&s->bss->awaited, pid, __ATOMIC_RELEASE);
		wait_for_stop(s);
		(void)fflush(stdout);
	}
	stops_bpf__destroy(s);
	return 0;
}
