/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what is known of each module's table and the answers that wait to be
 * copied. A table goes
 *
 *   unasked -> queued -> building (a worker) -> copying -> whole -> (evicted:)
 * unasked
 *
 * or ends as failed, with a reason; what may go better another time is tried
 * again after RETRY_NS when it is asked for. Answers are checked here, in pieces
 * as they are copied, before a word of them is copied.
 */
#include "unwind_tables.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>

#define RETRY_NS      (60 * NS_PER_SEC)
#define SOON_RETRY_NS (5 * NS_PER_SEC)
#define MAX_BUILDS    3U /* at once */
#define MAX_COPIES    4U /* answers that wait */
#define MAX_WORKERS   2U
/* What was dropped is room again only when no walk can be in it any more. */
#define ROOM_WAIT_NS (60 * NS_PER_MS)
#define ROOM_TRIES   16U
#define IDLE_NS	     (30 * NS_PER_SEC) /* workers are kept that long after a build */

enum state { UNASKED, QUEUED, BUILDING, COPYING, WHOLE, FAILED };

struct file_table {
	enum state state;
	enum unwind_failure failure;
	uint64_t retry_ns; /* FAILED: not before that; UINT64_MAX: never */
	uint64_t used_ns;
	uint32_t n_lists;
	uint64_t bytes; /* of the store, when whole */
	struct unwind_place place;
	struct unwind_segment *segments; /* owned */
};

struct copy {
	uint32_t module;
	uint32_t page;		     /* that is to be checked next */
	bool is_sound;		     /* all of it is checked */
	uint32_t table;		     /* KERNEL_TABLE_NONE: it has no room yet */
	unsigned tries;		     /* to find room */
	uint64_t retry_ns;	     /* not before that */
	struct unwind_answer answer; /* owned */
};

struct unwind_tables {
	struct unwind_tables_rooms rooms;
	struct unwind_source *source;
	struct array files;  /* struct file_table *, by module; owned; NULL: never asked */
	struct array queued; /* uint32_t, a stack */
	struct array copies; /* struct copy, in order */
	uint32_t building;
	uint64_t built_ns; /* when the last build ended; 0: there are no workers to be ended */
	struct unwind_tables_stats stats;
};

