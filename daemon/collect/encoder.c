/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading a snapshot and writing it as a profile; runs in the sandboxed encoder process. Does
 * not decide what is in a profile: the snapshot says it.
 *
 * Trusts nothing: magic, bounds of the sections, every index and text offset are checked before
 * use, and spans that overlap cannot make the work larger than LIMIT_STACK_FRAMES a sample.
 */
#include "collect/encoder.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"
#include "collect/snapshot.h"
#include "profile/build.h"
#include "profile/pprof.h"

#define MAX_TYPES    4U
#define MAX_FRAMES   (2 * LIMIT_STACK_FRAMES)
#define MAX_LINES    (2 * LIMIT_INLINE_DEPTH)
#define MAX_LABELS   12U
#define CACHED_TEXTS 4096U

DEFINE_CLEANUP(struct profile *, profile_free)

struct section {
	const void *data; /* borrowed */
	size_t n;
};

struct encoder {
	struct section sections[SNAPSHOT_SECTIONS];
	struct profile *profile; /* owned */
	struct array mappings;	 /* uint32_t in the profile, by mapping of the snapshot */
	struct array locations;	 /* the same for locations */
	uint32_t key_pid, key_tid, key_thread, key_comm, key_cgroup, key_truncated, key_slot;
	uint32_t key_state, key_syscall, key_waker, key_lock, key_owner;
	uint32_t nanoseconds;
	uint32_t shift[MAX_TYPES]; /* values are in 1 / 2^shift */
	/* The last strings made of text offsets: samples repeat the same few. */
	struct {
		uint32_t offset, string;
	} texts[CACHED_TEXTS];
};

static void encoder_deinit(struct encoder *e)
{
	array_deinit(&e->locations);
	array_deinit(&e->mappings);
	(void)profile_free(e->profile);
}

static int map_sections(struct encoder *e, const void *snapshot, size_t size)
{
	static const size_t sizes[SNAPSHOT_SECTIONS] = {
		[SNAPSHOT_TEXT] = 1,
		[SNAPSHOT_COMMENTS] = sizeof(uint32_t),
		[SNAPSHOT_MAPPINGS] = sizeof(struct snapshot_mapping),
		[SNAPSHOT_LINES] = sizeof(struct snapshot_line),
		[SNAPSHOT_LOCATIONS] = sizeof(struct snapshot_location),
		[SNAPSHOT_FRAMES] = sizeof(uint32_t),
		[SNAPSHOT_SAMPLES] = sizeof(struct snapshot_sample),
	};
	const struct snapshot_header *h = snapshot;

	if (size < sizeof(*h) || h->magic != SNAPSHOT_MAGIC || h->version != SNAPSHOT_VERSION)
		return -EBADMSG;
	for (size_t i = 0; i < SNAPSHOT_SECTIONS; i++) {
		uint64_t offset = h->section[i].offset, n = h->section[i].n;
		if (offset % 8 || offset < sizeof(*h) || offset > size ||
			n > (size - offset) / sizes[i] || n >= UINT32_MAX)
			return -EBADMSG;
		e->sections[i] = (struct section){ (const char *)snapshot + offset, (size_t)n };
	}
	/* The text ends with a NUL, so that every offset in it is a string. */
	const struct section *text = &e->sections[SNAPSHOT_TEXT];
	const char *t = text->data;
	if (!text->n || t[0] || t[text->n - 1])
		return -EBADMSG;
	return 0;
}

/* As it may stand in a profile. What targets call things is any bytes. */
static int utf8_at(const struct encoder *e, uint32_t offset, const char **ret, char **ret_mended)
{
	const struct section *t = &e->sections[SNAPSHOT_TEXT];

	if (offset >= t->n)
		return -EBADMSG;
	*ret = (const char *)t->data + offset;
	if (text_is_utf8(*ret))
		return 0;
	*ret_mended = strdup(*ret);
	if (!*ret_mended)
		return -ENOMEM;
	text_make_utf8(*ret_mended);
	*ret = *ret_mended;
	return 0;
}

static int text(struct encoder *e, uint32_t offset, uint32_t *ret)
{
	uint32_t slot = offset % CACHED_TEXTS;

	if (e->texts[slot].offset != offset) {
		_cleanup_free_ char *mended = NULL;
		const char *s;
		int r = utf8_at(e, offset, &s, &mended);
		if (r >= 0)
			r = profile_add_string(e->profile, s, &e->texts[slot].string);
		if (r < 0)
			return r;
		e->texts[slot].offset = offset;
	}
	*ret = e->texts[slot].string;
	return 0;
}

