/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a context switch costs while waits are collected: two processes send a byte to and fro
 * through pipes on one CPU, in turn with nothing loaded, with empty programs at the same places,
 * and with waits collected of another process and of these, at the default threshold and of all
 * waits.
 *
 * usage: switch_cost [rounds]; root. switch_cost --bare rounds: with whatever else is loaded; the
 * pair says its numbers first, and begins when it reads a line. Prints the median of the rounds of
 * each, in ns a switch, and its difference to the empty programs of the same round.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kernel.h"
#include "profile/types.h"

#define PASSES	   60000 /* a round of each: about a quarter of a second */
#define MAX_ROUNDS 1000
#define BPF_INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

enum how { BARE, EMPTY, OTHERS, TARGET, TARGET_ALL, TARGET_LOCKS, HOWS };
static const char *const names[HOWS] = { "nothing loaded", "empty programs",
	"waits of another process", "waits of these, default threshold", "waits of these, all",
	"waits and unlocks of these, all" };

struct shared {
	volatile uint64_t ns; /* of the last run */
	volatile int done;
};

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	(void)userdata;
	(void)e;
}

static uint64_t records;

static void on_record(void *userdata, const struct sample_record *r)
{
	(void)userdata;
	(void)r;
	records++;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* Passes a byte on as often as asked; the first one takes the time. */
static void pass(int in, int out, bool is_first, struct shared *shared, int start)
{
	char byte = 0;

	for (;;) {
		uint64_t began;

		if (is_first && read(start, &byte, 1) != 1)
			_exit(1);
		began = clock_monotonic_ns();
		for (int i = 0; i < PASSES; i++) {
			if (is_first && write(out, &byte, 1) != 1)
				_exit(1);
			if (read(in, &byte, 1) != 1)
				_exit(1);
			if (!is_first && write(out, &byte, 1) != 1)
				_exit(1);
		}
		if (is_first) {
			shared->ns = clock_monotonic_ns() - began;
			__atomic_store_n(&shared->done, 1, __ATOMIC_RELEASE);
		}
	}
}

static pid_t start(int in, int out, bool is_first, struct shared *shared, int start_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		pass(in, out, is_first, shared, start_fd);
	}
	return pid;
}

/* A program that does nothing at a tracepoint; its link. */
static int empty_at(const char *tracepoint)
{
	struct bpf_insn insns[] = { BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0) };
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP);
	struct btf *btf = btf__load_vmlinux_btf();
	char name[128];

	(void)snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	btf__free(btf);
	if (id < 0)
		return -1;
	opts.attach_btf_id = (uint32_t)id;
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_TRACING, "nothing", "GPL", insns, 2, &opts);
	return fd < 0 ? fd : bpf_raw_tracepoint_open(NULL, fd);
}

static double run_once(struct kernel *k, struct shared *shared, int start_fd)
{
	char byte = 0;

	shared->done = 0;
	if (write(start_fd, &byte, 1) != 1)
		exit(1);
	while (!__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE)) {
		(void)usleep(2000);
		if (k)
			while (kernel_drain(k, 20 * NS_PER_MS) > 0)
				;
	}
	return (double)shared->ns / (2.0 * PASSES);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* For other tracers: the pair alone. */
static int bare(size_t rounds, struct shared *shared, int begin)
{
	static double ns[MAX_ROUNDS];
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (size_t i = 0; i < rounds; i++)
		ns[i] = run_once(NULL, shared, begin);
	printf("%.0f\n", median(ns, rounds));
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const places[] = { "sched_switch", "sched_exit_tp", "sched_waking" };
	static double ns[HOWS][MAX_ROUNDS], beyond[HOWS][MAX_ROUNDS];
	bool is_bare = argc > 2 && strcmp(argv[1], "--bare") == 0;
	size_t rounds = argc > 1 ? strtoul(argv[argc - 1], NULL, 10) : 15;
	struct kernel_callbacks callbacks = { .sideband = on_sideband, .sample = on_record };
	struct error error = ERROR_INIT;
	struct kernel *k = NULL;
	int there[2], back[2], begin[2];

	if (rounds < 1 || rounds > MAX_ROUNDS || pipe(there) < 0 || pipe(back) < 0 ||
		pipe(begin) < 0)
		return 2;
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	if (!is_bare && kernel_new(&k, NULL, NULL, &callbacks, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	pid_t first = start(back[0], there[1], true, shared, begin[0]);
	pid_t second = start(there[0], back[1], false, shared, -1);
	pin(1);
	if (is_bare) {
		printf("%d %d\n", first, second);
		(void)fflush(stdout);
		int r = bare(rounds, shared, begin[1]);
		(void)kill(first, SIGKILL);
		(void)kill(second, SIGKILL);
		return r;
	}
	(void)kernel_target_pid(k, (uint32_t)getpid(), 1);
	(void)kernel_target_pid(k, (uint32_t)first, 2);
	(void)kernel_target_pid(k, (uint32_t)second, 2);
	(void)run_once(NULL, shared, begin[1]);
	for (size_t round = 0; round < rounds; round++) {
		for (enum how how = BARE; how < HOWS; how++) {
			int links[ARRAY_SIZE(places)] = { -1, -1, -1 };

			for (size_t i = 0; how == EMPTY && i < ARRAY_SIZE(places); i++)
				links[i] = empty_at(places[i]);
			kernel_threads_threshold(k, how >= TARGET_ALL ? 0 : 10000);
			if (how >= OTHERS &&
				kernel_threads_attach(k,
					PROBE_WAITS | (how == TARGET_LOCKS ? PROBE_UNLOCKS : 0),
					how == OTHERS ? 1 : 2, &error) < 0) {
				fprintf(stderr, "%s\n", error.text);
				return 1;
			}
			records = 0;
			ns[how][round] = run_once(how >= OTHERS ? k : NULL, shared, begin[1]);
			if (round == 0)
				printf("%-36s %llu records\n", names[how],
					(unsigned long long)records);
			kernel_threads_detach(k, ~0ULL);
			for (size_t i = 0; i < ARRAY_SIZE(places); i++)
				(void)close_fd(links[i]);
		}
		for (enum how how = BARE; how < HOWS; how++)
			beyond[how][round] = ns[how][round] - ns[EMPTY][round];
	}
	for (enum how how = BARE; how < HOWS; how++)
		printf("%-36s %7.0f ns a switch, beyond empty programs %+7.0f\n", names[how],
			median(ns[how], rounds), median(beyond[how], rounds));
	(void)kill(first, SIGKILL);
	(void)kill(second, SIGKILL);
	kernel_free(k);
	return 0;
}
