/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct kernel: the parts put together, the event sets, and the drain with its order and its
 * timer.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/table.h"
#include "bpf/cpu.skel.h"
#include "bpf/follow.skel.h"

#define DRAIN_EVERY_NS (100 * NS_PER_MS)
#define IDLE_EVERY_NS  NS_PER_SEC
/* A process maps several files in a row; what is sampled before its tables are there waits for
 * them. */
#define SIDEBAND_IN_NS	(20 * NS_PER_MS)
#define DRAIN_BUDGET_NS NS_PER_MS
#define RING_BYTES	MIB
#define RING_BYTES_MANY (256 * KIB) /* of each, where there are many CPUs */
#define MANY_CPUS	32

/* ---- making ---- */

static uint64_t ring_size(const struct kernel_options *options, const struct cpus *cpus)
{
	uint64_t want = options ? options->ring_bytes : 0, size = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!want)
		want = cpus->n > MANY_CPUS ? RING_BYTES_MANY : RING_BYTES;
	want = MIN(want, GIB);
	while (size < want)
		size *= 2;
	return size;
}

static int rings_open(struct kernel *k, struct error *error)
{
	k->rings = calloc(k->cpus.n, sizeof(*k->rings));
	if (!k->rings)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	for (uint32_t cpu = 0; cpu < k->cpus.n; cpu++) {
		int r;

		if (!k->cpus.online[cpu])
			continue;
		r = ring_init(&k->rings[cpu], k->ring_bytes);
		if (r == 0)
			r = bpf_map_update_elem(bpf_map__fd(k->programs.cpu->maps.rings), &cpu,
				&k->rings[cpu].fd, BPF_ANY);
		if (r < 0)
			return error_set(error, r, EXIT_CODE_FAILED,
				"cannot make a ring buffer of %llu KiB for CPU %u: %s",
				(unsigned long long)(k->ring_bytes / KIB), cpu, strerror(-r));
	}
	return 0;
}

static bool sampling(const struct kernel *k)
{
	if (k->waits_are_on || k->creates_are_on)
		return true;
	for (unsigned i = 0; i < ABI_EVENT_SETS; i++)
		if (k->sets[i].attachments)
			return true;
	return false;
}

static void timer_again(struct kernel *k, bool now)
{
	uint64_t in_ns = now ? 0 : sampling(k) ? DRAIN_EVERY_NS : IDLE_EVERY_NS;

	if (k->sideband_is_quiet)
		in_ns = MIN(in_ns, SIDEBAND_IN_NS);

	if (!k->timer)
		return;
	(void)sd_event_source_set_time_relative(k->timer, in_ns / NS_PER_US);
	(void)sd_event_source_set_enabled(k->timer, SD_EVENT_ONESHOT);
}

void kernel_wake(struct kernel *k)
{
	timer_again(k, false);
}

/* Processes that found no place are not followed, which no sample can tell. */
static void follow_check(struct kernel *k)
{
	uint64_t lost = k->programs.follow->bss->follow_lost;

	if (lost == k->follow_lost)
		return;
	log_warning("%llu new processes could not be followed: more than %u targets at once",
		(unsigned long long)(lost - k->follow_lost),
		bpf_map__max_entries(k->programs.cpu->maps.processes));
	k->follow_lost = lost;
}

/* A ring of sideband wakes us once, then not again before it was drained. */
static int on_sideband(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct kernel *k = userdata;

	(void)fd;
	(void)events;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (k->sideband_is_quiet)
		return 0;
	k->sideband_is_quiet = true;
	timer_again(k, false);
	return 0;
}

/* To be followed by a drain. */
static void sideband_listen(struct kernel *k)
{
	if (!k->sideband_is_quiet)
		return;
	for (unsigned i = 0; i < k->cpus.n; i++) {
		sd_event_source *source = k->sources[2 * i + 1];
		struct pollfd told = { .fd = k->sideband.rings[i].fd, .events = POLLIN };

		if (!source || sd_event_source_get_enabled(source, NULL) != 0)
			continue;
		/* perf_poll() forgets what it has told: else what came meanwhile wakes us again. */
		(void)poll(&told, 1, 0);
		(void)sd_event_source_set_enabled(source, SD_EVENT_ON);
	}
	k->sideband_is_quiet = false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kernel *k = userdata;

	(void)source;
	(void)usec;
	follow_check(k);
	sideband_listen(k);
	timer_again(k, kernel_drain(k, DRAIN_BUDGET_NS) > 0);
	return 0;
}