static const char *text_at(const struct encoder *e, uint32_t offset)
{
	const struct section *t = &e->sections[SNAPSHOT_TEXT];

	return offset < t->n ? (const char *)t->data + offset : NULL;
}

static int build_head(struct encoder *e, const struct snapshot_header *h)
{
	struct profile *p = e->profile;
	int r = 0;

	if (h->n_types == 0 || h->n_types > MAX_TYPES)
		return -EBADMSG;
	for (uint32_t i = 0; i < h->n_types && r >= 0; i++) {
		const char *type = text_at(e, h->type[i]), *unit = text_at(e, h->unit[i]);
		r = type && unit && h->shift[i] <= SNAPSHOT_MAX_SHIFT
			    ? profile_add_type(p, type, unit)
			    : -EBADMSG;
		e->shift[i] = h->shift[i];
	}
	if (r < 0)
		return r;
	const char *type = text_at(e, h->period_type), *unit = text_at(e, h->period_unit);
	r = type && unit ? profile_set_period(p, type, unit, h->period) : -EBADMSG;
	if (r >= 0)
		r = text(e, h->default_type, &p->default_sample_type);
	p->time_nanos = h->time_nanos;
	p->duration_nanos = h->duration_nanos;
	const uint32_t *comments = e->sections[SNAPSHOT_COMMENTS].data;
	for (size_t i = 0; i < e->sections[SNAPSHOT_COMMENTS].n && r >= 0; i++) {
		_cleanup_free_ char *mended = NULL;
		const char *comment;
		r = utf8_at(e, comments[i], &comment, &mended);
		if (r >= 0)
			r = profile_add_comment(p, "%s", comment);
	}
	return r;
}

static int build_keys(struct encoder *e)
{
	const struct {
		const char *text;
		uint32_t *string;
	} keys[] = {
		{ "pid", &e->key_pid },
		{ "tid", &e->key_tid },
		{ "thread", &e->key_thread },
		{ "comm", &e->key_comm },
		{ "cgroup", &e->key_cgroup },
		{ "truncated", &e->key_truncated },
		{ "slot_time", &e->key_slot },
		{ "state", &e->key_state },
		{ "syscall", &e->key_syscall },
		{ "waker", &e->key_waker },
		{ "lock", &e->key_lock },
		{ "owner", &e->key_owner },
		{ "nanoseconds", &e->nanoseconds },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && r >= 0; i++)
		r = profile_add_string(e->profile, keys[i].text, keys[i].string);
	return r;
}

static int build_mappings(struct encoder *e)
{
	const struct snapshot_mapping *in = e->sections[SNAPSHOT_MAPPINGS].data;
	size_t n = e->sections[SNAPSHOT_MAPPINGS].n;
	int r = array_resize(&e->mappings, n);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct profile_mapping m = {
			.start = in[i].start,
			.limit = in[i].limit,
			.offset = in[i].offset,
			.has_functions = in[i].flags & SNAPSHOT_FUNCTIONS,
			.has_filenames = in[i].flags & SNAPSHOT_FILENAMES,
			.has_line_numbers = in[i].flags & SNAPSHOT_LINE_NUMBERS,
			.has_inline_frames = in[i].flags & SNAPSHOT_INLINE_FRAMES,
		};
		r = text(e, in[i].file, &m.file);
		if (r >= 0)
			r = text(e, in[i].build_id, &m.build_id);
		if (r >= 0)
			r = profile_add_mapping(
				e->profile, &m, ARRAY_AT(&e->mappings, uint32_t, i));
	}
	return r;
}

static int build_line(struct encoder *e, const struct snapshot_line *in, struct profile_line *ret)
{
	struct profile_function f = { .start_line = in->start_line };
	struct profile_line line = { .line = in->line };
	int r = text(e, in->name, &f.name);

	if (r >= 0)
		r = text(e, in->system_name, &f.system_name);
	if (r >= 0)
		r = text(e, in->file, &f.file);
	if (r >= 0)
		r = profile_add_function(e->profile, &f, &line.function);
	if (r >= 0)
		*ret = line;
	return r;
}

