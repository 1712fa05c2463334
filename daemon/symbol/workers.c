/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the two pools and decides which of them a module's file goes to (workers.h). */
#include "symbol/workers.h"

int workers_init(struct workers *w, sd_event *event, unsigned max_processes)
{
	struct helper_options options = {
		.role = HELPER_SYMBOLIZER,
		.max_processes = max_processes,
		.deadline_ms = LIMIT_SYMBOL_DEADLINE_MS,
	};
	int r = helper_pool_new(&w->shared, event, &options);

	options.fresh_process_per_job = true;
	return r < 0 ? r : helper_pool_new(&w->fresh, event, &options);
}

void workers_deinit(struct workers *w)
{
	w->fresh = helper_pool_free(w->fresh);
	w->shared = helper_pool_free(w->shared);
}

void workers_trim(struct workers *w)
{
	helper_pool_trim(w->shared);
	helper_pool_trim(w->fresh);
}

void workers_get_stats(const struct workers *w, struct helper_stats *ret)
{
	struct helper_stats a, b;

	helper_pool_get_stats(w->shared, &a);
	helper_pool_get_stats(w->fresh, &b);
	a.running += b.running;
	a.stuck += b.stuck;
	a.queued += b.queued;
	a.jobs += b.jobs;
	a.failed += b.failed;
	a.timed_out += b.timed_out;
	a.crashed += b.crashed;
	a.cpu_ns += b.cpu_ns;
	a.rss_bytes += b.rss_bytes;
	*ret = a;
}

static bool is_roots(const struct module *m)
{
	switch (m->kind) {
	case MODULE_FILE:
		return m->owner_uid == 0;
	case MODULE_KERNEL:
	case MODULE_VDSO:
		return true;
	case MODULE_JIT:
	case MODULE_UNKNOWN:
		break;
	}
	return false;
}

int workers_submit(struct workers *w, const struct module *m, const struct symbol_request *q,
	const int *fds, size_t n_fds, helper_done_fn done, void *userdata)
{
	return helper_pool_submit(is_roots(m) ? w->shared : w->fresh, q, sizeof(*q), fds, n_fds,
		done, userdata, NULL);
}
