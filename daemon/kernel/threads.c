/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to threads: the programs of waits, unlocks and new threads, loaded when first asked
 * for and attached while somebody wants them; the state of the threads that live already; the flush
 * of what goes on.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "bpf/cpu.skel.h"
#include "bpf/creates.skel.h"
#include "bpf/flush.skel.h"
#include "bpf/waits.skel.h"
#include "profile/types.h"

#define DRAIN_EVERY 16 /* records of a flush */

/* The maps of the sampler that an object has as well become its own. */
static int share_all(struct bpf_object *object, const struct programs *p)
{
	static const char *const own[] = { "scratch", "interrupts", "paces" };
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		const struct bpf_map *from = bpf_object__find_map_by_name(p->cpu->obj, name);
		bool is_own = bpf_map__is_internal(map);

		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			is_own |= strcmp(name, own[i]) == 0;
		if (is_own)
			r = bpf_map__is_internal(map) ? 0
						      : bpf_map__set_max_entries(map, p->n_cpus);
		else if (!from)
			r = -ENOENT;
		else if (bpf_map__fd(from) < 0)
			r = bpf_map__set_autocreate(map, false);
		else
			r = bpf_map__reuse_fd(map, bpf_map__fd(from));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Opens, gives the knobs of the sampler, loads. */
#define OPEN_AND_LOAD(name, p, before_load)                                              \
	({                                                                               \
		struct name##_bpf *o_ = name##_bpf__open();                              \
		int r_ = o_ ? share_all(o_->obj, p) : -errno;                            \
		if (r_ == 0) {                                                           \
			o_->rodata->self_pid_level = (p)->cpu->rodata->self_pid_level;   \
			o_->rodata->self_pid_ns = (p)->cpu->rodata->self_pid_ns;         \
			o_->rodata->self_user_ns = (p)->cpu->rodata->self_user_ns;       \
			o_->rodata->cpus = (p)->cpu->rodata->cpus;                       \
			o_->rodata->ring_wake_bytes = (p)->cpu->rodata->ring_wake_bytes; \
			before_load;                                                     \
			r_ = name##_bpf__load(o_);                                       \
		}                                                                        \
		if (r_ < 0) {                                                            \
			name##_bpf__destroy(o_);                                         \
			o_ = NULL;                                                       \
		}                                                                        \
		(p)->name = o_;                                                          \
		r_;                                                                      \
	})

#define STORE_KNOBS(o, p)                                                       \
	do {                                                                    \
		(o)->rodata->store_is_arena = (p)->cpu->rodata->store_is_arena; \
		(o)->rodata->store_bytes = (p)->cpu->rodata->store_bytes;       \
	} while (0)

static int load_waits(struct programs *p, bool at_switch)
{
	int r = OPEN_AND_LOAD(waits, p, {
		STORE_KNOBS(o_, p);
		(void)bpf_program__set_autoload(o_->progs.waits_exit, !at_switch);
		(void)bpf_program__set_autoload(o_->progs.waits_switch, !at_switch);
		(void)bpf_program__set_autoload(o_->progs.waits_switch_before, at_switch);
		(void)bpf_program__set_autoload(
			o_->progs.waits_lock, features_present("contention"));
		(void)bpf_program__set_autoload(
			o_->progs.waits_lock_end, features_present("contention"));
	});

	if (r < 0)
		return r;
	return OPEN_AND_LOAD(flush, p, (void)0);
}

/* Sees every thread that lives. 0 or -errno. */
static int iterate(struct kernel *k, int *ret_fd)
{
	_cleanup_close_ int link = bpf_link_create(
		bpf_program__fd(k->programs.flush->progs.flush), 0, BPF_TRACE_ITER, NULL);

	if (link < 0)
		return link;
	int fd = bpf_iter_create(link);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int seed(struct kernel *k)
{
	_cleanup_close_ int fd = -1;
	char byte;
	ssize_t n;
	int r = iterate(k, &fd);

	if (r < 0)
		return r;
	k->programs.flush->bss->flush_seed = 1;
	do {
		n = read(fd, &byte, sizeof(byte));
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	r = n < 0 ? -errno : 0;
	k->programs.flush->bss->flush_seed = 0;
	return r;
}

static int waits_on(struct kernel *k)
{
	struct programs *p = &k->programs;
	int r = p->waits ? 0 : load_waits(p, k->waits_at_switch);

	if (r == 0 && !k->waits_are_on) {
		p->control->threads_since_ns = clock_monotonic_ns();
		r = waits_bpf__attach(p->waits);
		k->waits_are_on = r == 0;
	}
	return r < 0 ? r : seed(k);
}

void kernel_threads_look(struct kernel *k)
{
	const struct control *control = k->programs.control;

	if (k->waits_are_on && (control->cgroup_rules | control->exec_rules) &
				       (control->waits | control->unlocks | control->wall))
		(void)seed(k);
}

static void waits_off(struct kernel *k)
{
	if (!k->waits_are_on)
		return;
	k->flush_fd = close_fd(k->flush_fd);
	waits_bpf__detach(k->programs.waits);
	k->waits_are_on = false;
	(void)seed(k);
}

static int creates_on(struct kernel *k)
{
	struct programs *p = &k->programs;
	int r = p->creates ? 0 : OPEN_AND_LOAD(creates, p, STORE_KNOBS(o_, p));

	if (r < 0 || k->creates_are_on)
		return r;
	r = creates_bpf__attach(p->creates);
	k->creates_are_on = r == 0;
	return r;
}

static void creates_off(struct kernel *k)
{
	if (k->creates_are_on)
		creates_bpf__detach(k->programs.creates);
	k->creates_are_on = false;
}

/* Pairs with the plain loads of the programs. */
static void mask_add(__abi_u64 *mask, uint64_t bits)
{
	__atomic_fetch_or(mask, bits, __ATOMIC_RELEASE);
}

static void mask_clear(__abi_u64 *mask, uint64_t bits)
{
	__atomic_fetch_and(mask, ~bits, __ATOMIC_RELEASE);
}

int kernel_threads_attach(
	struct kernel *k, uint32_t probes, uint64_t attachment_bits, struct error *error)
{
	struct control *control = k->programs.control;
	int r = 0;

	if (probes & PROBE_WAITS)
		mask_add(&control->waits, attachment_bits);
	if (probes & PROBE_UNLOCKS)
		mask_add(&control->unlocks, attachment_bits);
	if (probes & PROBE_WALL)
		mask_add(&control->wall, attachment_bits);
	if (probes & PROBE_CREATES)
		mask_add(&control->creates, attachment_bits);
	if (probes & (PROBE_WAITS | PROBE_UNLOCKS | PROBE_WALL))
		r = waits_on(k);
	if (r == 0 && probes & PROBE_CREATES)
		r = creates_on(k);
	if (r < 0) {
		kernel_threads_detach(k, attachment_bits);
		return programs_failed("waits", r, error);
	}
	kernel_wake(k);
	return 0;
}

void kernel_threads_detach(struct kernel *k, uint64_t attachment_bits)
{
	struct control *control = k->programs.control;

	mask_clear(&control->waits, attachment_bits);
	mask_clear(&control->unlocks, attachment_bits);
	mask_clear(&control->wall, attachment_bits);
	mask_clear(&control->creates, attachment_bits);
	if (!control->waits && !control->unlocks && !control->wall)
		waits_off(k);
	else if (k->waits_are_on)
		(void)seed(k);
	if (!control->creates)
		creates_off(k);
}

void kernel_threads_threshold(struct kernel *k, uint64_t threshold_ns)
{
	__atomic_store_n(&k->programs.control->threshold_ns, threshold_ns, __ATOMIC_RELEASE);
}

void kernel_threads_missed(const struct kernel *k, struct kernel_threads_missed *ret)
{
	const struct programs *p = &k->programs;

	*ret = (struct kernel_threads_missed){ 0 };
	if (!p->waits)
		return;
	ret->wakings = p->waits->bss->missed_wakings;
	ret->switches = p->waits->bss->missed_switches;
	ret->threads = p->waits->bss->missed_threads + p->flush->bss->missed_threads;
}

int kernel_threads_flush(struct kernel *k, uint64_t attachment_bits, uint64_t budget_ns)
{
	uint64_t until = clock_monotonic_ns() + budget_ns;
	unsigned n_records = 0;
	ssize_t n = 0;
	char byte;

	if (!k->waits_are_on)
		return 0;
	if (k->flush_fd < 0) {
		int r = iterate(k, &k->flush_fd);

		if (r < 0)
			return r;
		k->programs.flush->bss->flush_attachments = attachment_bits;
	}
	do {
		n = read(k->flush_fd, &byte, sizeof(byte));
		if (n > 0 && ++n_records % DRAIN_EVERY == 0)
			(void)kernel_drain(k, budget_ns);
	} while ((n > 0 || (n < 0 && errno == EAGAIN)) && clock_monotonic_ns() < until);
	int r = n > 0 || (n < 0 && errno == EAGAIN) ? 1 : n < 0 ? -errno : 0;
	while (kernel_drain(k, budget_ns) > 0 && clock_monotonic_ns() < until + budget_ns)
		;
	if (r <= 0)
		k->flush_fd = close_fd(k->flush_fd);
	return r;
}

int kernel_threads_of(struct kernel *k, uint32_t pid, uint32_t *tids, size_t n)
{
	char path[64];
	int found = 0;

	(void)k;
	(void)snprintf(path, sizeof(path), "/proc/%u/task", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	for (const struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		if ((size_t)found < n)
			tids[found] = (uint32_t)strtoul(e->d_name, NULL, 10);
		found++;
	}
	(void)closedir(dir);
	return found;
}

void threads_deinit(struct kernel *k)
{
	struct programs *p = &k->programs;

	k->flush_fd = close_fd(k->flush_fd);
	creates_bpf__destroy(p->creates);
	flush_bpf__destroy(p->flush);
	waits_bpf__destroy(p->waits);
	p->creates = NULL;
	p->flush = NULL;
	p->waits = NULL;
}