static int build_location(struct encoder *e, const struct snapshot_location *in, uint32_t *ret)
{
	const struct section *all = &e->sections[SNAPSHOT_LINES];
	const struct snapshot_line *from = all->data;
	struct profile_line lines[MAX_LINES];
	uint32_t mapping = PROFILE_NONE;

	if (in->first_line > all->n || in->n_lines > all->n - in->first_line ||
		in->n_lines > MAX_LINES)
		return -EBADMSG;
	if (in->mapping != UINT32_MAX) {
		if (in->mapping >= e->mappings.n)
			return -EBADMSG;
		mapping = *ARRAY_AT(&e->mappings, uint32_t, in->mapping);
	}
	for (uint32_t i = 0; i < in->n_lines; i++) {
		int r = build_line(e, &from[in->first_line + i], &lines[i]);
		if (r < 0)
			return r;
	}
	return profile_add_location(
		e->profile, in->address, mapping, lines, in->n_lines, false, ret);
}

static int build_locations(struct encoder *e)
{
	const struct snapshot_location *in = e->sections[SNAPSHOT_LOCATIONS].data;
	size_t n = e->sections[SNAPSHOT_LOCATIONS].n;
	int r = array_resize(&e->locations, n);

	for (size_t i = 0; i < n && r >= 0; i++)
		r = build_location(e, &in[i], ARRAY_AT(&e->locations, uint32_t, i));
	return r;
}

static int build_labels(struct encoder *e, const struct snapshot_sample *in, uint32_t *ret)
{
	const struct {
		uint32_t key, offset;
	} texts[] = {
		{ e->key_thread, in->thread },
		{ e->key_comm, in->comm },
		{ e->key_cgroup, in->cgroup },
		{ e->key_truncated, in->truncated },
		{ e->key_state, in->state },
		{ e->key_syscall, in->syscall },
		{ e->key_waker, in->waker },
	};
	struct profile_label labels[MAX_LABELS] = { 0 };
	uint32_t n = 0;

	if (in->pid)
		labels[n++] = (struct profile_label){ .key = e->key_pid, .num = in->pid };
	if (in->tid)
		labels[n++] = (struct profile_label){ .key = e->key_tid, .num = in->tid };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint32_t string;
		int r = text(e, texts[i].offset, &string);
		if (r < 0)
			return r;
		if (string)
			labels[n++] = (struct profile_label){ .key = texts[i].key, .str = string };
	}
	if (in->lock) {
		char address[24];
		struct profile_label *l = &labels[n++];
		snprintf(address, sizeof(address), "0x%" PRIx64, in->lock);
		*l = (struct profile_label){ .key = e->key_lock };
		int r = profile_add_string(e->profile, address, &l->str);
		if (r < 0)
			return r;
	}
	if (in->owner)
		labels[n++] = (struct profile_label){ .key = e->key_owner, .num = in->owner };
	if (in->slot_time_ns)
		labels[n++] = (struct profile_label){ .key = e->key_slot,
			.num_unit = e->nanoseconds,
			.num = (int64_t)MIN(in->slot_time_ns, (uint64_t)INT64_MAX) };
	return profile_add_label_set(e->profile, labels, n, ret);
}

static int build_sample(struct encoder *e, const struct snapshot_sample *in)
{
	const struct section *frames = &e->sections[SNAPSHOT_FRAMES];
	uint32_t locations[MAX_FRAMES], stack, labels;
	int64_t values[MAX_TYPES];

	if (in->first_frame > frames->n || in->n_frames > frames->n - in->first_frame ||
		in->n_frames > MAX_FRAMES)
		return -EBADMSG;
	const uint32_t *from = (const uint32_t *)frames->data + in->first_frame;
	for (uint32_t i = 0; i < in->n_frames; i++) {
		if (from[i] >= e->locations.n)
			return -EBADMSG;
		locations[i] = *ARRAY_AT(&e->locations, uint32_t, from[i]);
	}
	for (uint32_t i = 0; i < MAX_TYPES; i++)
		values[i] = (int64_t)MIN(in->value[i], (uint64_t)INT64_MAX);
	int r = profile_add_stack(e->profile, locations, in->n_frames, &stack);
	if (r >= 0)
		r = build_labels(e, in, &labels);
	if (r >= 0)
		r = profile_add_sample(e->profile, stack, labels, values, true);
	return r;
}

