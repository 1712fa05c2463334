/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot becomes the profile that it says; one that lies is refused, whatever it lies about. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "collect/encoder.h"
#include "collect/snapshot.h"
#include "profile/pprof.h"

struct image {
	struct snapshot_header h;
	struct writer sections[SNAPSHOT_SECTIONS];
	struct writer all;
};

static const size_t sizes[SNAPSHOT_SECTIONS] = { 1, sizeof(uint32_t),
	sizeof(struct snapshot_mapping), sizeof(struct snapshot_line),
	sizeof(struct snapshot_location), sizeof(uint32_t), sizeof(struct snapshot_sample) };

static uint32_t text(struct image *i, const char *t)
{
	uint32_t at = (uint32_t)i->sections[SNAPSHOT_TEXT].n;

	writer_put(&i->sections[SNAPSHOT_TEXT], t, strlen(t) + 1);
	return at;
}

#define PUT(i, section, ...) writer_put(&(i)->sections[section], &(__VA_ARGS__), sizes[section])

/* Two functions, two locations, three samples of which two are of equal stack and labels. */
static void image_init(struct image *i)
{
	*i = (struct image){ .h = { .magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION } };
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++)
		i->sections[s].max = 1 << 20;
	i->all.max = 1 << 20;
	(void)text(i, "");
	i->h.n_types = 2;
	i->h.type[0] = text(i, "samples");
	i->h.unit[0] = text(i, "count");
	i->h.type[1] = i->h.period_type = text(i, "cpu");
	i->h.unit[1] = i->h.period_unit = text(i, "nanoseconds");
	i->h.period = 10101010;
	i->h.time_nanos = 1700000000000000000;
	i->h.duration_nanos = 2000000000;
	writer_u32(&i->sections[SNAPSHOT_COMMENTS], text(i, "100% of 99 Hz"));
	PUT(i, SNAPSHOT_MAPPINGS,
		(struct snapshot_mapping){ .start = 0x1000,
			.limit = 0x9000,
			.offset = 0x1000,
			.file = text(i, "/bin/a"),
			.build_id = text(i, "beef"),
			.flags = 5 });
	uint32_t outer = text(i, "outer");
	PUT(i, SNAPSHOT_LINES,
		(struct snapshot_line){ .name = text(i, "in()"),
			.system_name = text(i, "_Zinv"),
			.file = text(i, "a.cc"),
			.line = 7,
			.start_line = 5 });
	PUT(i, SNAPSHOT_LINES, (struct snapshot_line){ .name = outer, .system_name = outer });
	PUT(i, SNAPSHOT_LOCATIONS, (struct snapshot_location){ .address = 0x1234, .n_lines = 2 });
	PUT(i, SNAPSHOT_LOCATIONS,
		(struct snapshot_location){
			.address = 0x2000, .mapping = UINT32_MAX, .first_line = 1, .n_lines = 1 });
	for (uint32_t f = 0; f < 3; f++)
		writer_u32(&i->sections[SNAPSHOT_FRAMES], f % 2);
	struct snapshot_sample s = { .value = { 1, 100 },
		.n_frames = 2,
		.pid = 11,
		.tid = 12,
		.thread = text(i, "worker"),
		.comm = text(i, "a"),
		.cgroup = text(i, "/x.slice"),
		.slot_time_ns = 1700000000000000000 };
	PUT(i, SNAPSHOT_SAMPLES, s);
	s.thread = text(i, "worker"); /* the same text at another offset */
	s.value[0] = 2;
	PUT(i, SNAPSHOT_SAMPLES, s);
	s = (struct snapshot_sample){ .value = { 5, UINT64_MAX },
		.first_frame = 2,
		.n_frames = 1,
		.truncated = text(i, "depth") };
	PUT(i, SNAPSHOT_SAMPLES, s);
}

static void image_deinit(struct image *i)
{
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++)
		writer_deinit(&i->sections[s]);
	writer_deinit(&i->all);
}

static void image_finish(struct image *i)
{
	uint64_t at = sizeof(i->h);

	i->all.n = 0;
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++) {
		i->h.section[s].offset = at;
		i->h.section[s].n = i->sections[s].n / sizes[s];
		at += (i->sections[s].n + 7) & ~UINT64_C(7);
	}
	writer_put(&i->all, &i->h, sizeof(i->h));
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++) {
		writer_put(&i->all, i->sections[s].data, i->sections[s].n);
		while (i->all.n % 8)
			writer_u8(&i->all, 0);
	}
}

static void image_to_fd(const struct image *i, int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, i->all.data, i->all.n), 0);
	assert_int_equal(io_memfd_seal(fd), 0);
}