int unwind_tables_new(struct unwind_tables **ret, const struct unwind_tables_rooms *rooms)
{
	struct unwind_tables *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->rooms = *rooms;
	t->files = (struct array)ARRAY_INIT(struct file_table *, LIMIT_MODULES);
	t->queued = (struct array)ARRAY_INIT(uint32_t, LIMIT_MODULES);
	t->copies = (struct array)ARRAY_INIT(struct copy, MAX_COPIES + MAX_BUILDS);
	int r = unwind_source_new(&t->source, rooms->event, rooms->io, MAX_WORKERS);
	if (r < 0) {
		unwind_tables_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

static struct file_table *get(const struct unwind_tables *t, uint32_t module)
{
	return module < t->files.n ? *ARRAY_AT(&t->files, struct file_table *, module) : NULL;
}

static void file_free(struct file_table *f)
{
	if (f) {
		free(f->segments);
		free(f);
	}
}

struct unwind_tables *unwind_tables_free(struct unwind_tables *t)
{
	if (!t)
		return NULL;
	unwind_source_free(t->source);
	ARRAY_EACH(&t->copies, struct copy, c)
		unwind_answer_deinit(&c->answer);
	for (uint32_t i = 0; i < t->files.n; i++)
		file_free(get(t, i));
	array_deinit(&t->copies);
	array_deinit(&t->queued);
	array_deinit(&t->files);
	free(t);
	return NULL;
}

static struct file_table *get_or_add(struct unwind_tables *t, uint32_t module)
{
	struct file_table *f = get(t, module);

	if (f || (module >= t->files.n && array_resize(&t->files, (size_t)module + 1) < 0))
		return f;
	f = calloc(1, sizeof(*f));
	if (f)
		f->place.table = KERNEL_TABLE_NONE;
	*ARRAY_AT(&t->files, struct file_table *, module) = f;
	return f;
}

/* ---- how it ends ---- */

static enum unwind_failure failure_of(int error)
{
	switch (error) {
	case -ENODATA:
		return UNWIND_FAILURE_NO_CFI;
	case -EBADMSG:
	case -EOPNOTSUPP:
	case -EFBIG:
	case -E2BIG:
		return UNWIND_FAILURE_BAD;
	case -EPIPE:
		return UNWIND_FAILURE_CRASHED;
	case -ETIMEDOUT:
		return UNWIND_FAILURE_TIMEOUT;
	case -ENOENT:
	case -ESRCH:
	case -ESTALE:
	case -EACCES:
	case -EPERM:
		return UNWIND_FAILURE_OPEN;
	case -ENOSPC:
		return UNWIND_FAILURE_ROOM;
	default:
		return UNWIND_FAILURE_OTHER;
	}
}

static void fail(struct unwind_tables *t, uint32_t module, int error)
{
	const struct module *m = module_table_get(t->rooms.modules, module);
	struct file_table *f = get(t, module);
	uint64_t now_ns = clock_monotonic_ns();

	log_debug("no unwind table of %s: error %d", m ? m->path : "?", -error);
	f->state = FAILED;
	f->failure = failure_of(error);
	t->stats.failed[f->failure]++;
	switch (f->failure) {
	case UNWIND_FAILURE_NO_CFI:
	case UNWIND_FAILURE_BAD:
		f->retry_ns = UINT64_MAX;
		break;
	case UNWIND_FAILURE_OPEN: /* through another process it may be there */
	case UNWIND_FAILURE_ROOM:
		f->retry_ns = now_ns + SOON_RETRY_NS;
		break;
	default:
		f->retry_ns = now_ns + RETRY_NS;
	}
	t->rooms.ready(t->rooms.userdata, module);
}

/* Drops tables that no list names, those unused for longest first, until there
 * is room for so many bytes. False: nothing could be dropped. */
static bool evict(struct unwind_tables *t, uint64_t bytes)
{
	_cleanup_free_ struct unwind_use *uses = calloc(t->files.n ? t->files.n : 1, sizeof(*uses));
	uint64_t dropped = 0;

	if (!uses)
		return false;
	for (uint32_t i = 0; i < t->files.n; i++) {
		const struct file_table *f = get(t, i);
		if (f)
			uses[i] = (struct unwind_use){ f->used_ns, f->n_lists, f->state == WHOLE };
	}
	while (dropped < bytes) {
		uint32_t module = unwind_list_oldest(uses, (uint32_t)t->files.n);
		if (module == UINT32_MAX)
			break;
		struct file_table *f = get(t, module);
		kernel_table_drop(t->rooms.kernel, f->place.table);
		f->place.table = KERNEL_TABLE_NONE;
		f->state = UNASKED;
		uses[module].whole = false;
		dropped += f->bytes;
		t->stats.evicted++;
	}
	return dropped > 0;
}

static struct kernel_table_view view_of(const struct unwind_answer *answer)
{
	const struct unwind_header *h = answer->view.header;

	return (struct kernel_table_view){
		.rows = answer->view.rows,
		.page_index = answer->view.page_index,
		.rules = answer->view.rules,
		.n_rows = h->n_rows,
		.n_pages = h->n_pages,
		.n_rules = h->n_rules,
	};
}

/* Queues an answer for its check and its copy. */
static int take_answer(struct unwind_tables *t, struct file_table *f, uint32_t module,
	struct unwind_answer *answer)
{
	const struct unwind_header *h = answer->view.header;

	free(f->segments);
	f->segments = calloc(h->n_segments ? h->n_segments : 1, sizeof(*f->segments));
	struct copy *c = f->segments ? array_push(&t->copies) : NULL;
	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->n_segments; i++)
		f->segments[i] = h->segments[i];
	f->place.segments = f->segments;
	f->place.n_segments = h->n_segments;
	f->place.vaddr = h->vaddr;
	f->bytes = ((uint64_t)h->n_rows + h->n_pages + 1) * sizeof(uint32_t);
	*c = (struct copy){ .module = module, .table = KERNEL_TABLE_NONE, .answer = *answer };
	*answer = (struct unwind_answer){ 0 };
	f->state = COPYING;
	return 0;
}

static void on_built(void *userdata, uint32_t module, int error, struct unwind_answer *answer)
{
	struct unwind_tables *t = userdata;
	struct file_table *f = get(t, module);

	t->building--;
	t->built_ns = clock_monotonic_ns();
	if (error == 0)
		error = take_answer(t, f, module, answer);
	if (error < 0)
		fail(t, module, error);
	t->rooms.wake(t->rooms.userdata);
}

/* ---- asking ---- */

bool unwind_tables_is_pending(const struct unwind_tables *t, uint32_t module)
{
	const struct file_table *f = get(t, module);
	return f && f->state >= QUEUED && f->state <= COPYING;
}

bool unwind_tables_is_whole(const struct unwind_tables *t, uint32_t module)
{
	const struct file_table *f = get(t, module);
	return f && f->state == WHOLE;
}

bool unwind_tables_is_due(const struct unwind_tables *t, uint32_t module)
{
	const struct file_table *f = get(t, module);
	return f &&
	       (f->state == UNASKED || (f->state == FAILED && clock_monotonic_ns() >= f->retry_ns));
}

bool unwind_tables_want(struct unwind_tables *t, uint32_t module)
{
	const struct module *m = module_table_get(t->rooms.modules, module);
	if (!m || (m->kind != MODULE_FILE && m->kind != MODULE_VDSO))
		return false;
	struct file_table *f = get_or_add(t, module);
	if (!f)
		return false;
	f->used_ns = clock_monotonic_ns();
	if (f->state == FAILED && f->used_ns < f->retry_ns)
		return false;
	if (f->state == UNASKED || f->state == FAILED) {
		uint32_t *place = array_push(&t->queued);
		if (!place)
			return false;
		*place = module;
		f->state = QUEUED;
		t->rooms.wake(t->rooms.userdata);
	}
	return f->state != WHOLE;
}

const struct unwind_place *unwind_tables_place(void *userdata, uint32_t module)
{
	static const struct unwind_place pending = { .table = KERNEL_TABLE_PENDING };
	const struct file_table *f = get(userdata, module);

	if (f && f->state == WHOLE)
		return &f->place;
	/* There would be one, so frame pointers are only a guess there. */
	if (f && f->state == FAILED && f->failure != UNWIND_FAILURE_NO_CFI)
		return &pending;
	return unwind_tables_is_pending(userdata, module) ? &pending : NULL;
}

void unwind_tables_ref(struct unwind_tables *t, uint32_t module)
{
	struct file_table *f = get(t, module);
	f->n_lists++;
	f->used_ns = clock_monotonic_ns();
}

void unwind_tables_unref(struct unwind_tables *t, uint32_t module)
{
	struct file_table *f = get(t, module);
	f->n_lists--;
	f->used_ns = clock_monotonic_ns();
}

/* ---- working ---- */

static void start_builds(struct unwind_tables *t)
{
	while (t->queued.n > 0 && t->building < MAX_BUILDS && t->copies.n < MAX_COPIES) {
		uint32_t module = *ARRAY_AT(&t->queued, uint32_t, --t->queued.n);
		struct module *m = module_table_get(t->rooms.modules, module);

		get(t, module)->state = BUILDING;
		int r = m ? unwind_source_build(t->source, m, on_built, t) : -ENOENT;
		if (r < 0)
			fail(t, module, r);
		else
			t->building++;
	}
}

/* The first answer goes: whole, or failed. */
static void copy_done(struct unwind_tables *t, int error)
{
	struct copy c = *ARRAY_AT(&t->copies, struct copy, 0);
	struct file_table *f = get(t, c.module);

	for (size_t i = 1; i < t->copies.n; i++)
		*ARRAY_AT(&t->copies, struct copy, i - 1) = *ARRAY_AT(&t->copies, struct copy, i);
	t->copies.n--;
	unwind_answer_deinit(&c.answer);
	if (error < 0) {
		if (c.table != KERNEL_TABLE_NONE)
			kernel_table_drop(t->rooms.kernel, c.table);
		fail(t, c.module, error);
		return;
	}
	f->state = WHOLE;
	f->place.table = c.table;
	t->stats.built++;
	t->rooms.ready(t->rooms.userdata, c.module);
}

/* 0, or why it never will; -EAGAIN: not before c->retry_ns. */
static int find_room(struct unwind_tables *t, struct copy *c)
{
	struct kernel_table_view view = view_of(&c->answer);
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns < c->retry_ns)
		return -EAGAIN;
	int r = kernel_table_begin(t->rooms.kernel, &view, &c->table);
	if (r >= 0)
		return 0;
	c->table = KERNEL_TABLE_NONE;
	if (r != -ENOSPC)
		return r;
	/* Every few turns, as the first pieces may not lie together. */
	uint64_t bytes = get(t, c->module)->bytes;
	if (c->tries % 4 == 0 && !evict(t, bytes) &&
		(!t->rooms.make_room(t->rooms.userdata) || !evict(t, bytes)) && c->tries == 0)
		return -ENOSPC;
	if (++c->tries > ROOM_TRIES)
		return -ENOSPC;
	c->retry_ns = now_ns + ROOM_WAIT_NS;
	return -EAGAIN;
}