static int on_ring(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct kernel *k = userdata;

	(void)source;
	(void)fd;
	(void)events;
	if (kernel_drain(k, DRAIN_BUDGET_NS) > 0)
		timer_again(k, true);
	return 0;
}

static int sources_open(struct kernel *k)
{
	int r;

	if (!k->event)
		return 0;
	k->sources = calloc(2 * (size_t)k->cpus.n, sizeof(*k->sources));
	if (!k->sources)
		return -ENOMEM;
	r = sd_event_add_time_relative(k->event, &k->timer, CLOCK_MONOTONIC,
		IDLE_EVERY_NS / NS_PER_US, NS_PER_MS / NS_PER_US, on_timer, k);
	for (unsigned i = 0; i < k->cpus.n && r >= 0; i++) {
		/* Edges: data without a wake-up stays until the timer's turn. */
		if (k->rings[i].bytes)
			r = sd_event_add_io(k->event, &k->sources[2 * i], k->rings[i].fd,
				EPOLLIN | EPOLLET, on_ring, k);
		if (r >= 0 && k->sideband.rings[i].fd >= 0)
			r = sd_event_add_io(k->event, &k->sources[2 * i + 1],
				k->sideband.rings[i].fd, EPOLLIN | EPOLLET, on_sideband, k);
	}
	return r < 0 ? r : 0;
}

static int kernel_open(struct kernel *k, const struct kernel_options *options, struct error *error)
{
	int r;

	features_capture_libbpf();
	r = features_check(error);
	if (r < 0)
		return r;
	r = cpus_read(&k->cpus);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_KERNEL,
			"cannot read /sys/devices/system/cpu/online: %s", strerror(-r));
	k->ring_bytes = ring_size(options, &k->cpus);
	r = programs_load(&k->programs, &k->cpus, k->ring_bytes, options, error);
	if (r < 0)
		return r;
	r = tables_init(k);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	r = rings_open(k, error);
	if (r < 0)
		return r;
	kernel_forget_stacks(k);
	r = sideband_open(&k->sideband, &k->cpus, error);
	if (r < 0)
		return r;
	r = sources_open(k);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot watch the rings: %s",
			       strerror(-r))
		     : 0;
}