static const struct profile_label *label(const struct profile *p, size_t sample, const char *key)
{
	uint32_t n;
	const struct profile_label *l =
		profile_label_set(p, *ARRAY_AT(&p->sample_labels, uint32_t, sample), &n);

	for (uint32_t k = 0; k < n; k++)
		if (!strcmp(profile_text(p, l[k].key), key))
			return &l[k];
	return NULL;
}

static void a_snapshot_becomes_its_profile(void **state)
{
	CLEANUP(image_deinit) struct image i;
	_cleanup_close_ int in = io_memfd("in"), out = io_memfd("out");
	const uint8_t level = 6;
	uint64_t reply[2];
	int reply_fds[8];
	size_t n_reply_fds = 8;
	struct error e = ERROR_INIT;
	struct profile *p;
	uint32_t n;

	(void)state;
	image_init(&i);
	image_finish(&i);
	image_to_fd(&i, in);
	assert_int_equal(
		encoder_serve(&level, 1, (int[]){ in, out }, 2, reply, reply_fds, &n_reply_fds),
		sizeof(reply));
	assert_int_equal(n_reply_fds, 0);
	assert_int_equal(reply[0], lseek(out, 0, SEEK_END));
	assert_int_equal(reply[1], 2);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	if (pprof_read(out, &p, &e) < 0)
		fail_msg("%s", e.text);

	assert_int_equal(p->n_types, 2);
	assert_string_equal(profile_text(p, p->types[1].type), "cpu");
	assert_string_equal(profile_text(p, p->period_type.unit), "nanoseconds");
	assert_true(p->period == 10101010 && p->time_nanos == 1700000000000000000 &&
		    p->duration_nanos == 2000000000);
	assert_string_equal(profile_text(p, *ARRAY_AT(&p->comments, uint32_t, 0)), "100% of 99 Hz");
	const struct profile_mapping *m = p->mappings.data;
	assert_true(m->start == 0x1000 && m->limit == 0x9000 && m->offset == 0x1000);
	assert_string_equal(profile_text(p, m->file), "/bin/a");
	assert_string_equal(profile_text(p, m->build_id), "beef");
	assert_true(m->has_functions && !m->has_filenames && m->has_line_numbers &&
		    !m->has_inline_frames);

	assert_int_equal(profile_n_samples(p), 2);
	assert_true(profile_values(p, 0)[0] == 3 && profile_values(p, 0)[1] == 200);
	assert_true(profile_values(p, 1)[1] == INT64_MAX);
	const uint32_t *s = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, 0), &n);
	assert_int_equal(n, 2);
	const struct profile_location *l = ARRAY_AT(&p->locations, struct profile_location, s[0]);
	assert_true(l->address == 0x1234 && l->mapping == 0 && l->n_lines == 2);
	const struct profile_line *line = profile_lines(p, s[0], &n);
	const struct profile_function *f =
		ARRAY_AT(&p->functions, struct profile_function, line->function);
	assert_string_equal(profile_text(p, f->name), "in()");
	assert_string_equal(profile_text(p, f->system_name), "_Zinv");
	assert_true(line->line == 7 && f->start_line == 5);
	assert_int_equal(
		ARRAY_AT(&p->locations, struct profile_location, s[1])->mapping, PROFILE_NONE);

	assert_int_equal(label(p, 0, "pid")->num, 11);
	assert_int_equal(label(p, 0, "tid")->num, 12);
	assert_string_equal(profile_text(p, label(p, 0, "thread")->str), "worker");
	assert_string_equal(profile_text(p, label(p, 0, "comm")->str), "a");
	assert_string_equal(profile_text(p, label(p, 0, "cgroup")->str), "/x.slice");
	assert_true(label(p, 0, "slot_time")->num == 1700000000000000000);
	assert_string_equal(profile_text(p, label(p, 0, "slot_time")->num_unit), "nanoseconds");
	assert_null(label(p, 0, "truncated"));
	assert_string_equal(profile_text(p, label(p, 1, "truncated")->str), "depth");
	assert_null(label(p, 1, "pid"));
	assert_null(label(p, 1, "slot_time"));
	profile_free(p);
}

