// SPDX-License-Identifier: Apache-2.0
//
// cpu_cpp SECONDS: C++ names, and a library whose names are only in a debug file elsewhere.
//
//   main
//   |- app::Worker<int>::local(int)                 30 %
//   `- hidden::enter(unsigned long)                 70 %   (libhidden.so, exported)
//      `- hidden::Mixer<unsigned long>::churn(unsigned long)   70 %, 50 % its own
//         `- void hidden::(anonymous namespace)::grind<int>(int)   20 %
//
// The truth has the two branches; churn and grind are 5 : 2 by iterations.
#include "hidden.h"
#include "workload.h"

namespace app
{
template <typename T> struct Worker {
	FRAME void local(T units)
	{
		burn((unsigned long)units * UNIT);
	}
};
template struct Worker<int>;
} // namespace app

int main(int argc, char **argv)
{
	uint64_t local_ns = 0, hidden_ns = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: cpu_cpp SECONDS\n");
		return 2;
	}
	uint64_t end = wall_ns() + seconds_ns(argv[1]);
	uint64_t mark = thread_ns();
	while (wall_ns() < end) {
		app::Worker<int>().local(3);
		uint64_t now = thread_ns();
		local_ns += now - mark;
		mark = now;
		hidden::enter(5 * UNIT);
		now = thread_ns();
		hidden_ns += now - mark;
		mark = now;
	}
	print_function("main", 0, local_ns + hidden_ns);
	print_function("app::Worker<int>::local(int)", local_ns, local_ns);
	print_function("hidden::enter(unsigned long)", 0, hidden_ns);
	print_function(
		"hidden::Mixer<unsigned long>::churn(unsigned long)", hidden_ns * 5 / 7, hidden_ns);
	print_function("void hidden::(anonymous namespace)::grind<int>(int)", hidden_ns * 2 / 7,
		hidden_ns * 2 / 7);
	print_total();
	return 0;
}
