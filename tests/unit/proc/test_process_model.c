/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table against a model that is too simple to be wrong: it takes a random story's
 * events in the order of time and replays them page by page.
 */
#include "process_fixture.h"

enum { PAGES = 24, PIDS = 4, EVENTS = 60, FILES = 6 };
enum event_kind { EVENT_MAP, EVENT_EXEC, EVENT_FORK, EVENT_EXIT };

struct event {
	enum event_kind kind;
	uint32_t pid, ppid;
	uint64_t start, end, inode, offset, time;
};

/* What page maps to: the file, and the page of the file that is at page 0 of the address space. */
struct model_page {
	uint64_t inode;
	int64_t bias;
};
struct model {
	bool alive[PIDS + 1];
	struct model_page pages[PIDS + 1][PAGES];
};

static void model_apply(struct model *m, const struct event *e)
{
	switch (e->kind) {
	case EVENT_MAP:
		for (uint64_t i = e->start; i < e->end; i++)
			m->pages[e->pid][i] = (struct model_page){ e->inode,
				(int64_t)e->offset - (int64_t)e->start };
		break;
	case EVENT_EXEC:
		memset(m->pages[e->pid], 0, sizeof(m->pages[e->pid]));
		break;
	case EVENT_FORK:
		m->alive[e->pid] = true;
		memcpy(m->pages[e->pid], m->pages[e->ppid], sizeof(m->pages[0]));
		break;
	case EVENT_EXIT:
		m->alive[e->pid] = false;
		break;
	}
}

static uint64_t random_state;
static uint64_t rnd(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

/* A story that can happen: pid 1 lives throughout; times are 10 ms apart in seconds' steps on
 * reuse. */
static void make_story(struct event *events)
{
	bool alive[PIDS + 1] = { [1] = true };
	uint64_t time = 10 * SEC;

	for (size_t i = 0; i < EVENTS; i++) {
		struct event *e = &events[i];
		uint32_t pid = 1 + (uint32_t)rnd(PIDS);

		time += 1 + rnd(3);
		*e = (struct event){ .pid = pid, .time = time };
		if (!alive[pid]) {
			do
				e->ppid = 1 + (uint32_t)rnd(PIDS);
			while (!alive[e->ppid]);
			e->kind = EVENT_FORK;
			alive[pid] = true;
		} else if (pid != 1 && rnd(8) == 0) {
			e->kind = EVENT_EXIT;
			alive[pid] = false;
			time += 2 * SEC;
		} else if (rnd(10) == 0) {
			e->kind = EVENT_EXEC;
		} else {
			e->kind = EVENT_MAP;
			e->start = rnd(PAGES - 1);
			e->end = e->start + 1 + rnd(MIN((uint64_t)8, PAGES - e->start));
			e->inode = 1 + rnd(FILES);
			/* No two alike: what is told again is not news. */
			e->offset = 100 * i;
		}
	}
}

static void tell(const struct event *e)
{
	switch (e->kind) {
	case EVENT_MAP:
		map(e->pid, (e->start + 1) << 12, (e->end + 1) << 12, e->offset << 12, e->inode,
			e->time);
		break;
	case EVENT_EXEC:
		exec_at(e->pid, e->time);
		break;
	case EVENT_FORK:
		fork_at(e->pid, e->ppid, e->time);
		break;
	case EVENT_EXIT:
		exit_at(e->pid, e->time);
		break;
	}
}

static void compare(const struct model *m, uint64_t time, uint64_t seed)
{
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		for (uint64_t page = 0; m->alive[pid] && page < PAGES; page++) {
			const struct model_page *want = &m->pages[pid][page];
			uint64_t offset = 0;
			uint64_t got = inode_at(pid, (page + 1) << 12, time, &offset);

			if (got != want->inode ||
				(got != 0 && offset != (uint64_t)((int64_t)page + want->bias)
							       << 12))
				fail_msg("seed %" PRIu64 " pid %u page %" PRIu64 " time %" PRIu64
					 ": inode %" PRIu64 ", not %" PRIu64,
					seed, pid, page, time, got, want->inode);
		}
}

/* `late`: each event may be told after up to that many that follow it and are of the same life. */
static void replay_against_model(uint64_t seed, size_t late)
{
	struct event events[EVENTS], told[EVENTS];
	struct model m = { .alive = { [1] = true } };

	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	make_story(events);
	memcpy(told, events, sizeof(told));
	for (size_t i = 0; late > 0 && i + 1 < EVENTS; i++) {
		size_t j = i + rnd(MIN(late, EVENTS - 1 - i) + 1);
		bool mappings = true;

		/* Only what a life does between its fork and its exit changes places. */
		for (size_t k = i; k <= j; k++)
			mappings &= told[k].kind == EVENT_MAP || told[k].kind == EVENT_EXEC;
		if (!mappings)
			continue;
		struct event moved = told[i];
		memmove(&told[i], &told[i + 1], (j - i) * sizeof(moved));
		told[j] = moved;
	}
	/* Pid 1 is there from the beginning. */
	fork_at(1, 0, 9 * SEC);
	for (size_t i = 0; i < EVENTS; i++)
		tell(&told[i]);
	for (size_t i = 0; i < EVENTS; i++) {
		model_apply(&m, &events[i]);
		if (i + 1 == EVENTS || events[i + 1].time > events[i].time)
			compare(&m, events[i].time, seed);
	}
	for (uint64_t inode = 1; inode <= FILES; inode++) {
		uint32_t users = 0;

		for (uint32_t pid = 1; pid <= PIDS; pid++)
			for (uint64_t page = 0; page < PAGES; page++)
				if (m.alive[pid] && m.pages[pid][page].inode == inode) {
					users++;
					break;
				}
		assert_int_equal(users_of(inode), users);
	}
}

static void random_lives_are_as_the_model_has_them(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		replay_against_model(seed, 0);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static void the_order_of_arrival_makes_no_difference(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		replay_against_model(seed, 4);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(random_lives_are_as_the_model_has_them),
		T(the_order_of_arrival_makes_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
