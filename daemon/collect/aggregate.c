/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aggregator (aggregate.h). Owns stacks, slots, threads and the names of labels. References: a
 * stack entry that exists and a series that exists each hold one on their process; a series holds
 * one on its entry, if it has a stack. Names are what targets call themselves: bounded, and past
 * the bound a label is left out.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collect/aggregate_internal.h"

#define MAX_RATES      4096U
#define MAX_NAMES      (256U * 1024U)
#define MAX_NAME_BYTES (16 * MIB)
#define MAX_CGROUPS    65536U
#define MAX_THREADS    65536U /* that live, of which it is known where they were made */
#define SWEEP_NS       (60 * NS_PER_SEC)
#define CGROUP_ASK_NS  (1 * NS_PER_SEC)
#define UNKNOWN_NS     (5 * NS_PER_SEC) /* between two rounds of sending all stacks again */

/* Series name the row, not the text: samples come before what the group is called is known. */
struct cgroup_name {
	uint64_t id;
	uint64_t asked_ns;
	uint32_t name; /* 0: not known yet */
};

static void process_unref(struct aggregate *a, uint32_t process)
{
	struct process *p = process_table_get(a->rooms.processes, process);
	if (p && p->n_refs > 0)
		p->n_refs--;
}

static void entry_gone(void *userdata, uint32_t process)
{
	process_unref(userdata, process);
}

static void series_released(void *userdata, const struct series_key *key)
{
	struct aggregate *a = userdata;
	if (key->entry != STACK_NONE && stack_unref(a->stacks, key->entry))
		process_unref(a, key->process);
	process_unref(a, key->process);
}

static void thread_released(void *userdata, uint32_t series)
{
	struct aggregate *a = userdata;
	slots_unref(a->slots, series);
}

static uint64_t cgroup_hash_of(const void *ctx, uint32_t id)
{
	const struct aggregate *a = ctx;
	return hash_u64(ARRAY_AT(&a->cgroups, struct cgroup_name, id)->id, hash_seed());
}

static bool cgroup_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct aggregate *a = ctx;
	return ARRAY_AT(&a->cgroups, struct cgroup_name, id)->id == *(const uint64_t *)key;
}

/* The row of that cgroup id, made when it is met first; TABLE_NONE: the table is full. */
static uint32_t cgroup_row(struct aggregate *a, uint64_t id)
{
	uint64_t hash = hash_u64(id, hash_seed());
	uint32_t row = table_find(&a->cgroup_index, hash, &id);
	if (row != TABLE_NONE)
		return row;
	row = (uint32_t)a->cgroups.n;
	struct cgroup_name *new = array_push(&a->cgroups);
	if (!new)
		return TABLE_NONE;
	new->id = id;
	if (table_add(&a->cgroup_index, hash, row) < 0) {
		a->cgroups.n--;
		return TABLE_NONE;
	}
	return row;
}

void aggregate_read(struct aggregate *a, const struct target_process_info *info)
{
	uint32_t name;

	if (!info->cgroup_id || !info->cgroup || !*info->cgroup)
		return;
	uint32_t row = cgroup_row(a, info->cgroup_id);
	if (row != TABLE_NONE &&
		strings_intern(&a->names, info->cgroup, strlen(info->cgroup), &name) >= 0)
		ARRAY_AT(&a->cgroups, struct cgroup_name, row)->name = name;
}

static void process_read(void *userdata, struct process *p, const struct target_process_info *info)
{
	struct aggregate *a = userdata;

	aggregate_read(a, info);
	if (a->rooms.maps_read)
		a->rooms.maps_read(a->rooms.userdata, p);
}

static void on_cgroup_read(void *userdata, int error, const struct target_process_info *info)
{
	if (error >= 0)
		aggregate_read(userdata, info);
}

