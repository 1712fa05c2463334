/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables of files on this machine, by hand:
 *	unwind_tables time FILE...	what a table costs
 *	unwind_tables compare PATH...	every row of every x86-64 ELF file below PATH against libdw
 *
 * A comparison ends with 1 where a rule differs; what is not the same is listed by class.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include "tests/bench/unwind_compare.h"

static uint64_t total[VERDICTS], n_files, n_rows, n_bytes, n_none, n_known,
	n_unknown[UNWIND_UNKNOWN_COUNT];

/* ---- files ---- */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int time_file(const char *path, const struct elf *e)
{
	double best = 1e9;
	struct unwind_table t;
	size_t bytes;
	int r = 0;

	for (int i = 0; i < 7; i++) {
		double start = now_ms();

		r = unwind_table_build(e, NULL, UNWIND_TABLE_MAX_ROWS, &t);
		if (r < 0) {
			printf("%s: %s\n", path, strerror(-r));
			return r;
		}
		best = MIN(best, now_ms() - start);
		if (i < 6)
			unwind_table_deinit(&t);
	}
	bytes = ((size_t)t.n_rows + t.n_pages + 1) * 4 + t.n_rules * sizeof(*t.rules);
	printf("%-50s fdes %lu+%lu+%lu rows %u rules %u pages %u  %.2f B/row  %.2f ms  %.1f "
	       "Mrows/s\n",
		path, t.stats.eh_fdes, t.stats.debug_fdes, t.stats.go_functions, t.n_rows,
		t.n_rules, t.n_pages, (double)bytes / t.n_rows, best, t.n_rows / best / 1e3);
	printf("\tbad %lu outside %lu overlapping %lu broken %lu trampolines %lu known gaps %lu "
	       "none %lu; "
	       "unknown",
		t.stats.bad_records, t.stats.outside, t.stats.overlapping, t.stats.broken,
		t.stats.trampolines, t.stats.known_gaps, t.stats.none_rows);
	for (int i = 1; i < UNWIND_UNKNOWN_COUNT; i++)
		printf(" %lu", t.stats.unknown_rows[i]);
	printf("\n");
	unwind_table_deinit(&t);
	return 0;
}

static bool comparing;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	_cleanup_close_ int fd = -1;
	struct unwind_table t;
	struct elf e;
	void *data;
	int r;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size < 64)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	data = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return 0;
	if (elf_init(&e, data, (size_t)st->st_size) == 0) {
		if (!comparing) {
			(void)time_file(path, &e);
		} else if (e.machine == EM_X86_64 && e.type != ET_REL && e.n_segments > 0) {
			r = unwind_table_build(&e, NULL, UNWIND_TABLE_MAX_ROWS, &t);
			if (r < 0 && r != -ENODATA)
				printf("  %s: %s\n", path, strerror(-r));
			if (r == 0) {
				n_files++;
				n_rows += t.n_rows;
				n_bytes += ((uint64_t)t.n_rows + t.n_pages + 1) * 4;
				n_none += t.stats.none_rows;
				n_known += t.stats.known_gaps;
				for (int i = 1; i < UNWIND_UNKNOWN_COUNT; i++)
					n_unknown[i] += t.stats.unknown_rows[i];
				if (t.stats.bad_records || t.stats.broken || t.truncated)
					printf("  %s: bad %lu broken %lu\n", path,
						t.stats.bad_records, t.stats.broken);
				compare_file(path, fd, &e, &t, total);
				unwind_table_deinit(&t);
			}
		}
		elf_deinit(&e);
	}
	munmap(data, (size_t)st->st_size);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t wrong;

	if (argc < 3 || (strcmp(argv[1], "time") != 0 && strcmp(argv[1], "compare") != 0)) {
		fprintf(stderr, "usage: unwind_tables time|compare PATH...\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	comparing = strcmp(argv[1], "compare") == 0;
	elf_version(EV_CURRENT);
	for (int i = 2; i < argc; i++)
		(void)nftw(argv[i], visit, 16, comparing ? FTW_PHYS : 0);
	if (!comparing)
		return 0;
	printf("files %lu rows %lu bytes %lu none rows %lu known gaps %lu unknown rows by reason",
		n_files, n_rows, n_bytes, n_none, n_known);
	for (int i = 1; i < UNWIND_UNKNOWN_COUNT; i++)
		printf(" %lu", n_unknown[i]);
	printf("\n");
	for (int i = 0; i < VERDICTS; i++)
		printf("%12lu %s\n", total[i], names[i]);
	wrong = total[DIFFERENT_CFA] + total[DIFFERENT_RETURN] + total[DIFFERENT_BP] +
		total[DIFFERENT_KEPT] + total[NOT_IN_TABLE];
	return wrong > 0;
}
