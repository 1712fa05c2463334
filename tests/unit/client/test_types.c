/* SPDX-License-Identifier: Apache-2.0 */
/* Profile types, thresholds and states: how they are asked for, and what is written. */
#include "fake_daemon.h"
#include "client/output.h"
#include "client/wait_args.h"

static int setup(void **state)
{
	*state = fake_new();
	fake_start(*state);
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void every_type_of_the_table_can_be_asked_for(void **state)
{
	struct fake *f = *state;

	for (const char *const *type = profile_type_names(); *type; type++) {
		char file[64];
		struct run r;

		assert_int_equal(RUN(&r, "dump", "--type", *type), 0);
		assert_string_equal(f->type, *type);
		assert_string_equal(f->states, "");
		run_free(&r);
		assert_int_equal(RUN(&r, "attach", "-a", "--type", *type, "-d", "10ms"), 0);
		assert_string_equal(f->types, *type);
		snprintf(file, sizeof(file), "%s.all.pb.gz", *type);
		assert_true(there(file));
		run_free(&r);
	}
}

static void several_types_are_attached_at_once_and_written_each(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(
		RUN(&r, "record", "--type", "cpu,block", "--type=block,wall", "--", "true"), 0);
	assert_string_equal(f->types, "cpu,block,wall");
	assert_int_equal(f->n_attach, 1);
	assert_int_equal(f->n_dump, 3);
	assert_true(
		there("cpu.true.pb.gz") && there("block.true.pb.gz") && there("wall.true.pb.gz"));
	assert_non_null(strstr(r.err, "wrote ./block.true.pb.gz"));
	run_free(&r);
	assert_int_equal(
		RUN(&r, "record", "--type", "cpu,block", "-o", "%c.folded", "--", "true"), 0);
	assert_true(there("true.cpu.folded") && there("true.block.folded"));
	assert_false(there("true.folded"));
	run_free(&r);
	assert_int_equal(
		RUN(&r, "attach", "-a", "--type", "mutex,runq", "-o", "x", "-d", "10ms"), 0);
	assert_true(there("x.mutex") && there("x.runq"));
	run_free(&r);
	assert_int_equal(
		RUN(&r, "attach", "-a", "--type", "mutex,runq", "-o", "-", "-d", "10ms"), 2);
	assert_one_line(&r, "standard output has room for one profile");
	run_free(&r);
}

static void an_empty_one_of_several_is_no_failure(void **state)
{
	struct fake *f = *state;
	struct run r;

	strcpy(f->empty_type, "mutex");
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "mutex,block", "-d", "10ms"), 0);
	assert_non_null(strstr(r.err, "note: nothing waited\n"));
	assert_true(there("block.all.pb.gz"));
	assert_false(there("mutex.all.pb.gz"));
	run_free(&r);
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "block,mutex", "-d", "10ms"), 0);
	run_free(&r);
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "mutex", "-d", "10ms"), EXIT_CODE_EMPTY);
	assert_non_null(strstr(r.err, "profctl: nothing waited\n"));
	run_free(&r);
}

static void record_leaves_an_attachment_that_was_there(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->updated = true;
	assert_int_equal(RUN(&r, "record", "-a", "-d", "10ms"), 0);
	assert_int_equal(f->n_detach, 0);
	run_free(&r);
	f->updated = false;
	assert_int_equal(RUN(&r, "record", "-a", "-d", "10ms"), 0);
	assert_int_equal(f->n_detach, 1);
	run_free(&r);
}

static void attach_says_how_to_dump_each_type(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->no_rate = true;
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "block,mutex"), 0);
	assert_non_null(strstr(r.out, ", all waits of 10us and longer, 1 process\n"));
	assert_non_null(strstr(r.out, "profctl dump --type block --all\n"));
	assert_non_null(strstr(r.out, "profctl dump --type mutex --all\n"));
	assert_null(strstr(r.out, "Hz"));
	run_free(&r);
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "block", "--threshold", "0"), 0);
	assert_non_null(strstr(r.out, ", every wait, 1 process\n"));
	run_free(&r);
}

static void a_threshold_of_nothing_is_not_the_default(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "attach", "-a", "--type", "block"), 0);
	assert_int_equal(f->threshold_ns, 0);
	assert_false(f->threshold_all);
	run_free(&r);
	assert_int_equal(RUN(&r, "attach", "-a", "--type", "block", "--threshold", "0"), 0);
	assert_int_equal(f->threshold_ns, 0);
	assert_true(f->threshold_all);
	run_free(&r);
	assert_int_equal(
		RUN(&r, "record", "-a", "--type", "wall", "--threshold", "1.5ms", "-d", "10ms"), 0);
	run_free(&r);
	assert_int_equal(
		RUN(&r, "dump", "--type", "block", "--seconds", "1", "--threshold=50us"), 0);
	assert_int_equal(f->threshold_ns, 50000);
	assert_false(f->threshold_all);
	run_free(&r);
}

