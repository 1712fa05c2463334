/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What perf says about processes: mappings, names, forks, exits; a dummy event on each CPU. Records
 * of all CPUs are merged by time. Comms and paths are chosen by targets; the kernel writes the
 * records, but every length is checked.
 *
 * build_id=0: MMAP2 carries device and inode or build-id, and a build-id is only what a file says
 * of itself. Pids are those of the namespace of the opener; the kernel writes 0 or -1 for others.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include "base/cleanup.h"

/* Within perf_event_mlock_kb (516 KiB a CPU by default) for the day this runs without privilege. */
#define DATA_BYTES (256U * 1024)
#define RECORD_MAX 65536U /* header.size is 16 bits */

/* sample_id of TID | TIME | CPU, at the end of every record. */
struct record_id {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, reserved;
};

static uint64_t ring_map_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE) + DATA_BYTES;
}

static int open_cpu(unsigned cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.sample_period = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		/* New mappings are wanted soon; see on_sideband() of kernel.c. */
		.wakeup_watermark = 1,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int sideband_open(struct sideband *s, const struct cpus *cpus, struct error *error)
{
	s->record = malloc(RECORD_MAX);
	s->rings = calloc(cpus->n, sizeof(*s->rings));
	if (!s->record || !s->rings)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	s->n = cpus->n;
	for (unsigned i = 0; i < s->n; i++)
		s->rings[i].fd = -1;
	for (unsigned i = 0; i < s->n; i++) {
		struct sideband_ring *ring = &s->rings[i];

		if (!cpus->online[i])
			continue;
		ring->fd = open_cpu(i);
		if (ring->fd == -ENODEV) { /* went offline just now */
			ring->fd = -1;
			continue;
		}
		if (ring->fd < 0) {
			int r = ring->fd;

			ring->fd = -1;
			return event_explain(r, "the perf event for mappings and forks", error);
		}
		ring->map = mmap(
			NULL, ring_map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
		if (ring->map == MAP_FAILED) {
			int r = -errno;

			ring->map = NULL;
			return error_set(error, r, EXIT_CODE_DENIED,
				"cannot map a perf ring of %u KiB: %s; raise LimitMEMLOCK= or "
				"kernel.perf_event_mlock_kb, or give CAP_IPC_LOCK",
				DATA_BYTES / 1024, strerror(-r));
		}
		if (ioctl(ring->fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
			return event_explain(
				-errno, "the perf event for mappings and forks", error);
	}
	return 0;
}

void sideband_deinit(struct sideband *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->rings[i].map)
			(void)munmap(s->rings[i].map, ring_map_bytes());
		(void)close_fd(s->rings[i].fd);
	}
	free(s->rings);
	free(s->record);
	*s = (struct sideband){ 0 };
}

uint64_t sideband_bytes(const struct sideband *s)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (s->rings[i].map)
			bytes += ring_map_bytes();
	return bytes;
}

/* ---- one record ---- */

static uint32_t pid_seen(uint32_t pid)
{
	return pid == UINT32_MAX ? 0 : pid;
}

/* A NUL-terminated string inside of [p, end), or "" where there is none. */
static const char *text_in(const uint8_t *p, const uint8_t *end)
{
	return p < end && memchr(p, 0, (size_t)(end - p)) ? (const char *)p : "";
}

bool sideband_parse(const uint8_t *record, size_t n, struct sideband_event *ret)
{
	struct perf_event_header h;
	struct record_id id;
	struct sideband_event e = { 0 };
	const uint8_t *body, *end;
	size_t body_n;

	if (n < sizeof(h) + sizeof(id))
		return false;
	memcpy(&h, record, sizeof(h));
	body = record + sizeof(h);
	end = record + n - sizeof(id);
	body_n = (size_t)(end - body);
	memcpy(&id, end, sizeof(id));
	e.time_ns = id.time;
	switch (h.type) {
	case PERF_RECORD_MMAP2: {
		struct {
			uint32_t pid, tid;
			uint64_t addr, len, pgoff;
			uint32_t major, minor;
			uint64_t inode, generation;
			uint32_t prot, flags;
		} m;

		if (body_n < sizeof(m))
			return false;
		memcpy(&m, body, sizeof(m));
		e.kind = SIDEBAND_MMAP;
		e.pid = pid_seen(m.pid);
		e.tid = pid_seen(m.tid);
		e.start = m.addr;
		e.length = m.len;
		e.offset = m.pgoff;
		e.major = m.major;
		e.minor = m.minor;
		e.inode = m.inode;
		e.generation = m.generation;
		e.prot = m.prot;
		e.flags = m.flags;
		e.text = text_in(body + sizeof(m), end);
		break;
	}
	case PERF_RECORD_COMM: {
		uint32_t m[2];

		if (body_n < sizeof(m))
			return false;
		memcpy(m, body, sizeof(m));
		e.kind = SIDEBAND_COMM;
		e.pid = pid_seen(m[0]);
		e.tid = pid_seen(m[1]);
		e.exec = h.misc & PERF_RECORD_MISC_COMM_EXEC;
		e.text = text_in(body + sizeof(m), end);
		break;
	}
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT: {
		uint32_t m[4]; /* pid, ppid, tid, ptid; then the time */

		if (body_n < sizeof(m) + 8)
			return false;
		memcpy(m, body, sizeof(m));
		e.kind = h.type == PERF_RECORD_FORK ? SIDEBAND_FORK : SIDEBAND_EXIT;
		e.pid = pid_seen(m[0]);
		e.ppid = pid_seen(m[1]);
		e.tid = pid_seen(m[2]);
		e.ptid = pid_seen(m[3]);
		break;
	}
	case PERF_RECORD_LOST: {
		uint64_t m[2]; /* id, lost */

		if (body_n < sizeof(m))
			return false;
		memcpy(m, body, sizeof(m));
		e.kind = SIDEBAND_LOST;
		e.lost = m[1];
		break;
	}
	default:
		return false;
	}
	*ret = e;
	return true;
}

/* ---- rings ---- */

static void ring_copy(const struct sideband_ring *ring, uint64_t at, void *to, size_t n)
{
	const uint8_t *data = (const uint8_t *)ring->map + sysconf(_SC_PAGESIZE);
	size_t offset = at & (DATA_BYTES - 1), first = MIN(n, DATA_BYTES - offset);

	memcpy(to, data + offset, first);
	memcpy((uint8_t *)to + first, data, n - first);
}

/* Size of the record at the tail, 0 at the end. A size that cannot be gives everything up to the
 * head as lost: 1. */
static size_t ring_peek(struct sideband_ring *ring)
{
	struct perf_event_header h;
	struct record_id id;

	ring->next_ns = UINT64_MAX;
	if (ring->head - ring->tail < sizeof(h))
		return 0;
	ring_copy(ring, ring->tail, &h, sizeof(h));
	if (h.size < sizeof(h) + sizeof(id) || h.size > ring->head - ring->tail) {
		ring->next_ns = 0;
		return 1;
	}
	ring_copy(ring, ring->tail + h.size - sizeof(id), &id, sizeof(id));
	ring->next_ns = id.time;
	return h.size;
}

static void ring_step(
	struct sideband *s, struct sideband_ring *ring, const struct kernel_callbacks *callbacks)
{
	struct perf_event_mmap_page *page = ring->map;
	struct sideband_event e;
	size_t n = ring_peek(ring);

	if (n > 1) {
		ring_copy(ring, ring->tail, s->record, n);
		ring->tail += n;
		/* Pairs with READ_ONCE(rb->user_page->data_tail) and its control dependency in
		 * __perf_output_begin(): the record is copied before its space is given back. */
		__atomic_store_n(&page->data_tail, ring->tail, __ATOMIC_RELEASE);
		if (sideband_parse(s->record, n, &e))
			callbacks->sideband(callbacks->userdata, &e);
	} else {
		ring->tail = ring->head;
		__atomic_store_n(&page->data_tail, ring->tail, __ATOMIC_RELEASE);
		e = (struct sideband_event){ .kind = SIDEBAND_LOST, .lost = 1 };
		callbacks->sideband(callbacks->userdata, &e);
	}
	(void)ring_peek(ring);
}

void sideband_drain(struct sideband *s, const struct kernel_callbacks *callbacks)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct sideband_ring *ring = &s->rings[i];
		struct perf_event_mmap_page *page = ring->map;

		ring->next_ns = UINT64_MAX;
		if (!page)
			continue;
		/* Pairs with smp_wmb() before data_head in perf_output_put_handle(). */
		ring->head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
		(void)ring_peek(ring);
	}
	for (;;) {
		struct sideband_ring *first = NULL;

		for (unsigned i = 0; i < s->n; i++)
			if (s->rings[i].next_ns != UINT64_MAX &&
				(!first || s->rings[i].next_ns < first->next_ns))
				first = &s->rings[i];
		if (!first)
			return;
		ring_step(s, first, callbacks);
	}
}
