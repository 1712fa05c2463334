/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dumps (dump.h): a state machine driven by a deferred event source while there is work, by the
 * symbolizer's and the encoder's answers while there is not. Owns the selection, the image and the
 * memfds until done() has had them.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "collect/dump.h"
#include "collect/image.h"

#define STEP_NS	       (1 * NS_PER_MS)
#define LOCATE_NS      (2500 * NS_PER_MS) /* how long stacks may wait for their process's mappings */
#define LOCATE_POLL_US 5000
#define GZIP_LEVEL     3
#define MAX_RESOLVING  64 /* modules asked for at once */
#define MAX_THREADS    (1U << 20)

enum dump_state {
	DUMP_LOCATING, /* waiting for mappings of new processes */
	DUMP_SELECTING,
	DUMP_GATHERING, /* which offsets of which modules */
	DUMP_RESOLVING, /* the symbolizer works */
	DUMP_WRITING,	/* the image */
	DUMP_ENCODING,	/* the encoder works */
};

struct module_offsets {
	uint32_t module;
	struct array offsets; /* uint64_t */
};

struct dump {
	struct dump_rooms rooms;
	struct dump_request request;
	dump_done_fn done;
	void *userdata;
	enum dump_state state;
	struct dump_thread *threads; /* owned; the request's */
	sd_event_source *step, *timer;
	uint64_t started_ns;
	struct selection selection;
	size_t next_row;
	struct array frame_seen; /* uint8_t by frame */
	struct array modules;	 /* struct module_offsets */
	struct array module_row; /* uint32_t by module: row + 1 */
	unsigned resolving;	 /* answers the symbolizer owes */
	uint64_t encode_job;
	struct image image;
	int out_fd;
	bool dead; /* given up, but the symbolizer still owes `resolving` answers */
};

static void wake(struct dump *d)
{
	(void)sd_event_source_set_enabled(d->step, SD_EVENT_ON);
}

static void sleep_until_woken(struct dump *d)
{
	(void)sd_event_source_set_enabled(d->step, SD_EVENT_OFF);
}

const struct selection *dump_selection(const struct dump *d)
{
	return &d->selection;
}

void dump_left_out(const struct dump *d, struct dump_result *ret)
{
	ret->left_out = d->image.left_out;
	for (unsigned i = 0; i < WAIT_COUNT; i++)
		ret->left_out_ns[i] = d->image.left_out_ns[i] >> SPAN_NS_SHIFT;
}

static void finish(struct dump *d, int error, struct dump_result *result)
{
	dump_done_fn done = d->done;
	void *userdata = d->userdata;
	done(userdata, error, result);
	dump_free(d);
}