int kernel_new(struct kernel **ret, sd_event *event, const struct kernel_options *options,
	const struct kernel_callbacks *callbacks, struct error *error)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	k->callbacks = *callbacks;
	k->flush_fd = -1;
	k->waits_at_switch =
		(options && options->waits_at_switch) || !features_present("sched_exit");
	k->event = event ? sd_event_ref(event) : NULL;
	r = kernel_open(k, options, error);
	if (r < 0) {
		kernel_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct kernel *kernel_free(struct kernel *k)
{
	if (!k)
		return NULL;
	if (k->sources)
		for (unsigned i = 0; i < 2 * k->cpus.n; i++)
			sd_event_source_disable_unref(k->sources[i]);
	free(k->sources);
	sd_event_source_disable_unref(k->timer);
	for (unsigned i = 0; i < ABI_EVENT_SETS; i++)
		event_set_deinit(&k->sets[i]);
	sideband_deinit(&k->sideband);
	if (k->rings)
		for (unsigned i = 0; i < k->cpus.n; i++)
			ring_deinit(&k->rings[i]);
	free(k->rings);
	tables_deinit(k);
	threads_deinit(k);
	programs_deinit(&k->programs);
	sd_event_unref(k->event);
	free(k);
	return NULL;
}

/* ---- event sets ---- */

static struct set_counters *set_counters(struct kernel *k, unsigned set)
{
	return &k->programs.counters[(size_t)set * k->programs.n_cpus];
}

int kernel_set_get(struct kernel *k, const char *event_name, uint32_t freq_hz, unsigned *ret_set,
	struct error *error)
{
	unsigned chosen = ABI_EVENT_SETS;
	int r;

	for (unsigned i = 0; i < ABI_EVENT_SETS; i++) {
		const struct event_set *s = &k->sets[i];

		if (s->event_fds && s->freq_hz == freq_hz && strcmp(s->name, event_name) == 0) {
			*ret_set = i;
			return 0;
		}
		/* One that was never used before one whose counters somebody may still read. */
		if (!s->attachments &&
			(chosen == ABI_EVENT_SETS || (!s->name[0] && k->sets[chosen].name[0])))
			chosen = i;
	}
	if (chosen == ABI_EVENT_SETS)
		return error_set(error, -ENOSPC, EXIT_CODE_FAILED,
			"%u different events or rates are in use, that is all there can be; use "
			"one of "
			"these rates or detach something",
			ABI_EVENT_SETS);
	r = event_set_open(&k->sets[chosen], event_name, freq_hz, &k->cpus, error);
	if (r < 0)
		return r;
	/* No event runs the program for this set now, so nobody else writes. */
	for (unsigned cpu = 0; cpu < k->cpus.n; cpu++)
		k->closed_ns += set_counters(k, chosen)[cpu].own_ns;
	memset(set_counters(k, chosen), 0, sizeof(struct set_counters) * k->cpus.n);
	k->bad[chosen] = 0;
	memset(k->moved[chosen], 0, sizeof(k->moved[chosen]));
	*ret_set = chosen;
	return 0;
}

int kernel_set_attach(struct kernel *k, unsigned set, uint64_t attachment_bit)
{
	struct event_set *s;
	int r = 0;

	if (set >= ABI_EVENT_SETS || !k->sets[set].event_fds)
		return -EINVAL;
	s = &k->sets[set];
	/* Pairs with the programs' loads of it; before the first event, so that none is filtered.
	 */
	__atomic_fetch_or(
		&k->programs.control->set_attachments[set], attachment_bit, __ATOMIC_RELEASE);
	if (!s->attachments)
		r = event_set_start(s, set, bpf_program__fd(k->programs.cpu->progs.cpu_sample));
	if (r < 0) {
		__atomic_fetch_and(&k->programs.control->set_attachments[set], ~attachment_bit,
			__ATOMIC_RELEASE);
		return r;
	}
	s->attachments |= attachment_bit;
	timer_again(k, false);
	return 0;
}

void kernel_set_detach(struct kernel *k, unsigned set, uint64_t attachment_bit)
{
	struct event_set *s;

	if (set >= ABI_EVENT_SETS)
		return;
	s = &k->sets[set];
	s->attachments &= ~attachment_bit;
	/* Off before the bit goes, so that nothing wanted is filtered at the end. */
	if (!s->attachments)
		event_set_close(s);
	__atomic_fetch_and(
		&k->programs.control->set_attachments[set], ~attachment_bit, __ATOMIC_RELEASE);
}

static void mask_set(uint64_t *mask, uint64_t bit, bool on)
{
	if (on)
		__atomic_fetch_or(mask, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(mask, ~bit, __ATOMIC_RELAXED);
}

void kernel_set_walk(struct kernel *k, unsigned set, enum kernel_walk walk)
{
	struct control *control = k->programs.control;
	uint64_t bit = 1ULL << (set % ABI_EVENT_SETS);

	mask_set(&control->pointer_sets, bit, walk == KERNEL_WALK_POINTERS);
	mask_set(&control->window_sets, bit, walk == KERNEL_WALK_WINDOWS);
}

static void counters_add(struct set_counters *sum, const struct set_counters *c)
{
	const uint64_t *from = (const void *)c;
	uint64_t *to = (void *)sum;

	/* Pairs with nothing: each word is written by its CPU alone and is read whole. */
	for (size_t i = 0; i < sizeof(*c) / 8; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* With what is known on this side alone. */
static void settle(const struct kernel *k, unsigned set, struct kernel_set_info *info)
{
	for (unsigned i = 0; i < TRUNCATE_COUNT; i++)
		info->sum.truncated[i] += k->moved[set][i];
	/* Stored by the program, and of no use to anybody. */
	info->sum.dropped[DROP_BAD_RECORD] += MIN(k->bad[set], info->sum.stored);
	info->sum.stored -= MIN(k->bad[set], info->sum.stored);
	info->triggered = info->sum.ran + info->not_run;
}

/* Of what happens to threads; there is no event whose count could be compared. */
static void threads_info(struct kernel *k, unsigned set, struct kernel_set_info *ret)
{
	static const char *const names[] = { "waits", "unlocks", "creates" };
	const struct control *control = k->programs.control;
	const uint64_t wanted[] = { control->waits, control->unlocks, control->creates };
	struct kernel_set_info info = { 0 };

	for (unsigned cpu = 0; cpu < k->cpus.n; cpu++)
		counters_add(&info.sum, &set_counters(k, set)[cpu]);
	info.active = wanted[set - ABI_EVENT_SETS] != 0;
	if (!info.active && !info.sum.ran) {
		*ret = (struct kernel_set_info){ 0 };
		return;
	}
	info.event = names[set - ABI_EVENT_SETS];
	settle(k, set, &info);
	*ret = info;
}

void kernel_set_info(struct kernel *k, unsigned set, struct kernel_set_info *ret)
{
	struct kernel_set_info info = { 0 };
	struct event_set *s;

	if (set >= ABI_EVENT_SETS) {
		threads_info(k, set, ret);
		return;
	}
	if (!k->sets[set].name[0]) {
		*ret = info;
		return;
	}
	s = &k->sets[set];
	info.event = s->name;
	info.freq_hz = s->freq_hz;
	info.active = s->attachments != 0;
	info.period = s->period;
	/* Before the counters: a run in between is one more that ran, not one that is missing. */
	event_set_read(s);
	for (unsigned cpu = 0; cpu < k->cpus.n; cpu++) {
		struct set_counters *c = &set_counters(k, set)[cpu];
		uint64_t due = s->period && cpu < s->n ? s->counts[cpu] / s->period : 0;
		uint64_t ran = __atomic_load_n(&c->ran, __ATOMIC_RELAXED);
		uint64_t missing = due > ran ? due - ran : 0;
		uint64_t idle = missing ? event_set_idle(s, cpu, missing) : 0;

		counters_add(&info.sum, c);
		info.sum.ran += idle;
		info.sum.idle += idle;
		info.not_run += missing - idle;
	}
	settle(k, set, &info);
	*ret = info;
}

void kernel_set_moved(
	struct kernel *k, unsigned set, enum truncate_reason from, enum truncate_reason to)
{
	k->moved[set % ABI_SETS][from]--;
	k->moved[set % ABI_SETS][to]++;
}

/* ---- data ---- */

int kernel_drain(struct kernel *k, uint64_t budget_ns)
{
	uint64_t until = clock_monotonic_ns() + budget_ns;
	unsigned n = 0;

	tables_reclaim(k);
	for (unsigned i = 0; i < k->cpus.n; i++)
		if (k->rings[i].bytes)
			ring_note(&k->rings[i]);
	sideband_drain(&k->sideband, &k->callbacks);
	for (unsigned i = 0; i < k->cpus.n; i++) {
		unsigned cpu = (k->first_ring + i) % k->cpus.n;

		if (!k->rings[cpu].bytes)
			continue;
		while (ring_next(&k->rings[cpu], &k->callbacks, k->bad)) {
			if (++n % 64 || clock_monotonic_ns() < until)
				continue;
			/* Another ring first the next time, so that a busy CPU starves none. */
			k->first_ring = (cpu + 1) % k->cpus.n;
			return 1;
		}
	}
	return 0;
}

void kernel_forget_stacks(struct kernel *k)
{
	__atomic_store_n(&k->programs.control->stack_seed,
		hash_u64(clock_monotonic_ns(), hash_seed()) | 1, __ATOMIC_RELEASE);
}

uint64_t kernel_stack_seed(const struct kernel *k)
{
	return __atomic_load_n(&k->programs.control->stack_seed, __ATOMIC_RELAXED);
}

uint64_t kernel_bpf_ns(struct kernel *k)
{
	uint64_t ns = k->closed_ns + k->programs.follow->bss->follow_own_ns;

	for (unsigned set = 0; set < ABI_SETS; set++)
		for (unsigned cpu = 0; cpu < k->cpus.n; cpu++)
			ns += __atomic_load_n(&set_counters(k, set)[cpu].own_ns, __ATOMIC_RELAXED);
	return ns;
}

uint64_t kernel_bytes(struct kernel *k)
{
	uint64_t bytes = k->programs.bytes + sideband_bytes(&k->sideband);

	/* The kernel does not say what an arena takes; an array is among the maps. */
	if (k->programs.store_is_arena)
		bytes += k->tables.store.low + (k->tables.store.n - k->tables.store.high);

	for (unsigned i = 0; i < k->cpus.n; i++)
		bytes += k->rings[i].bytes;
	return bytes;
}
