/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlopener SECONDS: in turns opens libplug_a.so and libplug_b.so, which lie beside it, works in
 * each for 50 ms and 100 ms and closes it again: the same addresses mean one function, then
 * another. The truth says in how many turns both lay at the same address.
 *
 *   main
 *   `- use
 *      |- plug_a_work                     1/3   (libplug_a.so)
 *      `- plug_b_work                     2/3   (libplug_b.so)
 */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
#include "workload.h"

static FRAME uint64_t use(const char *folder, const char *letter, uint64_t for_ns, void **ret_at)
{
	char path[4096 + 32], name[32];
	uint64_t start = thread_ns(), end = wall_ns() + for_ns;
	void (*work)(void);
	void *lib;

	(void)snprintf(path, sizeof(path), "%s/libplug_%s.so", folder, letter);
	(void)snprintf(name, sizeof(name), "plug_%s_work", letter);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	*ret_at = lib ? dlsym(lib, name) : NULL;
	if (!*ret_at) {
		(void)fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	memcpy(&work, ret_at, sizeof(work));
	while (wall_ns() < end)
		work();
	(void)dlclose(lib);
	return thread_ns() - start;
}

int main(int argc, char **argv)
{
	char folder[4096];
	uint64_t end, a_ns = 0, b_ns = 0;
	unsigned long turns = 0, same = 0;
	void *a, *b;
	ssize_t n;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: dlopener SECONDS\n");
		return 2;
	}
	n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	if (n < 0)
		return 1;
	folder[n] = '\0';
	*strrchr(folder, '/') = '\0';
	end = wall_ns() + seconds_ns(argv[1]);
	for (; wall_ns() < end; turns++) {
		a_ns += use(folder, "a", 50000000U, &a);
		b_ns += use(folder, "b", 100000000U, &b);
		same += a == b;
	}
	(void)printf("{\"turns\":%lu,\"same_address\":%lu}\n", turns, same);
	print_function("plug_a_work", a_ns, a_ns);
	print_function("plug_b_work", b_ns, b_ns);
	print_total();
	return 0;
}