static void fail(struct dump *d, int error)
{
	struct dump_result result = {
		.from_ns = d->selection.got_from_ns,
		.until_ns = d->selection.got_until_ns,
		.fd = -1,
	};

	dump_left_out(d, &result);
	finish(d, error, error == -ENODATA ? &result : NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dump *d = userdata;
	(void)source;
	(void)usec;
	wake(d);
	return 0;
}

static int step_locating(struct dump *d)
{
	if (locator_n_pending(aggregate_locator(d->rooms.aggregate)) == 0 ||
		clock_monotonic_ns() > d->started_ns + LOCATE_NS) {
		d->state = DUMP_SELECTING;
		return 0;
	}
	sleep_until_woken(d);
	(void)sd_event_source_set_time_relative(d->timer, LOCATE_POLL_US);
	(void)sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
	return 0;
}

static int step_selecting(struct dump *d)
{
	int r = d->request.type == PROFILE_THREADCREATE
			? selection_threads(&d->selection, d->threads, d->request.n_threads)
			: selection_step(&d->selection, STEP_NS);
	if (r < 0 || !d->selection.done)
		return r;
	if (d->selection.rows.n == 0)
		return -ENODATA;
	d->state = DUMP_GATHERING;
	return 0;
}

static int frame_gather(struct dump *d, uint32_t frame)
{
	if (frame >= d->frame_seen.n) {
		int r = array_resize(
			&d->frame_seen, stack_n_frames(aggregate_stacks(d->rooms.aggregate)));
		if (r < 0)
			return r;
	}
	uint8_t *seen = ARRAY_AT(&d->frame_seen, uint8_t, frame);
	if (*seen)
		return 0;
	*seen = 1;
	const struct frame *f = stack_frame(aggregate_stacks(d->rooms.aggregate), frame);
	if (symbolizer_lookup(d->rooms.symbolizer, f->module, f->offset))
		return 0;
	if (f->module >= d->module_row.n) {
		int r = array_resize(&d->module_row,
			MAX((size_t)f->module + 1, module_table_n(d->rooms.modules)));
		if (r < 0)
			return r;
	}
	uint32_t *row = ARRAY_AT(&d->module_row, uint32_t, f->module);
	if (*row == 0) {
		struct module_offsets *m = array_push(&d->modules);
		if (!m)
			return -ENOMEM;
		m->module = f->module;
		m->offsets = (struct array)ARRAY_INIT(uint64_t, 16U << 20);
		*row = (uint32_t)d->modules.n;
	}
	uint64_t *offset =
		array_push(&ARRAY_AT(&d->modules, struct module_offsets, *row - 1)->offsets);
	if (!offset)
		return -ENOMEM;
	*offset = f->offset;
	return 0;
}

static int row_gather(struct dump *d, const struct selected *row)
{
	struct aggregate *a = d->rooms.aggregate;
	if (row->series == SERIES_NONE)
		return 0;
	uint32_t entry = slots_series(aggregate_slots(a), row->series)->key.entry;
	uint32_t node =
		entry == STACK_NONE ? STACK_NONE : stack_entry(aggregate_stacks(a), entry)->node;
	while (node != STACK_NONE && node != STACK_NODE_ROOT) {
		uint32_t parent, frame = stack_node_frame(aggregate_stacks(a), node, &parent);
		int r = frame_gather(d, frame);
		if (r < 0)
			return r;
		node = parent;
	}
	return 0;
}

/* Does `each` for the rows that are left, within a step's time; true when through. */
static int rows_step(struct dump *d, int (*each)(struct dump *d, const struct selected *row))
{
	uint64_t deadline = clock_monotonic_ns() + STEP_NS;
	while (d->next_row < d->selection.rows.n) {
		int r = each(d, ARRAY_AT(&d->selection.rows, struct selected, d->next_row++));
		if (r < 0)
			return r;
		if (d->next_row % 64 == 0 && clock_monotonic_ns() > deadline)
			return 0;
	}
	d->next_row = 0;
	return 1;
}

static int step_gathering(struct dump *d)
{
	int r = rows_step(d, row_gather);
	if (r <= 0)
		return r;
	d->state = DUMP_RESOLVING;
	return 0;
}

static void on_resolved(void *userdata, int error)
{
	struct dump *d = userdata;

	(void)error; /* a module that could not be read is named as such */
	d->resolving--;
	if (d->dead) {
		if (d->resolving == 0)
			free(d);
		return;
	}
	if (d->resolving == 0)
		wake(d);
}

static int step_resolving(struct dump *d)
{
	if (d->resolving > 0) {
		sleep_until_woken(d);
		return 0;
	}
	if (d->modules.n > 0) {
		struct module_offsets *m =
			ARRAY_AT(&d->modules, struct module_offsets, d->modules.n - 1);
		while (d->resolving < MAX_RESOLVING && d->modules.n > 0) {
			int r = symbolizer_resolve(d->rooms.symbolizer, m->module, m->offsets.data,
				m->offsets.n, on_resolved, d);
			if (r >= 0)
				d->resolving++;
			array_deinit(&m->offsets);
			d->modules.n--;
			m--;
		}
		return 0;
	}
	image_init(&d->image, &d->rooms,
		&(struct image_options){ .type = d->request.type,
			.states = d->request.states,
			.kernel_addresses = d->request.kernel_addresses,
			.wakers = d->request.wakers });
	d->state = DUMP_WRITING;
	return 0;
}

static int row_write(struct dump *d, const struct selected *row)
{
	return image_add(&d->image, row);
}

static void on_encoded(
	void *userdata, int error, const void *reply, size_t n, int *fds, size_t n_fds)
{
	struct dump *d = userdata;
	struct reader r = READER_INIT(reply, n);
	struct dump_result result = {
		.from_ns = d->selection.got_from_ns,
		.until_ns = d->selection.got_until_ns,
		.samples = d->selection.samples,
		.fd = -1,
	};

	(void)fds;
	(void)n_fds;
	d->encode_job = 0;
	dump_left_out(d, &result);
	if (error >= 0) {
		result.bytes = reader_u64(&r);
		error = r.bad ? -EBADMSG : io_memfd_seal(d->out_fd);
	}
	if (error >= 0)
		result.fd = TAKE_FD(d->out_fd);
	finish(d, error < 0 ? error : 0, error < 0 ? NULL : &result);
	close_fd(result.fd);
}

static int add_comments(struct dump *d)
{
	_cleanup_free_ char *text =
		d->request.comments ? d->request.comments(d->request.userdata, d) : NULL;
	for (char *line = text, *end; line && *line; line = end + 1) {
		end = strchrnul(line, '\n');
		int r = image_add_comment(&d->image, line, (size_t)(end - line));
		if (r < 0)
			return r;
		if (!*end)
			break;
	}
	return 0;
}

static int encode(struct dump *d)
{
	uint64_t from = d->selection.got_from_ns, until = d->selection.got_until_ns;
	if (d->image.n_samples == 0)
		return -ENODATA;
	int r = add_comments(d);
	if (r < 0)
		return r;
	/* Samples are of the slots whose middle was asked for, time is all that lies in them. */
	if (d->request.type == PROFILE_CPU) {
		from = MAX(from, d->request.from_ns);
		if (d->request.until_ns)
			until = MIN(until, d->request.until_ns);
	}
	_cleanup_close_ int in = image_finish(&d->image, from, MAX(from, until));
	if (in < 0)
		return in;
	image_deinit(&d->image);
	d->out_fd = io_memfd("profd-profile");
	if (d->out_fd < 0)
		return d->out_fd;
	uint8_t level = GZIP_LEVEL;
	r = helper_pool_submit(d->rooms.encoder, &level, sizeof(level), (int[]){ in, d->out_fd }, 2,
		on_encoded, d, &d->encode_job);
	if (r < 0)
		return r;
	d->state = DUMP_ENCODING;
	sleep_until_woken(d);
	return 0;
}

static int step_writing(struct dump *d)
{
	int r = rows_step(d, row_write);
	return r <= 0 ? r : encode(d);
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct dump *d = userdata;
	int r = 0;

	(void)source;
	switch (d->state) {
	case DUMP_LOCATING:
		r = step_locating(d);
		break;
	case DUMP_SELECTING:
		r = step_selecting(d);
		break;
	case DUMP_GATHERING:
		r = step_gathering(d);
		break;
	case DUMP_RESOLVING:
		r = step_resolving(d);
		break;
	case DUMP_WRITING:
		r = step_writing(d);
		break;
	case DUMP_ENCODING:
		sleep_until_woken(d);
		break;
	}
	if (r < 0)
		fail(d, r);
	return 0;
}

static int threads_copy(struct dump *d)
{
	const struct dump_request *request = &d->request;

	if (request->n_threads == 0)
		return 0;
	d->threads = calloc(request->n_threads, sizeof(*d->threads));
	if (!d->threads)
		return -ENOMEM;
	memcpy(d->threads, request->threads, request->n_threads * sizeof(*d->threads));
	d->request.threads = d->threads;
	return 0;
}

int dump_new(struct dump **ret, const struct dump_rooms *rooms, const struct dump_request *request,
	dump_done_fn done, void *userdata)
{
	if (request->n_threads > MAX_THREADS)
		return -E2BIG;
	struct dump *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->rooms = *rooms;
	d->request = *request;
	d->done = done;
	d->userdata = userdata;
	d->out_fd = -1;
	d->started_ns = clock_monotonic_ns();
	d->frame_seen = (struct array)ARRAY_INIT(uint8_t, 64U << 20);
	d->modules = (struct array)ARRAY_INIT(struct module_offsets, LIMIT_MODULES);
	d->module_row = (struct array)ARRAY_INIT(uint32_t, LIMIT_MODULES);
	selection_init(&d->selection, rooms->aggregate, request->type, request->from_ns,
		request->until_ns, request->slots, request->matches, request->userdata);
	int r = threads_copy(d);
	if (r >= 0)
		r = sd_event_add_defer(rooms->event, &d->step, on_step, d);
	if (r >= 0)
		r = sd_event_add_time_relative(
			rooms->event, &d->timer, CLOCK_MONOTONIC, 0, 0, on_timer, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(d->step, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->step, SD_EVENT_ON);
	if (r < 0) {
		dump_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct dump *dump_free(struct dump *d)
{
	if (!d)
		return NULL;
	if (d->encode_job)
		helper_pool_cancel(d->rooms.encoder, d->encode_job);
	sd_event_source_disable_unref(d->timer);
	sd_event_source_disable_unref(d->step);
	image_deinit(&d->image);
	d->out_fd = close_fd(d->out_fd);
	ARRAY_EACH(&d->modules, struct module_offsets, m)
		array_deinit(&m->offsets);
	array_deinit(&d->modules);
	array_deinit(&d->module_row);
	array_deinit(&d->frame_seen);
	selection_deinit(&d->selection);
	free(d->threads);
	d->dead = true;
	if (d->resolving == 0)
		free(d);
	return NULL;
}
