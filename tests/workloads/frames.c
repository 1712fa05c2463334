/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames SECONDS: frames that are not plain ones, a fifth of the time each; built without frame
 * pointers.
 *
 *   main
 *   `- turn
 *      |- variable                a frame of variable size (alloca)
 *      |  `- leaf
 *      |- large                   a frame of 128 KiB
 *      |  `- leaf
 *      |- signalled               raises SIGUSR1
 *      |  `- raise .. (libc), the signal frame
 *      |     `- on_signal
 *      |        `- leaf
 *      |- other_stack             the same on an alternate signal stack
 *      |  `- .. on_other_signal
 *      |        `- leaf
 *      `- ending                  its call of a function that does not return is its last
 *         `- never_returns        instruction: the return address is in the next function
 *            `- leaf
 */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include "workload.h"

enum { VARIABLE, LARGE, SIGNALLED, OTHER_STACK, ENDING, SHAPES };

static uint64_t spent_ns[SHAPES];
static jmp_buf back;

FRAME void leaf(void)
{
	burn(UNIT);
}

FRAME void variable(size_t n)
{
	char *bytes = alloca(n);

	memset(bytes, 1, n);
	leaf();
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

FRAME void large(void)
{
	char bytes[128 * 1024];

	bytes[0] = 1;
	leaf();
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

static FRAME void on_signal(int number)
{
	(void)number;
	leaf();
	__asm__ volatile("");
}

static FRAME void on_other_signal(int number)
{
	(void)number;
	leaf();
	__asm__ volatile("");
}

FRAME void signalled(void)
{
	(void)raise(SIGUSR1);
	__asm__ volatile("");
}

FRAME void other_stack(void)
{
	(void)raise(SIGUSR2);
	__asm__ volatile("");
}

FRAME __attribute__((noreturn)) void never_returns(void)
{
	leaf();
	longjmp(back, 1);
}

FRAME __attribute__((noreturn)) void ending(void)
{
	never_returns();
}

FRAME void turn(unsigned n)
{
	uint64_t mark[SHAPES + 1];

	mark[VARIABLE] = thread_ns();
	variable(64 + n % 4096);
	mark[LARGE] = thread_ns();
	large();
	mark[SIGNALLED] = thread_ns();
	signalled();
	mark[OTHER_STACK] = thread_ns();
	other_stack();
	mark[ENDING] = thread_ns();
	if (setjmp(back) == 0)
		ending();
	mark[SHAPES] = thread_ns();
	for (int i = 0; i < SHAPES; i++)
		spent_ns[i] += mark[i + 1] - mark[i];
}

int main(int argc, char **argv)
{
	static char stack[64 * 1024];
	static const char *const names[SHAPES] = { "variable", "large", "signalled", "other_stack",
		"ending" };
	const stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_signal };
	uint64_t end, total = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: frames SECONDS\n");
		return 2;
	}
	(void)sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = on_other_signal;
	action.sa_flags = SA_ONSTACK;
	if (sigaltstack(&other, NULL) < 0 || sigaction(SIGUSR2, &action, NULL) < 0)
		return 1;
	end = wall_ns() + seconds_ns(argv[1]);
	for (unsigned n = 0; wall_ns() < end; n++)
		turn(n);
	for (int i = 0; i < SHAPES; i++) {
		print_function(names[i], 0, spent_ns[i]);
		total += spent_ns[i];
	}
	print_function("turn", 0, total);
	print_function("leaf", total, total);
	print_total();
	return 0;
}
