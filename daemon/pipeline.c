/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a sample through the daemon, every hop in order; read this first.
 *
 * - kernel/rings.c drains sideband, then samples up to the positions noted before
 * - on_sideband -> proc/process.c: who lives, what is mapped where since when; unwind.c: tables of
 *   it for the programs
 * - on_window -> early.c: samples that came before their tables wait for them, are walked here, and
 *   go on as the others
 * - on_sample -> collect/aggregate.c: the process by time, the stack by hash (collect/stack.c),
 *   located now (collect/locate.c), counted in its series and slot (collect/slots.c), or in all the
 *   slots that a wait lies in
 * - flush.c, where a span begins or ends: what goes on is told up to now, as further samples
 * - dumps.c, on request: collect/select.c -> symbol/symbolizer.c (worker) -> collect/image.c ->
 *   collect/encoder.c (worker) -> memfd to the client
 *
 * What flows up comes through the callbacks here; what flows down are calls.
 */
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "profd.h"

#define EXPIRE_BUDGET	256
#define MAINTAIN_DRAINS 16
#define DRAIN_TURN_NS	(1 * NS_PER_MS)
#define PROT_EXECUTE	4U

static void on_mmap(struct profd *p, const struct sideband_event *e)
{
	if (!(e->prot & PROT_EXECUTE))
		return;
	(void)process_table_mmap(p->processes, e->pid, e->start, e->start + e->length, e->offset,
		e->major, e->minor, e->inode, e->generation, e->text, e->time_ns);
}

/* Any thread of it. A zombie is not; a successor of the same number ends this life by its fork. */
static bool is_running(uint32_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* A process ends with its last thread, which need not be the leader. */
static void on_exit_of(struct profd *p, const struct sideband_event *e)
{
	struct process *process = process_table_find(p->processes, e->pid, e->time_ns, false);

	if (!process || process->until_ns != PROCESS_FOREVER_NS)
		return;
	if (e->pid != e->tid && !process->leader_exit_ns)
		return;
	if (is_running(e->pid))
		process->leader_exit_ns = MAX(process->leader_exit_ns, e->time_ns);
	else
		(void)process_table_exit(p->processes, e->pid, e->time_ns);
}

/* Those whose last thread was still on its way out when its exit was told. */
static int end_leaderless(void *userdata, struct process *process)
{
	struct profd *p = userdata;

	if (process->leader_exit_ns && !is_running(process->pid))
		(void)process_table_exit(p->processes, process->pid, process->leader_exit_ns);
	return 0;
}

/* Whoever is or may be sampled has a list of its mappings that is true. */
static void mappings_changed(struct profd *p, uint32_t pid, uint64_t time_ns)
{
	struct process *process = process_table_find(p->processes, pid, time_ns, false);

	if (process)
		unwind_changed(p->unwind, process);
}

void pipeline_maps_read(void *userdata, struct process *process)
{
	struct profd *p = userdata;
	unwind_changed(p->unwind, process);
}

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	struct profd *p = userdata;

	if (e->kind == SIDEBAND_LOST) {
		p->sideband_lost += e->lost;
		return;
	}
	if (e->pid == 0)
		return;
	switch (e->kind) {
	case SIDEBAND_MMAP:
		on_mmap(p, e);
		if (e->prot & PROT_EXECUTE)
			mappings_changed(p, e->pid, e->time_ns);
		break;
	case SIDEBAND_COMM:
		(void)process_table_comm(
			p->processes, e->pid, e->tid, e->text, e->exec, e->time_ns);
		if (e->exec)
			mappings_changed(p, e->pid, e->time_ns);
		break;
	case SIDEBAND_FORK:
		if (e->pid == e->tid) {
			(void)process_table_fork(p->processes, e->pid, e->ppid, e->time_ns);
			mappings_changed(p, e->pid, e->time_ns);
		}
		break;
	case SIDEBAND_EXIT:
		aggregate_thread_exit(p->aggregate, e->pid, e->tid, e->time_ns);
		on_exit_of(p, e);
		break;
	case SIDEBAND_LOST:
		break;
	}
}

static void on_sample(void *userdata, const struct sample_record *record)
{
	struct profd *p = userdata;
	p->progress_ns = clock_monotonic_ns();
	aggregate_sample(p->aggregate, record);
	unwind_sampled(p->unwind, record);
}

static void on_window(
	void *userdata, const struct sample_record *record, const struct stack_window *window)
{
	struct profd *p = userdata;
	p->progress_ns = clock_monotonic_ns();
	unwind_sampled(p->unwind, record);
	early_sample(p->early, record, window);
}

const struct kernel_callbacks pipeline_callbacks = {
	.sideband = on_sideband,
	.sample = on_sample,
	.window = on_window,
};

void pipeline_drain(struct profd *p, uint64_t budget_ns)
{
	uint64_t deadline = clock_monotonic_ns() + budget_ns;
	while (kernel_drain(p->kernel, DRAIN_TURN_NS) > 0 && clock_monotonic_ns() < deadline)
		;
	p->progress_ns = clock_monotonic_ns();
}

uint64_t pipeline_split(struct profd *p)
{
	uint64_t now = clock_monotonic_ns();

	pipeline_drain(p, MAINTAIN_DRAINS * DRAIN_TURN_NS);
	aggregate_split(p->aggregate, now);
	account_keep(p);
	return now;
}

void pipeline_maintain(struct profd *p)
{
	uint64_t now = clock_monotonic_ns();

	pipeline_drain(p, MAINTAIN_DRAINS * DRAIN_TURN_NS);
	if (aggregate_maintain(p->aggregate, now))
		kernel_forget_stacks(p->kernel);
	(void)process_table_each(p->processes, end_leaderless, p);
	process_table_expire(p->processes, now, EXPIRE_BUDGET);
	account_keep(p);
	follow_expire(p);
	exes_refresh(p);
	kernel_threads_look(p->kernel);
	unwind_maintain(p->unwind);
	modules_maintain(p);
}