static void states_are_sent_for_what_has_states(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "dump", "--type", "block", "--state", "mutex,io_uring", "--state",
				 "pool-idle,mutex"),
		0);
	assert_string_equal(f->states, "mutex,io_uring,pool-idle");
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "--type", "wall", "--state", "all"), 0);
	assert_string_equal(f->states, "all");
	run_free(&r);
	/* The last dump is that of the last type. */
	assert_int_equal(
		RUN(&r, "record", "-a", "--type", "block,cpu", "--state", "all", "-d", "10ms"), 0);
	assert_string_equal(f->type, "cpu");
	assert_string_equal(f->states, "");
	run_free(&r);
}

static void words_that_do_not_fit_are_refused(void **state)
{
	struct fake *f = *state;
	static const struct {
		const char *words[6];
		const char *part;
	} cases[] = {
		{ { "dump", "--type", "blok" }, "did you mean 'block'" },
		{ { "dump", "--type", "heap" }, "cpu, block, mutex, runq, offcpu, wall" },
		{ { "dump", "--type", "cpu,block" }, "not cpu and block" },
		{ { "top", "--type", "cpu,block" }, "not cpu and block" },
		{ { "attach", "-a", "--type", "cpu,,block" }, "''" },
		{ { "dump", "--type", "block", "--state", "mutx" }, "did you mean 'mutex'" },
		{ { "dump", "--type", "block", "--state", "all,none" }, "'none'" },
		{ { "dump", "--state", "mutex" }, "--state is about waiting" },
		{ { "dump", "--type=threadcreate", "--state=all" }, "--state is about waiting" },
		{ { "record", "-a", "--threshold", "1ms" }, "--threshold is about waiting" },
		{ { "attach", "-a", "--type=block", "--threshold=-1us" }, "'-1us'" },
		{ { "attach", "-a", "--type=block", "--threshold=11s" }, "'11s'" },
		{ { "attach", "-a", "--type=block", "--threshold", "often" }, "'often'" },
		{ { "dump", "--type=block", "--threshold=1ms" }, "--threshold needs --seconds" },
		{ { "attach", "-a", "--type=block", "-F99" }, "--freq is about CPU time" },
		{ { "attach", "-a", "--type=mutex", "--event=x" }, "--event is about CPU time" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const *w = cases[i].words;
		struct run r;

		assert_int_equal(RUN(&r, w[0], w[1], w[2], w[3], w[4], w[5]), EXIT_CODE_USAGE);
		assert_one_line(&r, cases[i].part);
		run_free(&r);
	}
	assert_int_equal(f->n_connections, 0);
}

static void a_type_goes_in_front_of_the_suffix(void **state)
{
	static const char *const names[][2] = {
		{ "x.pb.gz", "x.runq.pb.gz" },
		{ "a/b.c/x.speedscope.json", "a/b.c/x.runq.speedscope.json" },
		{ "x", "x.runq" },
		{ ".json", ".json.runq" },
		{ "x.gz", "x.gz.runq" },
		{ "/dev/null", "/dev/null" },
	};
	struct error error = ERROR_INIT;
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(output_add_type(names[i][0], "runq", buf, sizeof(buf), &error), 0);
		assert_string_equal(buf, names[i][1]);
	}
	assert_int_equal(output_add_type("x.pb.gz", "runq", buf, 12, &error), -ENAMETOOLONG);
	assert_int_equal(output_add_type("x.pb.gz", "runq", buf, 13, &error), 0);
}

static void ps_shows_what_is_collected(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->no_rate = true;
	assert_int_equal(RUN(&r, "ps"), 0);
	assert_non_null(strstr(r.out, "HZ  WAITS  EVENT  OWNER"));
	assert_non_null(strstr(r.out, " -   10us  -      "));
	run_free(&r);
	assert_int_equal(RUN(&r, "ps", "--json"), 0);
	assert_non_null(strstr(r.out, "\"threshold_ns\": 10000"));
	run_free(&r);
	f->no_rate = false;
	assert_int_equal(RUN(&r, "ps", "--json"), 0);
	assert_non_null(strstr(r.out, "\"threshold_ns\": null"));
	run_free(&r);
}

static void status_shows_what_happens_without_a_rate(void **state)
{
	struct run r;
	const char *waits;

	(void)state;
	assert_int_equal(RUN(&r, "status"), 0);
	assert_non_null(strstr(r.out, "\nevent cpu-clock at 99 Hz\n"));
	assert_non_null(strstr(r.out, "the CPU was idle"));
	waits = strstr(r.out, "\nwaits\n");
	assert_non_null(waits);
	assert_null(strstr(r.out, " 0 Hz"));
	assert_non_null(strstr(waits, "12  times that it happened\n"));
	assert_non_null(strstr(waits, "nobody's target, or short and not kept by its length\n"));
	assert_null(strstr(waits, "the CPU was idle"));
	assert_null(strstr(waits, "ticks"));
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(every_type_of_the_table_can_be_asked_for),
		TEST(several_types_are_attached_at_once_and_written_each),
		TEST(an_empty_one_of_several_is_no_failure),
		TEST(record_leaves_an_attachment_that_was_there),
		TEST(attach_says_how_to_dump_each_type),
		TEST(a_threshold_of_nothing_is_not_the_default),
		TEST(states_are_sent_for_what_has_states),
		TEST(words_that_do_not_fit_are_refused),
		TEST(a_type_goes_in_front_of_the_suffix),
		TEST(ps_shows_what_is_collected),
		TEST(status_shows_what_happens_without_a_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