int aggregate_new(struct aggregate **ret, const struct aggregate_rooms *rooms, uint64_t history_ns,
	uint64_t memory_bytes)
{
	struct aggregate *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->rooms = *rooms;
	a->memory_bytes = memory_bytes;
	a->next_threshold_ns = UINT64_MAX;
	a->rates = (struct array)ARRAY_INIT(struct aggregate_rate, MAX_RATES);
	a->cgroups = (struct array)ARRAY_INIT(struct cgroup_name, MAX_CGROUPS);
	table_init(&a->cgroup_index, MAX_CGROUPS, cgroup_hash_of, cgroup_equal, a);
	int r = strings_init(&a->names, MAX_NAMES, MAX_NAME_BYTES);
	if (r >= 0)
		r = stack_store_new(&a->stacks, memory_bytes);
	if (r >= 0)
		r = slots_new(&a->slots, history_ns, series_released, a);
	if (r >= 0)
		r = thread_table_new(&a->threads, MAX_THREADS, thread_released, a);
	if (r >= 0)
		r = locator_new(&a->locator, &(struct locator_rooms){
						     .stacks = a->stacks,
						     .processes = rooms->processes,
						     .modules = rooms->modules,
						     .io = rooms->io,
						     .symbolizer = rooms->symbolizer,
						     .process_read = process_read,
						     .userdata = a,
					     });
	if (r < 0) {
		aggregate_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

struct aggregate *aggregate_free(struct aggregate *a)
{
	if (!a)
		return NULL;
	locator_free(a->locator);
	thread_table_free(a->threads);
	slots_free(a->slots);
	stack_store_free(a->stacks);
	table_deinit(&a->cgroup_index);
	array_deinit(&a->cgroups);
	array_deinit(&a->rates);
	strings_deinit(&a->names);
	free(a);
	return NULL;
}

int aggregate_set_rate(struct aggregate *a, unsigned event_set, const char *event, uint32_t freq_hz)
{
	if (event_set >= ABI_EVENT_SETS)
		return -EINVAL;
	ARRAY_EACH(&a->rates, struct aggregate_rate, r) {
		if (r->freq_hz == freq_hz && strcmp(r->event, event) == 0) {
			a->set_rate[event_set] =
				(uint32_t)(r - ARRAY_AT(&a->rates, struct aggregate_rate, 0));
			return 0;
		}
	}
	struct aggregate_rate *new = array_push(&a->rates);
	if (!new)
		return -ENOSPC;
	snprintf(new->event, sizeof(new->event), "%s", event);
	new->freq_hz = freq_hz;
	new->period_ns = NS_PER_SEC / freq_hz;
	a->set_rate[event_set] = (uint32_t)(a->rates.n - 1);
	return 0;
}

/* Is a higher rate of the same event kept for this process at this time? */
static bool superseded(const struct aggregate *a, const struct sample_record *record)
{
	const struct aggregate_rate *own = aggregate_rate(a, a->set_rate[record->event_set]);
	for (unsigned set = 0; set < ABI_EVENT_SETS; set++) {
		if (set == record->event_set || !(record->covering_sets & (1U << set)))
			continue;
		const struct aggregate_rate *other = aggregate_rate(a, a->set_rate[set]);
		if (strcmp(own->event, other->event) == 0 && other->freq_hz > own->freq_hz)
			return true;
	}
	return false;
}

uint32_t aggregate_intern(struct aggregate *a, const char *text, size_t max)
{
	uint32_t name;
	return strings_intern(&a->names, text, strnlen(text, max), &name) < 0 ? 0 : name;
}

/* For series_key.cgroup: the row and one, 0 without. A process in it is asked for the name. */
static uint32_t cgroup_of(struct aggregate *a, struct process *p, const struct sample_record *r)
{
	uint32_t row = r->cgroup_id ? cgroup_row(a, r->cgroup_id) : TABLE_NONE;
	if (row == TABLE_NONE)
		return 0;
	struct cgroup_name *c = ARRAY_AT(&a->cgroups, struct cgroup_name, row);
	if (!c->name && (!c->asked_ns || r->time_ns > c->asked_ns + CGROUP_ASK_NS)) {
		c->asked_ns = r->time_ns;
		(void)target_read(a->rooms.io, p->pid, false, on_cgroup_read, a);
	}
	return row + 1;
}

/* The stack entry of the record, current and located or waiting. 0 or a drop reason's errno. */
static int entry_of(
	struct aggregate *a, struct process *p, const struct sample_record *record, uint32_t *ret)
{
	uint32_t entry = stack_find(a->stacks, p->id, record->exec_id, record->stack_hash);
	if (entry == STACK_NONE) {
		if (!record->has_stack)
			return -ENOKEY;
		int r = stack_add(a->stacks, p->id, record, &entry);
		if (r < 0)
			return r;
		p->n_refs++;
	}
	return locator_update(a->locator, p, entry, record->time_ns, ret);
}

void aggregate_drop(
	struct aggregate *a, const struct sample_record *record, enum drop_reason reason)
{
	a->sets[record->event_set].dropped[reason]++;
}

/* A series with its references, which become the slots' if they keep it. */
void aggregate_take(struct aggregate *a, struct process *p, const struct series_key *key)
{
	if (key->entry != STACK_NONE)
		stack_ref(a->stacks, key->entry);
	p->n_refs++;
}

void aggregate_give_back(struct aggregate *a, struct process *p, const struct series_key *key)
{
	p->n_refs--;
	if (key->entry != STACK_NONE && stack_unref(a->stacks, key->entry))
		p->n_refs--;
}

/* What is told of a series: a span, or for NULL a sample. Makes room where there is none. */
int aggregate_add(struct aggregate *a, struct process *p, const struct series_key *key,
	uint64_t time_ns, const struct span *span, bool *ret_new)
{
	int r;

	*ret_new = false;
	aggregate_take(a, p, key);
	do {
		size_t other = aggregate_bytes(a) - slots_bytes(a->slots) + a->memory_bytes / 16;
		bool is_new;
		slots_limit(a->slots, a->memory_bytes > other ? a->memory_bytes - other : 0);
		r = span ? slots_span(a->slots, key, span, &is_new)
			 : slots_count(a->slots, key, time_ns, &is_new);
		*ret_new |= is_new;
	} while (r == -ENOSPC && slots_drop_oldest(a->slots));
	if (!*ret_new)
		aggregate_give_back(a, p, key);
	return r;
}

/* The part of a key that all records have. */
static struct series_key key_of(
	struct aggregate *a, struct process *p, const struct sample_record *record)
{
	return (struct series_key){
		.process = p->id,
		.tid = record->tid,
		.entry = STACK_NONE,
		.thread = aggregate_intern(a, record->comm, ABI_COMM),
		.comm = aggregate_intern(a, process_comm(p, record->time_ns), sizeof(p->comm)),
		.cgroup = cgroup_of(a, p, record),
		.owner_uid = record->owner_uid,
		.attachments = record->attachments,
	};
}

static void add_sample(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record)
{
	struct series_key k = *key;
	bool is_new;

	if (superseded(a, record)) {
		a->sets[record->event_set].superseded++;
		return;
	}
	k.rate = a->set_rate[record->event_set];
	if (aggregate_add(a, p, &k, record->time_ns, NULL, &is_new) < 0)
		aggregate_drop(a, record, DROP_MEMORY);
}

void aggregate_sample(struct aggregate *a, const struct sample_record *record)
{
	bool is_cpu = record->event_set < ABI_EVENT_SETS;

	if (record->event_set >= ABI_SETS || (is_cpu && a->rates.n == 0))
		return;
	struct process *p =
		process_table_find(a->rooms.processes, record->tgid, record->time_ns, true);
	if (!p) {
		aggregate_drop(a, record, DROP_PROCESS_TABLE);
		return;
	}
	if (!p->start_boottime_ns)
		p->start_boottime_ns = record->start_ns;
	struct series_key key = key_of(a, p, record);
	if (record->kind != RECORD_STACK)
		aggregate_unsampled(a, p, &key, record);

	uint32_t entry;
	int r = entry_of(a, p, record, &entry);
	if (r < 0) {
		aggregate_drop(a, record, r == -ENOKEY ? DROP_STACK_UNKNOWN : DROP_MEMORY);
		a->unknown |= r == -ENOKEY;
		return;
	}
	if (record->kind == RECORD_STACK)
		return;
	for (uint64_t bits = record->attachments; bits; bits &= bits - 1)
		a->bit_samples[__builtin_ctzll(bits)]++;
	key.entry = entry;
	if (is_cpu) {
		aggregate_wall(a, p, &key, record);
		add_sample(a, p, &key, record);
	} else if (record->event_set == SET_CREATES) {
		aggregate_thread_made(a, p, &key, record);
	} else {
		aggregate_wait(a, p, &key, record);
	}
}

void aggregate_split(struct aggregate *a, uint64_t now_ns)
{
	(void)slots_split(a->slots, now_ns);
}

/* The programs think that we have a stack which was lost on the way: without this, every sample
 * with it would be lost from now on. */
static bool ask_again(struct aggregate *a, uint64_t now_ns)
{
	if (!a->unknown || now_ns < a->asked_ns + UNKNOWN_NS)
		return false;
	a->unknown = false;
	a->asked_ns = now_ns;
	return true;
}

bool aggregate_maintain(struct aggregate *a, uint64_t now_ns)
{
	bool again = ask_again(a, now_ns);

	aggregate_maintain_threads(a, now_ns);
	slots_expire(a->slots, now_ns);
	bool tight = false;
	while (aggregate_bytes(a) > a->memory_bytes - a->memory_bytes / 8) {
		tight = true;
		if (!slots_drop_oldest(a->slots))
			break;
	}
	if (!tight && now_ns < a->swept_ns + SWEEP_NS)
		return again;
	uint64_t before = tight ? now_ns : (now_ns > SWEEP_NS ? now_ns - SWEEP_NS : 0);
	a->swept_ns = now_ns;
	return stack_sweep(a->stacks, before, entry_gone, a) > 0 || again;
}

const struct aggregate_set_stats *aggregate_set_stats(const struct aggregate *a, unsigned event_set)
{
	return &a->sets[event_set];
}

uint64_t aggregate_bit_samples(const struct aggregate *a, unsigned bit)
{
	return a->bit_samples[bit];
}

void aggregate_clear_bit(struct aggregate *a, unsigned bit)
{
	a->bit_samples[bit] = 0;
}

size_t aggregate_bytes(const struct aggregate *a)
{
	return stack_store_bytes(a->stacks) + slots_bytes(a->slots) + strings_bytes(&a->names) +
	       array_bytes(&a->cgroups) + thread_table_bytes(a->threads);
}

uint64_t aggregate_from_ns(const struct aggregate *a)
{
	const struct slot *first = slots_at(a->slots, 0);
	return first ? first->from_ns : 0;
}

struct slots *aggregate_slots(const struct aggregate *a)
{
	return a->slots;
}

struct stack_store *aggregate_stacks(const struct aggregate *a)
{
	return a->stacks;
}

struct locator *aggregate_locator(const struct aggregate *a)
{
	return a->locator;
}

const struct aggregate_rate *aggregate_rate(const struct aggregate *a, uint32_t rate)
{
	static const struct aggregate_rate none;

	return rate < a->rates.n ? ARRAY_AT(&a->rates, struct aggregate_rate, rate) : &none;
}

uint32_t aggregate_n_rates(const struct aggregate *a)
{
	return (uint32_t)a->rates.n;
}

const char *aggregate_name(const struct aggregate *a, uint32_t name)
{
	return strings_get(&a->names, name, NULL);
}

uint32_t aggregate_cgroup(const struct aggregate *a, uint32_t cgroup)
{
	return cgroup ? ARRAY_AT(&a->cgroups, struct cgroup_name, cgroup - 1)->name : 0;
}
