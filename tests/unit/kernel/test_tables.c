/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks of code without frame pointers, whole and exact: every sample of a child is compared with
 * the chain that the child found itself by libgcc's unwinder, for each form of the store.
 */
#include "tables.h"

#include <alloca.h>
#include <execinfo.h>
#include <ucontext.h>

#define MAX_TRUTH 600
#define SAMPLES	  1500
#define FREQ_HZ	  4999

/* As a distribution compiles, whatever this test is compiled with. */
#define PLAIN                                                                  \
	__attribute__((noinline, noclone, no_sanitize("address", "undefined"), \
		optimize("O2", "omit-frame-pointer", "no-optimize-sibling-calls")))

/* What the child knows: the return addresses above its hot function, leaf first. */
struct truth {
	uint64_t callers[MAX_TRUTH];
	uint32_t n;
	int32_t interrupted; /* index of a frame that a signal interrupted, -1: none */
	uint64_t hot;	     /* the hot function: the frame below callers[0] lies in it */
	volatile uint32_t ready;
};
static struct truth *truth;
static volatile uint64_t sink;

/* Notes who called the function that calls this: `from` is its own return address. */
PLAIN static void truth_take(const void *from, const void *hot)
{
	void *all[MAX_TRUTH];
	int n = backtrace(all, MAX_TRUTH), first = 0;

	while (first < n && all[first] != from)
		first++;
	truth->interrupted = -1;
	truth->hot = (uintptr_t)hot;
	truth->n = (uint32_t)(n - first);
	for (int i = first; i < n; i++)
		truth->callers[i - first] = (uintptr_t)all[i];
	__atomic_store_n(&truth->ready, 1, __ATOMIC_RELEASE);
}

static volatile int running = 1; /* for ever, which the compiler need not know */

PLAIN static void hot_loop(void)
{
	truth_take(__builtin_return_address(0), (const void *)hot_loop);
	while (running)
		sink = sink * 3 + 1;
}

/* ---- shapes of stacks ---- */

PLAIN static uint64_t recursion(unsigned n)
{
	uint64_t r;

	if (n == 0) {
		hot_loop();
		return 1;
	}
	r = recursion(n - 1);
	return r * n + sink;
}

static void (*body)(void);

static void recursion_60(void)
{
	sink += recursion(60);
}

static void recursion_300(void)
{
	sink += recursion(300);
}

PLAIN static int compare(const void *a, const void *b)
{
	hot_loop();
	return *(const int *)a - *(const int *)b;
}

PLAIN static void through_libc(void)
{
	int numbers[] = { 3, 1, 2 };

	qsort(numbers, 3, sizeof(int), compare);
	sink += (uint64_t)numbers[0];
}

PLAIN static void alloca_frame_n(volatile unsigned n)
{
	volatile char *bytes = alloca(n);

	bytes[n / 2] = 1;
	hot_loop();
	sink += (uint64_t)bytes[n / 2];
}

static void alloca_frame(void)
{
	alloca_frame_n(5000);
}

PLAIN static void large_frame(void)
{
	volatile char bytes[128 * 1024];

	for (unsigned i = 0; i < sizeof(bytes); i += 4096)
		bytes[i] = 1;
	hot_loop();
	sink += (uint64_t)bytes[77];
}

__attribute__((noreturn)) PLAIN static void never_returns(void)
{
	hot_loop();
	__builtin_unreachable();
}

/* The call is the last instruction, so its return address belongs to the next function. */
PLAIN static void noreturn_at_the_end(void)
{
	volatile char keep[64];

	keep[0] = 1;
	sink += (uint64_t)keep[0];
	never_returns();
}

PLAIN static void on_trap(int number, siginfo_t *info, void *context)
{
	uint64_t at = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)number;
	(void)info;
	truth_take(__builtin_return_address(0), (const void *)on_trap);
	for (uint32_t i = 0; i < truth->n; i++)
		if (truth->callers[i] == at)
			truth->interrupted = (int32_t)i;
	while (running)
		sink = sink * 3 + 1;
}

PLAIN static uint64_t trapped(unsigned n)
{
	uint64_t r = n;

	/* Not at a call, and rsp moved: only the row of this very instruction is right. */
	if (n == 0)
		__asm__ volatile("push $1\n.cfi_adjust_cfa_offset 8\nint3\nnop\npop %%rax\n"
				 ".cfi_adjust_cfa_offset -8" ::
					 : "rax", "memory");
	else
		r = trapped(n - 1) * n;
	return r + sink;
}