/* n rounded to whole units, with what rounding has left to the samples before of the same stack, so
 * that the sum over a stack is off by half a unit at most, however many labels tell it apart. */
static int64_t rounded(int64_t n, unsigned shift, int64_t *carry)
{
	int64_t half = shift ? INT64_C(1) << (shift - 1) : 0;
	int64_t all, whole;

	if (__builtin_add_overflow(n, *carry, &all) || all > INT64_MAX - half)
		all = INT64_MAX - half;
	whole = (all + half) >> shift;
	*carry = all - whole * (INT64_C(1) << shift);
	return whole;
}

/* Makes whole numbers of the sums; samples of nothing go. */
static int round_values(struct encoder *e)
{
	struct profile *p = e->profile;
	CLEANUP(array_deinit) struct array carries = ARRAY_INIT(int64_t, SIZE_MAX);
	size_t n = profile_n_samples(p), kept = 0, types = p->n_types;
	bool is_whole = true;

	for (size_t t = 0; t < types; t++)
		is_whole &= e->shift[t] == 0;
	if (is_whole)
		return 0;
	int r = array_resize(&carries, p->stacks.n * types);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint32_t stack = *ARRAY_AT(&p->sample_stacks, uint32_t, i);
		uint32_t labels = *ARRAY_AT(&p->sample_labels, uint32_t, i);
		const int64_t *from = ARRAY_AT(&p->values, int64_t, i * types);
		int64_t *to = ARRAY_AT(&p->values, int64_t, kept * types);
		int64_t *carry = ARRAY_AT(&carries, int64_t, stack * types), any = 0;
		for (size_t t = 0; t < types; t++) {
			to[t] = rounded(from[t], e->shift[t], &carry[t]);
			any |= to[t];
		}
		*ARRAY_AT(&p->sample_stacks, uint32_t, kept) = stack;
		*ARRAY_AT(&p->sample_labels, uint32_t, kept) = labels;
		kept += any != 0;
	}
	p->sample_stacks.n = p->sample_labels.n = kept;
	p->values.n = kept * types;
	profile_index_drop(p);
	return 0;
}

int encoder_build(const void *snapshot, size_t n, struct profile **ret)
{
	CLEANUP(encoder_deinit)
	struct encoder e = {
		.mappings = ARRAY_INIT(uint32_t, UINT32_MAX),
		.locations = ARRAY_INIT(uint32_t, UINT32_MAX),
	};
	int r = map_sections(&e, snapshot, n);

	if (r >= 0)
		r = profile_new(&e.profile);
	if (r >= 0)
		r = build_head(&e, snapshot);
	if (r >= 0)
		r = build_keys(&e);
	if (r >= 0)
		r = build_mappings(&e);
	if (r >= 0)
		r = build_locations(&e);
	const struct snapshot_sample *samples = e.sections[SNAPSHOT_SAMPLES].data;
	for (size_t i = 0; r >= 0 && i < e.sections[SNAPSHOT_SAMPLES].n; i++)
		r = build_sample(&e, &samples[i]);
	if (r >= 0)
		r = round_values(&e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e.profile);
	return 0;
}

static int build_from_fd(int fd, struct profile **ret)
{
	size_t n;
	int r = io_regular_size(fd, LIMIT_PROFILE_BYTES, &n);

	if (r < 0)
		return r;
	if (!n)
		return -EBADMSG;
	/* Sealed against shrinking by the daemon, so no access can fail. */
	void *snapshot = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (snapshot == MAP_FAILED)
		return -errno;
	r = encoder_build(snapshot, n, ret);
	(void)munmap(snapshot, n);
	return r;
}

int encoder_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	const uint8_t *level = req;
	uint64_t answer[2];

	(void)reply_fds;
	if (req_n < 1 || *level > 9 || n_fds < 2)
		return -EINVAL;
	int r = build_from_fd(fds[0], &p);
	if (r < 0)
		return r;
	r = pprof_write(p, fds[1], *level);
	if (r < 0)
		return r;
	off_t end = lseek(fds[1], 0, SEEK_CUR);
	if (end < 0)
		return -errno;
	answer[0] = (uint64_t)end;
	answer[1] = profile_n_samples(p);
	memcpy(reply, answer, sizeof(answer));
	*n_reply_fds = 0;
	return sizeof(answer);
}
