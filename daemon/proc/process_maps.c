/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the versioned list of mappings of one life. Everything is decided by time, not by order of
 * arrival: an event that comes late ends what is older than it and gives way to what is newer.
 *
 * Ranges and times come from the kernel; how many there are is the target's choice: the list is
 * bounded, ended versions go first, and no operation is more than linear in it (an event so late
 * that it meets more than LATE_PIECES newer mappings is cut off at the oldest of the rest).
 */
#include "proc/life.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

#define LATE_PIECES 64U

static struct process_mapping *at(const struct life *l, size_t i)
{
	return ARRAY_AT(&l->p.mappings, struct process_mapping, i);
}

static bool in_force(const struct process_mapping *m, uint64_t time_ns)
{
	return m->from_ns <= time_ns && time_ns < m->until_ns;
}

/* The first that can overlap an address or what is above it: reach never falls. */
static size_t first_reaching(const struct process *p, uint64_t address)
{
	size_t low = 0, high = p->mappings.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ARRAY_AT(&p->mappings, struct process_mapping, middle)->reach > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* ---- which processes map a module ---- */

static size_t use_position(const struct life *l, uint32_t module)
{
	size_t low = 0, high = l->uses.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ARRAY_AT(&l->uses, struct module_use, middle)->module < module)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int use_add(struct life *l, struct module_table *modules, uint32_t module)
{
	size_t i = use_position(l, module);
	struct module_use *u = ARRAY_AT(&l->uses, struct module_use, i);

	if (l->p.until_ns != PROCESS_FOREVER_NS)
		return 0;
	if (i < l->uses.n && u->module == module) {
		u->n++;
		return 0;
	}
	if (!array_push(&l->uses))
		return -ENOMEM;
	u = ARRAY_AT(&l->uses, struct module_use, i);
	memmove(u + 1, u, (l->uses.n - 1 - i) * sizeof(*u));
	*u = (struct module_use){ module, 1 };
	module_table_get(modules, module)->n_processes++;
	return 0;
}

static void use_drop(struct life *l, struct module_table *modules, uint32_t module)
{
	size_t i = use_position(l, module);
	struct module_use *u = ARRAY_AT(&l->uses, struct module_use, i);

	if (i >= l->uses.n || u->module != module || --u->n > 0)
		return;
	memmove(u, u + 1, (l->uses.n - 1 - i) * sizeof(*u));
	l->uses.n--;
	module_table_get(modules, module)->n_processes--;
}

static void drop_all_uses(struct life *l, struct module_table *modules)
{
	ARRAY_EACH(&l->uses, struct module_use, u)
		module_table_get(modules, u->module)->n_processes--;
	l->uses.n = 0;
}

/* ---- the list ---- */

static void end_mapping(
	struct life *l, struct module_table *modules, struct process_mapping *m, uint64_t time_ns)
{
	if (m->until_ns == PROCESS_FOREVER_NS)
		use_drop(l, modules, m->module);
	m->until_ns = time_ns;
	l->p.epoch++;
}

static size_t sorted_position(const struct life *l, const struct process_mapping *m)
{
	size_t low = 0, high = l->p.mappings.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct process_mapping *other = at(l, middle);

		if (other->start < m->start ||
			(other->start == m->start && other->from_ns <= m->from_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Adds one version as it stands. */
static int add_version(
	struct life *l, struct module_table *modules, const struct process_mapping *version)
{
	struct process_mapping *m;
	size_t i;

	if (version->until_ns <= version->from_ns)
		return 0;
	if (l->p.mappings.n >= LIMIT_MAPPINGS)
		life_prune(l, version->from_ns);
	i = sorted_position(l, version);
	if (l->p.mappings.n >= LIMIT_MAPPINGS)
		return -E2BIG;
	if (!array_push(&l->p.mappings))
		return -ENOMEM;
	m = at(l, i);
	memmove(m + 1, m, (l->p.mappings.n - 1 - i) * sizeof(*m));
	*m = *version;
	m->reach = MAX(m->end, i > 0 ? m[-1].reach : 0);
	for (size_t j = i + 1; j < l->p.mappings.n && at(l, j)->reach < m->reach; j++)
		at(l, j)->reach = m->reach;
	l->newest_ns = MAX(l->newest_ns, m->mapped_ns);
	l->p.epoch++;
	return m->until_ns == PROCESS_FOREVER_NS ? use_add(l, modules, m->module) : 0;
}

static struct process_mapping part_of(
	const struct process_mapping *m, uint64_t start, uint64_t end, uint64_t from_ns)
{
	struct process_mapping part = *m;

	part.offset += start - m->start;
	part.start = start;
	part.end = end;
	part.from_ns = from_ns;
	return part;
}

int life_unmap(struct life *l, struct module_table *modules, uint64_t start, uint64_t end,
	uint64_t time_ns)
{
	int r = 0;

	/* What is added on the way is left or right of the range: met again and passed over, or
	 * beyond the end of the loop. */
	for (size_t i = start < end ? first_reaching(&l->p, start) : l->p.mappings.n;
		r == 0 && i < l->p.mappings.n && at(l, i)->start < end; i++) {
		struct process_mapping m = *at(l, i);
		/* For an event told late: also what a mapping of before it left over later. */
		uint64_t from_ns = MAX(m.from_ns, time_ns);

		if (m.end <= start || m.mapped_ns > time_ns || m.until_ns <= from_ns)
			continue;
		end_mapping(l, modules, at(l, i), from_ns);
		if (m.start < start) {
			struct process_mapping left = part_of(&m, m.start, start, from_ns);
			r = add_version(l, modules, &left);
		}
		if (r == 0 && m.end > end) {
			struct process_mapping right = part_of(&m, end, m.end, from_ns);
			r = add_version(l, modules, &right);
		}
	}
	return r;
}

/* The oldest of those newer than m that it meets, or NULL. */
static const struct process_mapping *oldest_newer(
	const struct life *l, const struct process_mapping *m)
{
	const struct process_mapping *found = NULL;

	if (l->newest_ns <= m->mapped_ns)
		return NULL;
	for (size_t i = first_reaching(&l->p, m->start);
		i < l->p.mappings.n && at(l, i)->start < m->end; i++) {
		const struct process_mapping *o = at(l, i);

		if (o->end > m->start && o->mapped_ns > m->mapped_ns &&
			o->mapped_ns < m->until_ns && o->until_ns > o->from_ns &&
			(!found || o->mapped_ns < found->mapped_ns))
			found = o;
	}
	return found;
}

/* Adds m, cut where newer mappings took over. The pieces still to be looked at are on a small
 * stack. */
static int add_before_newer(
	struct life *l, struct module_table *modules, const struct process_mapping *m)
{
	struct process_mapping todo[LATE_PIECES];
	size_t n = 0;
	int r = 0;

	todo[n++] = *m;
	while (r == 0 && n > 0) {
		struct process_mapping piece = todo[--n];
		const struct process_mapping *newer = oldest_newer(l, &piece);

		if (newer) {
			uint64_t start = MAX(piece.start, newer->start);
			uint64_t end = MIN(piece.end, newer->end);
			bool room = n + 2 <= LATE_PIECES;

			if (room && piece.start < start)
				todo[n++] = part_of(&piece, piece.start, start, piece.from_ns);
			if (room && end < piece.end)
				todo[n++] = part_of(&piece, end, piece.end, piece.from_ns);
			if (room)
				piece = part_of(&piece, start, end, piece.from_ns);
			piece.until_ns = newer->mapped_ns;
		}
		r = add_version(l, modules, &piece);
	}
	return r;
}

int life_map(struct life *l, struct module_table *modules, const struct process_mapping *m,
	uint64_t time_ns)
{
	struct process_mapping version = *m;
	int r;

	if (m->start >= m->end)
		return -EINVAL;
	version.from_ns = version.mapped_ns = time_ns;
	version.until_ns = life_image_end(l, time_ns);
	/* mprotect() and a merge with a neighbour tell again what is known. */
	if (life_is_mapped_so(l, &version, time_ns))
		return 0;
	r = life_unmap(l, modules, m->start, m->end, time_ns);
	return r < 0 ? r : add_before_newer(l, modules, &version);
}

bool life_is_mapped_so(const struct life *l, const struct process_mapping *m, uint64_t time_ns)
{
	uint64_t address = m->start;

	/* Those in force do not overlap, so in order of start they line up or leave a gap. */
	for (size_t i = first_reaching(&l->p, m->start);
		i < l->p.mappings.n && at(l, i)->start < m->end && address < m->end; i++) {
		const struct process_mapping *o = at(l, i);

		if (o->end <= address || !in_force(o, time_ns))
			continue;
		if (o->start > address || o->module != m->module ||
			o->offset - o->start != m->offset - m->start)
			return false;
		address = o->end;
	}
	return address >= m->end;
}

bool life_knows_range(
	const struct life *l, uint64_t start, uint64_t end, uint64_t from_ns, uint64_t until_ns)
{
	for (size_t i = first_reaching(&l->p, start); i < l->p.mappings.n && at(l, i)->start < end;
		i++) {
		const struct process_mapping *o = at(l, i);

		if (o->end > start && o->from_ns <= until_ns && o->until_ns > from_ns &&
			o->until_ns > o->from_ns)
			return true;
	}
	return false;
}

/* ---- a life as a whole ---- */

uint64_t life_image_start(const struct life *l, uint64_t time_ns)
{
	for (size_t i = 0; i < LIFE_EXECS; i++)
		if (l->execs[i] != 0 && l->execs[i] <= time_ns)
			return l->execs[i];
	return l->from_exact ? l->p.from_ns : 0;
}

uint64_t life_image_end(const struct life *l, uint64_t time_ns)
{
	uint64_t end = PROCESS_FOREVER_NS;

	for (size_t i = 0; i < LIFE_EXECS; i++)
		if (l->execs[i] > time_ns)
			end = l->execs[i];
	return end;
}

void life_exec(struct life *l, struct module_table *modules, uint64_t time_ns)
{
	size_t i = 0;

	for (size_t j = 0; j < l->p.mappings.n; j++) {
		struct process_mapping *m = at(l, j);

		if (m->mapped_ns < time_ns && m->until_ns > time_ns)
			end_mapping(l, modules, m, MAX(m->from_ns, time_ns));
	}
	while (i < LIFE_EXECS && l->execs[i] > time_ns)
		i++;
	if (i < LIFE_EXECS && l->execs[i] != time_ns) {
		memmove(&l->execs[i + 1], &l->execs[i], (LIFE_EXECS - 1 - i) * sizeof(l->execs[0]));
		l->execs[i] = time_ns;
	}
	l->p.exec_ns = l->execs[0];
	l->p.epoch++;
}

int life_inherit(struct life *child, struct module_table *modules, const struct life *parent)
{
	uint64_t time_ns = child->p.from_ns;
	int r = life_unmap(child, modules, 0, UINT64_MAX, time_ns);

	for (size_t i = 0; r == 0 && i < parent->p.mappings.n; i++) {
		struct process_mapping m = *at(parent, i);

		if (!in_force(&m, time_ns))
			continue;
		m.from_ns = m.mapped_ns = time_ns;
		m.until_ns = life_image_end(child, time_ns);
		r = add_before_newer(child, modules, &m);
	}
	return r;
}

void life_began(struct life *l, uint64_t from_ns)
{
	/* What was there "since the beginning" was so by a later reading: the parent's come first.
	 */
	for (size_t i = 0; i < l->p.mappings.n; i++)
		if (at(l, i)->from_ns == 0)
			at(l, i)->from_ns = at(l, i)->mapped_ns = from_ns + 1;
	life_extend_back(l, from_ns);
	l->from_exact = true;
}

void life_extend_back(struct life *l, uint64_t from_ns)
{
	if (l->p.exec_ns == l->p.from_ns)
		l->p.exec_ns = from_ns;
	l->p.from_ns = from_ns;
}

void life_end(struct life *l, struct module_table *modules, uint64_t time_ns)
{
	drop_all_uses(l, modules);
	array_deinit(&l->uses);
	l->uses = (struct array)ARRAY_INIT(struct module_use, LIMIT_MAPPINGS);
	l->p.until_ns = time_ns;
}

void life_prune(struct life *l, uint64_t before_ns)
{
	uint64_t reach = 0;
	size_t n = 0;

	for (size_t i = 0; i < l->p.mappings.n; i++) {
		struct process_mapping m = *at(l, i);

		if (m.until_ns <= before_ns || m.until_ns <= m.from_ns)
			continue;
		reach = MAX(reach, m.end);
		m.reach = reach;
		*at(l, n++) = m;
	}
	l->p.mappings.n = n;
}

size_t life_bytes(const struct life *l)
{
	return sizeof(*l) + array_bytes(&l->p.mappings) + array_bytes(&l->uses) +
	       (l->p.exe ? strlen(l->p.exe) + 1 : 0);
}

struct life *life_free(struct life *l, struct module_table *modules)
{
	if (!l)
		return NULL;
	drop_all_uses(l, modules);
	array_deinit(&l->uses);
	array_deinit(&l->p.mappings);
	free(l->p.exe);
	free(l);
	return NULL;
}

const struct process_mapping *process_mapping_at(
	const struct process *p, uint64_t address, uint64_t time_ns)
{
	const struct process_mapping *m = p->mappings.data;
	size_t low = 0, high = p->mappings.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Downwards as long as anything there reaches the address. */
	while (low-- > 0 && m[low].reach > address)
		if (m[low].end > address && in_force(&m[low], time_ns))
			return &m[low];
	return NULL;
}

int process_locate(const struct process *p, uint64_t address, uint64_t time_ns,
	uint32_t *ret_module, uint64_t *ret_offset)
{
	const struct process_mapping *m = process_mapping_at(p, address, time_ns);

	if (!m)
		return -ENOENT;
	*ret_module = m->module;
	*ret_offset = address - m->start + m->offset;
	return 0;
}