/* 1: it is whole, 0: call again, -EAGAIN: not before c->retry_ns, or why it never will be. */
static int advance(struct unwind_tables *t, struct copy *c, uint64_t budget_ns)
{
	struct kernel_table_view view = view_of(&c->answer);
	int r;

	if (!c->is_sound) {
		r = kernel_table_check(&view, &c->page, budget_ns);
		c->is_sound = r > 0;
		/* The copy begins with the next call. */
		return r < 0 ? r : 0;
	}
	r = c->table == KERNEL_TABLE_NONE ? find_room(t, c) : 0;
	return r < 0 ? r : kernel_table_copy(t->rooms.kernel, c->table, budget_ns);
}

uint64_t unwind_tables_work(struct unwind_tables *t, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_monotonic_ns(), wait_ns = 0;

	while (t->copies.n > 0 && now_ns < deadline_ns) {
		struct copy *c = ARRAY_AT(&t->copies, struct copy, 0);
		uint64_t began_ns = now_ns;
		int r = advance(t, c, deadline_ns - now_ns);

		if (r == -EAGAIN) {
			wait_ns = c->retry_ns > now_ns ? c->retry_ns - now_ns : 0;
			break;
		}
		now_ns = clock_monotonic_ns();
		t->stats.max_copy_ns = MAX(t->stats.max_copy_ns, now_ns - began_ns);
		if (r != 0)
			copy_done(t, r);
	}
	start_builds(t);
	return t->copies.n > 0 ? wait_ns : UINT64_MAX;
}

