/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to a dump: by type, by target, and by who asks. The owner is the one at the sample;
 * comms, paths and cgroups are the targets' own words: compared, never followed.
 */
#include "dumps.h"
#include <string.h>

static bool pid_matches(struct dump_job *j, const struct process *process)
{
	for (size_t i = 0; i < j->target.n_pids + j->n_dead; i++) {
		uint32_t pid = i < j->target.n_pids ? j->target.pids[i].pid
						    : j->dead_pids[i - j->target.n_pids];
		if (process->pid == pid ||
			(!j->target.no_children && follow_descends(j->profd, process, pid)))
			return true;
	}
	return false;
}

static bool descends(void *userdata, uint32_t pid)
{
	void **both = userdata;
	return follow_descends(both[0], both[1], pid);
}

static bool target_matches(struct dump_job *j, const struct series_key *key)
{
	struct profd *p = j->profd;
	const struct process *process = process_table_get(p->processes, key->process);

	if (j->attachment_bits)
		return (key->attachments & j->attachment_bits) != 0;
	if (j->any || j->target.all)
		return true;
	if (!process)
		return false;
	if (pid_matches(j, process))
		return true;
	void *both[] = { p, (void *)process };
	struct target_candidate candidate = {
		.pid = process->pid,
		.comm = aggregate_name(p->aggregate, key->comm),
		.exe = process->exe ? process->exe : "",
		.cgroup = aggregate_name(p->aggregate, aggregate_cgroup(p->aggregate, key->cgroup)),
		.descends = descends,
		.userdata = both,
	};
	return target_spec_matches(&j->target, &candidate);
}

/* Was its CPU time told exactly, too? Waits alone are not where elapsed time goes. */
static bool is_of_wall(struct dump_job *j, const struct series_key *key)
{
	return types_serve(
		attachment_table_types(j->profd->attachments, key->attachments), PROFILE_WALL);
}

/* What the request asks of series of its type; collect/select.c knows which those are. */
static bool type_matches(struct dump_job *j, const struct series_key *key)
{
	if (j->type == PROFILE_CPU)
		return strcmp(aggregate_rate(j->profd->aggregate, key->rate)->event, j->event) == 0;
	return j->type != PROFILE_WALL || is_of_wall(j, key);
}

bool dump_job_matches(void *userdata, const struct series_key *key)
{
	struct dump_job *j = userdata;

	if (!authz_allows(&j->peer, AUTHZ_DUMP_PROCESS, key->owner_uid) || !type_matches(j, key))
		return false;
	/* Of which processes is decided by who lives: a thread may be older than an attachment. */
	return j->type == PROFILE_THREADCREATE || target_matches(j, key);
}

/* ---- of processes that live ---- */

static bool spec_matches(
	struct profd *p, const struct target_spec *spec, const struct target_process_info *info)
{
	struct process *process =
		process_table_find(p->processes, info->pid, info->before_ns, false);
	void *both[] = { p, process };
	struct target_candidate candidate = {
		.pid = info->pid,
		.comm = info->comm,
		.exe = info->exe,
		.cgroup = info->cgroup ? info->cgroup : "",
		.descends = process ? descends : NULL,
		.userdata = both,
	};

	return target_spec_matches(spec, &candidate);
}

/* Cgroups are looked at with each sample, they leave no mark. */
static bool covers(
	struct profd *p, const struct attachment *a, const struct target_process_info *info)
{
	if (a->target.all || kernel_target_of(p->kernel, info->pid) & a->bits & ~a->below_bit)
		return true;
	return (a->target.n_cgroups || a->target.n_units) && spec_matches(p, &a->target, info);
}

bool dump_job_matches_process(void *userdata, const struct target_process_info *info)
{
	struct dump_job *j = userdata;
	struct profd *p = j->profd;
	const struct attachment *a;
	bool is_collected = false;

	if (!authz_allows(&j->peer, AUTHZ_DUMP_PROCESS, info->owner_uid))
		return false;
	if (!j->attachment_bits && !j->any && !j->target.all && !spec_matches(p, &j->target, info))
		return false;
	for (size_t i = 0; (a = attachment_table_at(p->attachments, i)) && !is_collected; i++)
		is_collected = a->on && types_serve(a->types, j->type) &&
			       (!j->attachment_bits || (a->bits & j->attachment_bits)) &&
			       covers(p, a, info);
	return is_collected;
}