static void signal_on_another_stack(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = 256 * 1024 };

	stack.ss_sp = mmap(
		NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGTRAP, &action, NULL);
	sink += trapped(5);
}

PLAIN static void calls_plt(void)
{
	truth_take(__builtin_return_address(0), (const void *)calls_plt);
	while (running) {
		sink += strtoul("12", NULL, 10);
		sink += (uint64_t)getppid();
	}
}

PLAIN static void calls_vdso(void)
{
	struct timespec t;

	truth_take(__builtin_return_address(0), (const void *)calls_vdso);
	while (running) {
		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		sink += (uint64_t)t.tv_nsec;
	}
}

PLAIN static uint64_t leaf_without_a_frame(uint64_t n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
	return n;
}

PLAIN static void calls_leaf(void)
{
	truth_take(__builtin_return_address(0), (const void *)calls_leaf);
	while (running)
		sink += leaf_without_a_frame(1000);
}

/* The CFA in a register that only a leaf can know, and the return address in another, as in
 * hand-written assembly of libcrypto and in vfork(). */
void leaf_registers(void);
__asm__(".text\n.type leaf_registers, @function\nleaf_registers:\n.cfi_startproc\n"
	"mov %rsp, %r11\n.cfi_def_cfa_register %r11\n"
	"sub $640, %rsp\nand $-64, %rsp\nmov $2000, %eax\n"
	"1: dec %eax\njnz 1b\n"
	"mov %r11, %rsp\n.cfi_def_cfa_register %rsp\n"
	"pop %rdi\n.cfi_adjust_cfa_offset -8\n.cfi_register %rip, %rdi\n"
	"mov $2000, %eax\n2: dec %eax\njnz 2b\n"
	"push %rdi\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset %rip, 0\nret\n"
	".cfi_endproc\n.size leaf_registers, .-leaf_registers\n");

PLAIN static void calls_leaf_registers(void)
{
	truth_take(__builtin_return_address(0), (const void *)calls_leaf_registers);
	while (running) {
		leaf_registers();
		sink += 1;
	}
}

/* ---- the comparison ---- */

#define HASHES (1U << 14) /* more than there are samples: nothing is ever thrown out */

struct compared {
	const struct truth *truth;
	uint64_t hashes[HASHES]; /* of the stacks that are exact; 0: free */
	uint64_t wrong, samples;
	uint64_t example[ABI_USER_FRAMES];
	unsigned n_example, example_reason;
};
static struct compared compared;

static bool is_exact(const struct truth *t, const struct sample_record *r)
{
	const uint64_t *frames = r->frames + r->n_kernel;
	unsigned n = r->n_user, below;

	if (r->truncated != TRUNCATE_NONE || n < t->n + 1)
		return false;
	below = n - t->n - 1;
	for (uint32_t i = 0; i < t->n; i++)
		if (frames[below + 1 + i] != t->callers[i] + ((int32_t)i == t->interrupted ? 1 : 0))
			return false;
	/* Leaves of the hot function are few. */
	return frames[below] - t->hot < 1024 && below < 8;
}

/* Where the hash is, or would be. */
static uint64_t *place_of(struct compared *c, uint64_t hash)
{
	uint64_t i = hash >> 32;

	while (c->hashes[i % HASHES] && c->hashes[i % HASHES] != hash)
		i++;
	return &c->hashes[i % HASHES];
}

/* A stack comes once; the samples after it only name it. */
static void on_sample(void *userdata, const struct sample_record *r)
{
	struct compared *c = userdata;
	uint64_t *slot = place_of(c, r->stack_hash);

	assert_true(c->samples < HASHES - 1);
	c->samples++;
	if (r->has_stack && is_exact(c->truth, r)) {
		*slot = r->stack_hash;
	} else if (*slot != r->stack_hash) {
		c->wrong++;
		if (!r->has_stack)
			return;
		c->n_example = r->n_user;
		c->example_reason = r->truncated;
		memcpy(c->example, r->frames + r->n_kernel, r->n_user * sizeof(uint64_t));
	}
}

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	(void)userdata;
	(void)e;
}

static struct kernel *kernel_with(enum kernel_store store)
{
	struct kernel_options options = { .store = store, .table_bytes = 16U << 20 };
	struct kernel_callbacks callbacks = { on_sideband, on_sample, &compared };
	struct error error = ERROR_INIT;
	struct kernel *k;

	if (kernel_new(&k, NULL, &options, &callbacks, &error) < 0)
		fail_msg("%s", error.text);
	return k;
}