void unwind_tables_trim(struct unwind_tables *t)
{
	if (!t->built_ns || t->building > 0 || t->queued.n > 0 ||
		clock_monotonic_ns() - t->built_ns < IDLE_NS)
		return;
	t->built_ns = 0;
	unwind_source_trim(t->source);
}

bool unwind_tables_forget(struct unwind_tables *t, uint32_t module)
{
	struct file_table *f = get(t, module);

	if (!f)
		return true;
	if (f->n_lists > 0 || unwind_tables_is_pending(t, module))
		return false;
	if (f->state == WHOLE)
		kernel_table_drop(t->rooms.kernel, f->place.table);
	file_free(f);
	*ARRAY_AT(&t->files, struct file_table *, module) = NULL;
	return true;
}

void unwind_tables_get_stats(const struct unwind_tables *t, struct unwind_tables_stats *ret)
{
	*ret = t->stats;
	ret->pending = (uint32_t)(t->queued.n + t->copies.n) + t->building;
}

void unwind_tables_get_helper_stats(const struct unwind_tables *t, struct helper_stats *ret)
{
	unwind_source_get_stats(t->source, ret);
}

size_t unwind_tables_bytes(const struct unwind_tables *t)
{
	size_t n = sizeof(*t) + array_bytes(&t->files) + array_bytes(&t->queued);

	for (uint32_t i = 0; i < t->files.n; i++) {
		const struct file_table *f = get(t, i);
		if (f)
			n += sizeof(*f) + f->place.n_segments * sizeof(*f->segments);
	}
	ARRAY_EACH(&t->copies, struct copy, c)
		n += c->answer.map_n;
	return n;
}
