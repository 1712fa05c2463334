/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of mappings (unwind_list.h). Addresses and offsets are the target's
 * choice: arithmetic wraps and nothing is assumed of them. */
#include "unwind_list.h"
#include "base/cleanup.h"
#include <errno.h>
#include <stdlib.h>

#define PAGE_MASK ((1ULL << UNWIND_PAGE_SHIFT) - 1)

bool unwind_list_base(
	const struct unwind_place *place, uint64_t start, uint64_t offset, uint64_t *ret)
{
	for (uint32_t i = 0; i < place->n_segments; i++) {
		const struct unwind_segment *s = &place->segments[i];
		uint64_t from = s->offset & ~PAGE_MASK;

		/* The kernel maps whole pages. */
		if (offset - from >= ((s->offset - from + s->size + PAGE_MASK) & ~PAGE_MASK))
			continue;
		*ret = start - (s->vaddr + (offset - s->offset)) + place->vaddr;
		return true;
	}
	return false;
}

uint32_t unwind_list_make(const struct process *p, unwind_place_fn place, void *userdata,
	struct kernel_mapping *out, uint32_t max)
{
	uint32_t n = 0;

	for (size_t i = 0; i < p->mappings.n; i++) {
		const struct process_mapping *m = ARRAY_AT(&p->mappings, struct process_mapping, i);
		struct kernel_mapping one = {
			.start = m->start, .end = m->end, .table = KERNEL_TABLE_NONE
		};
		const struct unwind_place *at;

		if (m->until_ns != PROCESS_FOREVER_NS || m->start >= m->end ||
			(n > 0 && m->start < out[n - 1].end))
			continue;
		at = place(userdata, m->module);
		if (at && (at->table == KERNEL_TABLE_PENDING ||
				  (at->table != KERNEL_TABLE_NONE &&
					  unwind_list_base(at, m->start, m->offset, &one.base))))
			one.table = at->table;
		if (n > 0 && out[n - 1].end == one.start && out[n - 1].table == one.table &&
			out[n - 1].base == one.base) {
			out[n - 1].end = one.end;
			continue;
		}
		if (n == max)
			break;
		out[n++] = one;
	}
	return n;
}

uint32_t unwind_list_oldest(const struct unwind_use *uses, uint32_t n)
{
	uint32_t oldest = UINT32_MAX;

	for (uint32_t i = 0; i < n; i++) {
		if (!uses[i].whole || uses[i].n_lists > 0)
			continue;
		if (oldest == UINT32_MAX || uses[i].used_ns < uses[oldest].used_ns)
			oldest = i;
	}
	return oldest;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void sort_distinct(struct array *a)
{
	size_t kept = 0;

	if (a->n > 1)
		qsort(a->data, a->n, sizeof(uint32_t), by_id);
	for (size_t i = 0; i < a->n; i++) {
		uint32_t v = *ARRAY_AT(a, uint32_t, i);
		if (kept == 0 || *ARRAY_AT(a, uint32_t, kept - 1) != v)
			*ARRAY_AT(a, uint32_t, kept++) = v;
	}
	a->n = kept;
}

static int by_time(const void *a, const void *b)
{
	const struct process_mapping *const *x = a, *const *y = b;
	return (*x)->mapped_ns < (*y)->mapped_ns ? -1 : (*x)->mapped_ns > (*y)->mapped_ns;
}

int unwind_list_modules(const struct process *p, void (*want)(void *userdata, uint32_t module),
	void *userdata, struct array *modules)
{
	_cleanup_free_ const struct process_mapping **order =
		malloc((p->mappings.n + 1) * sizeof(struct process_mapping *));
	size_t n = 0;

	if (!order)
		return -ENOMEM;
	modules->n = 0;
	ARRAY_EACH(&p->mappings, struct process_mapping, m)
		if (m->until_ns == PROCESS_FOREVER_NS)
			order[n++] = m;
	if (n > 1)
		qsort(order, n, sizeof(struct process_mapping *), by_time);
	for (size_t i = 0; i < n; i++) {
		uint32_t *module = array_push(modules);
		if (!module)
			return -ENOMEM;
		*module = order[i]->module;
		want(userdata, *module);
	}
	sort_distinct(modules);
	return 0;
}

bool unwind_list_has(const struct array *modules, uint32_t module)
{
	return modules->n > 0 && bsearch(&module, modules->data, modules->n, sizeof(module), by_id);
}