static pid_t child_of(void (*shape)(void))
{
	pid_t pid;

	memset(truth, 0, sizeof(*truth));
	body = shape;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	assert_true(pid > 0);
	for (unsigned i = 0; !__atomic_load_n(&truth->ready, __ATOMIC_ACQUIRE); i++) {
		assert_true(i < 10000);
		sleep_ms(1);
	}
	return pid;
}

static void show_example(const struct compared *c)
{
	unsigned below = c->n_example > c->truth->n ? c->n_example - c->truth->n : 0;

	print_message("reason %u, %u frames, %u known callers\n", c->example_reason, c->n_example,
		c->truth->n);
	for (unsigned i = 0; i < c->n_example && i < 40; i++)
		print_message("  %016llx %016llx\n", (unsigned long long)c->example[i],
			i >= below && i - below < c->truth->n
				? (unsigned long long)c->truth->callers[i - below]
				: 0);
}

static void check_shape(void (*shape)(void), enum kernel_store store)
{
	struct test_tables tables = { 0 };
	pid_t pid = child_of(shape);
	struct kernel_set_info info;
	struct kernel *k = kernel_with(store);
	unsigned set = set_of(k, FREQ_HZ);

	memset(&compared, 0, sizeof(compared));
	compared.truth = truth;
	tables.k = k;
	tables_publish(&tables, pid);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	while (compared.samples < SAMPLES) {
		sleep_ms(10);
		drain_all(k);
	}
	kernel_set_detach(k, set, 1);
	drain_all(k);
	kernel_set_info(k, set, &info);
	child_end(pid);
	kernel_free(k);
	if (compared.wrong * 1000 > compared.samples) {
		show_example(&compared);
		fail_msg("%llu of %llu stacks are not exact", (unsigned long long)compared.wrong,
			(unsigned long long)compared.samples);
	}
	assert_int_equal(info.sum.stacks_without_tables, 0);
	assert_true(info.sum.rule_searches + info.sum.rule_hits >= info.sum.user_frames);
	assert_true(info.sum.rule_hits > info.sum.rule_searches);
}

#define SHAPE(name, shape)                              \
	static void name##_arena(void **state)          \
	{                                               \
		(void)state;                            \
		check_shape(shape, KERNEL_STORE_ARENA); \
	}                                               \
	static void name##_array(void **state)          \
	{                                               \
		(void)state;                            \
		check_shape(shape, KERNEL_STORE_ARRAY); \
	}
SHAPE(a_recursion_of_60_is_exact, recursion_60)
SHAPE(a_recursion_of_300_is_exact, recursion_300)
SHAPE(a_callback_from_libc_is_exact, through_libc)
SHAPE(a_frame_of_alloca_is_exact, alloca_frame)
SHAPE(a_frame_of_128_kib_is_exact, large_frame)
SHAPE(a_noreturn_call_at_the_end_of_a_function_is_exact, noreturn_at_the_end)
SHAPE(a_signal_handler_on_another_stack_is_exact, signal_on_another_stack)
SHAPE(plt_stubs_are_exact, calls_plt)
SHAPE(the_vdso_is_exact, calls_vdso)
SHAPE(a_leaf_without_a_frame_keeps_its_caller, calls_leaf)
SHAPE(a_leaf_with_its_cfa_in_a_register_keeps_its_caller, calls_leaf_registers)

static int shared_truth(void **state)
{
	static struct seen unused;

	(void)state;
	kernel_free(kernel_or_skip(NULL, &unused));
	truth = mmap(
		NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return truth == MAP_FAILED;
}

#define BOTH(name) cmocka_unit_test(name##_arena), cmocka_unit_test(name##_array)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_recursion_of_60_is_exact),
		BOTH(a_recursion_of_300_is_exact),
		BOTH(a_callback_from_libc_is_exact),
		BOTH(a_frame_of_alloca_is_exact),
		BOTH(a_frame_of_128_kib_is_exact),
		BOTH(a_noreturn_call_at_the_end_of_a_function_is_exact),
		BOTH(a_signal_handler_on_another_stack_is_exact),
		BOTH(plt_stubs_are_exact),
		BOTH(the_vdso_is_exact),
		BOTH(a_leaf_without_a_frame_keeps_its_caller),
		BOTH(a_leaf_with_its_cfa_in_a_register_keeps_its_caller),
	};

	return cmocka_run_group_tests(tests, shared_truth, NULL);
}