static void a_request_that_is_none_is_refused(void **state)
{
	_cleanup_close_ int in = io_memfd("in"), out = io_memfd("out");
	uint8_t level = 10, reply[64];
	int fds[8];
	size_t n = 8;

	(void)state;
	assert_int_equal(encoder_serve(&level, 1, (int[]){ in, out }, 2, reply, fds, &n), -EINVAL);
	level = 1;
	assert_int_equal(encoder_serve(&level, 0, (int[]){ in, out }, 2, reply, fds, &n), -EINVAL);
	assert_int_equal(encoder_serve(&level, 1, &in, 1, reply, fds, &n), -EINVAL);
	/* An empty snapshot, and one that is no file. */
	assert_int_equal(encoder_serve(&level, 1, (int[]){ in, out }, 2, reply, fds, &n), -EBADMSG);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(
		encoder_serve(&level, 1, (int[]){ pipes[0], out }, 2, reply, fds, &n), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
}

static int build(struct image *i)
{
	struct profile *p = NULL;

	image_finish(i);
	int r = encoder_build(i->all.data, i->all.n, &p);
	assert_int_equal(r == 0, p != NULL);
	profile_free(p);
	return r;
}

static void every_index_is_checked(void **state)
{
	(void)state;
	/* Each lie is told in a fresh image. */
	for (int lie = 0;; lie++) {
		CLEANUP(image_deinit) struct image i;
		image_init(&i);
		struct snapshot_mapping *mapping = (void *)i.sections[SNAPSHOT_MAPPINGS].data;
		struct snapshot_line *line = (void *)i.sections[SNAPSHOT_LINES].data;
		struct snapshot_location *location = (void *)i.sections[SNAPSHOT_LOCATIONS].data;
		struct snapshot_sample *sample = (void *)i.sections[SNAPSHOT_SAMPLES].data;
		uint32_t *lies[] = { NULL, &i.h.magic, &i.h.version, &i.h.type[0], &i.h.unit[1],
			&i.h.n_types, &i.h.period_type, &i.h.period_unit, &i.h.default_type,
			(void *)i.sections[SNAPSHOT_COMMENTS].data, &mapping->file,
			&mapping->build_id, &line->name, &line->system_name, &line->file,
			&location->first_line, &location->n_lines,
			(void *)i.sections[SNAPSHOT_FRAMES].data, &sample->n_frames,
			&sample->thread, &sample->comm, &sample->cgroup, &sample->truncated,
			&sample->state, &sample->syscall, &sample->waker, &i.h.shift[1] };
		if (lie == ARRAY_SIZE(lies))
			break;
		if (lies[lie])
			*lies[lie] = UINT32_MAX;
		assert_int_equal(build(&i), lies[lie] ? -EBADMSG : 0);
		if (!lies[lie])
			continue;
		/* A little behind the end instead of far away. */
		*lies[lie] = (uint32_t)i.sections[SNAPSHOT_TEXT].n + 8;
		assert_int_equal(build(&i), -EBADMSG);
	}
	CLEANUP(image_deinit) struct image i;
	image_init(&i);
	((struct snapshot_sample *)(void *)i.sections[SNAPSHOT_SAMPLES].data)->first_frame =
		UINT64_MAX;
	assert_int_equal(build(&i), -EBADMSG);
	image_deinit(&i);
	image_init(&i);
	((struct snapshot_location *)(void *)i.sections[SNAPSHOT_LOCATIONS].data)->mapping = 1;
	assert_int_equal(build(&i), -EBADMSG);
	image_deinit(&i);
	image_init(&i);
	i.h.n_types = 0;
	assert_int_equal(build(&i), -EBADMSG);
}

/* A sample of a stack of its own labels, in fractions of 1/4. */
static void add_quarters(struct image *i, uint32_t tid, uint64_t first, uint64_t second)
{
	PUT(i, SNAPSHOT_SAMPLES,
		(struct snapshot_sample){
			.value = { first, second }, .first_frame = 2, .n_frames = 1, .tid = tid });
}

static void fractions_are_rounded_when_equal_samples_are_summed(void **state)
{
	CLEANUP(image_deinit) struct image i;
	struct profile *p;

	(void)state;
	image_init(&i);
	i.sections[SNAPSHOT_SAMPLES].n = 0;
	i.h.shift[0] = 2;
	for (unsigned k = 0; k < 6; k++)
		add_quarters(&i, 1, 1, 10); /* 1.5 together */
	for (uint32_t tid = 2; tid < 10; tid++)
		add_quarters(&i, tid, 1, 0); /* a quarter each, 2 of the path */
	add_quarters(&i, 10, UINT64_MAX, 0);
	image_finish(&i);
	assert_int_equal(encoder_build(i.all.data, i.all.n, &p), 0);
	assert_int_equal(profile_values(p, 0)[0], 2);
	assert_int_equal(profile_values(p, 0)[1], 60);
	int64_t sum = 0;
	size_t n = profile_n_samples(p);
	for (size_t s = 0; s + 1 < n; s++) {
		assert_true(profile_values(p, s)[0] || profile_values(p, s)[1]);
		sum += profile_values(p, s)[0];
	}
	assert_true(sum == 3 || sum == 4); /* of 3.5 */
	assert_in_range(n, 4, 5);
	assert_int_equal(profile_values(p, n - 1)[0], INT64_MAX / 4);
	assert_int_equal(label(p, n - 1, "tid")->num, 10);
	profile_free(p);
}

static void labels_of_waits_are_texts_and_numbers(void **state)
{
	CLEANUP(image_deinit) struct image i;
	struct profile *p;

	(void)state;
	image_init(&i);
	struct snapshot_sample s = { .value = { 7 },
		.n_frames = 1,
		.state = text(&i, "mutex"),
		.syscall = text(&i, "futex"),
		.waker = text(&i, "irq:7"),
		.lock = 0x7fffdeadbee8,
		.owner = 42 };
	PUT(&i, SNAPSHOT_SAMPLES, s);
	image_finish(&i);
	assert_int_equal(encoder_build(i.all.data, i.all.n, &p), 0);
	assert_string_equal(profile_text(p, label(p, 2, "state")->str), "mutex");
	assert_string_equal(profile_text(p, label(p, 2, "syscall")->str), "futex");
	assert_string_equal(profile_text(p, label(p, 2, "waker")->str), "irq:7");
	assert_string_equal(profile_text(p, label(p, 2, "lock")->str), "0x7fffdeadbee8");
	assert_int_equal(label(p, 2, "owner")->num, 42);
	assert_null(label(p, 0, "state"));
	assert_null(label(p, 0, "lock"));
	assert_null(label(p, 0, "owner"));
	profile_free(p);
}

static void text_without_an_end_is_refused(void **state)
{
	CLEANUP(image_deinit) struct image i;

	(void)state;
	image_init(&i);
	i.sections[SNAPSHOT_TEXT].data[i.sections[SNAPSHOT_TEXT].n - 1] = 'x';
	assert_int_equal(build(&i), -EBADMSG);
	i.sections[SNAPSHOT_TEXT].data[i.sections[SNAPSHOT_TEXT].n - 1] = '\0';
	i.sections[SNAPSHOT_TEXT].data[0] = 'x';
	assert_int_equal(build(&i), -EBADMSG);
	i.sections[SNAPSHOT_TEXT].n = 0;
	assert_int_equal(build(&i), -EBADMSG);
}

static void sections_lie_inside_of_the_image(void **state)
{
	CLEANUP(image_deinit) struct image i;

	(void)state;
	image_init(&i);
	image_finish(&i);
	for (size_t s = 0; s < SNAPSHOT_SECTIONS; s++) {
		const uint64_t offsets[] = { 0, 4, sizeof(i.h) + 4, i.all.n + 8,
			UINT64_MAX & ~7ULL };
		const uint64_t counts[] = { i.all.n, UINT32_MAX, UINT64_MAX,
			UINT64_MAX / sizes[s] };
		struct snapshot_header *h = (void *)i.all.data;
		struct profile *p;
		for (size_t k = 0; k < ARRAY_SIZE(offsets); k++) {
			h->section[s].offset = offsets[k];
			assert_int_equal(encoder_build(h, i.all.n, &p), -EBADMSG);
		}
		h->section[s] = i.h.section[s];
		for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
			h->section[s].n = counts[k];
			assert_int_equal(encoder_build(h, i.all.n, &p), -EBADMSG);
		}
		h->section[s] = i.h.section[s];
	}
}

static void an_image_cut_anywhere_is_refused(void **state)
{
	CLEANUP(image_deinit) struct image i;

	(void)state;
	image_init(&i);
	image_finish(&i);
	for (size_t cut = 0; cut < i.all.n - 8; cut++) {
		/* A copy, so that reading behind the end is seen. */
		_cleanup_free_ void *part = malloc(cut ?: 1);
		struct profile *p;
		memcpy(part, i.all.data, cut);
		assert_int_equal(encoder_build(part, cut, &p), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_becomes_its_profile),
		cmocka_unit_test(a_request_that_is_none_is_refused),
		cmocka_unit_test(every_index_is_checked),
		cmocka_unit_test(fractions_are_rounded_when_equal_samples_are_summed),
		cmocka_unit_test(labels_of_waits_are_texts_and_numbers),
		cmocka_unit_test(text_without_an_end_is_refused),
		cmocka_unit_test(sections_lie_inside_of_the_image),
		cmocka_unit_test(an_image_cut_anywhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
