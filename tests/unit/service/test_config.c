/* SPDX-License-Identifier: Apache-2.0 */
/* profd.conf: what is accepted, what is refused and with which words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "service/config.h"

#define SHIPPED TEST_DATA "/../../../../config/profd.conf"

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text, size_t n)
{
	FILE *f = fopen(path_of(name), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)strcpy(folder, "/tmp/profd-test-config-XXXXXX");
	if (!mkdtemp(folder) || mkdir(path_of("profd.conf.d"), 0700) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "profd.conf.d/20-b.conf", "profd.conf.d/10-a.conf",
		"profd.conf.d/note.txt", "profd.conf", "profd.conf.d" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)remove(path_of(names[i]));
	return remove(folder);
}

static int read_of(const char *text, struct config *c, struct error *e)
{
	*e = (struct error)ERROR_INIT;
	config_init(c);
	put("profd.conf", text, strlen(text));
	return config_read(c, path_of("profd.conf"), true, e);
}

/* The text after "FOLDER/profd.conf:". */
static void assert_refused(const char *text, const char *expected)
{
	struct config c, defaults;
	struct error e;
	size_t n;

	config_init(&defaults);
	assert_int_equal(read_of(text, &c, &e), -EINVAL);
	assert_int_equal(e.code, EXIT_CODE_USAGE);
	n = strlen(path_of("profd.conf"));
	assert_memory_equal(e.text, path_of("profd.conf"), n);
	assert_string_equal(e.text + n, expected);
	assert_memory_equal(&c, &defaults, sizeof(c));
}

static void defaults_are_those_of_the_header(void **state)
{
	struct config c;

	(void)state;
	config_init(&c);
	assert_true(c.collect_cpu);
	assert_int_equal(c.freq_hz, 99);
	assert_string_equal(c.event, "cpu-clock");
	assert_int_equal(c.history_ns, 3600 * NS_PER_SEC);
	assert_int_equal(c.memory_bytes, 256 * MIB);
	assert_int_equal(c.ring_bytes, 1 * MIB);
	assert_int_equal(c.table_bytes, 64 * MIB);
	assert_int_equal(c.concurrent, CONCURRENT_WARN);
	assert_int_equal(c.attachments_per_user, 8);
	assert_int_equal(c.symbolizers, 2);
}

static void every_key_reaches_its_member(void **state)
{
	struct config c;
	struct error e = ERROR_INIT;

	(void)state;
	config_init(&c);
	assert_int_equal(config_read(&c, TEST_DATA "/every_key.conf", true, &e), 0);
	assert_false(c.collect_cpu);
	assert_int_equal(c.freq_hz, 499);
	assert_string_equal(c.event, "cycles");
	assert_int_equal(c.history_ns, 5400 * NS_PER_SEC);
	assert_int_equal(c.memory_bytes, 3 * GIB);
	assert_int_equal(c.ring_bytes, 512 * KIB);
	assert_int_equal(c.table_bytes, 96 * MIB);
	assert_int_equal(c.concurrent, CONCURRENT_REFUSE);
	assert_int_equal(c.attachments_per_user, 3);
	assert_int_equal(c.symbolizers, 4);
}

static void spelling_is_forgiven_where_it_is_clear(void **state)
{
	struct config c;
	struct error e;

	(void)state;
	assert_int_equal(read_of("# note\n; note\n\n[Collect] \n\tFrequency = 10 \n   Cpu=NO\r\n"
				 "[History]\nMemory=33554432",
				 &c, &e),
		0);
	assert_int_equal(c.freq_hz, 10);
	assert_false(c.collect_cpu);
	assert_int_equal(c.memory_bytes, 32 * MIB);
}

static void each_word_of_a_list_is_its_own_value(void **state)
{
	struct config c;
	struct error e;

	(void)state;
	assert_int_equal(read_of("[Policy]\nConcurrent=allow\n", &c, &e), 0);
	assert_int_equal(c.concurrent, CONCURRENT_ALLOW);
	assert_int_equal(read_of("[Policy]\nConcurrent=Warn\n", &c, &e), 0);
	assert_int_equal(c.concurrent, CONCURRENT_WARN);
	assert_int_equal(read_of("[Policy]\nConcurrent=refuse\n", &c, &e), 0);
	assert_int_equal(c.concurrent, CONCURRENT_REFUSE);
}

static void assigning_nothing_takes_back(void **state)
{
	struct config c;
	struct error e;

	(void)state;
	assert_int_equal(read_of("[Collect]\nFrequency=10\nFrequency=\n", &c, &e), 0);
	assert_int_equal(c.freq_hz, 99);
}

static void the_error_names_line_key_value_and_what_is_allowed(void **state)
{
	(void)state;
	assert_refused("[Collect]\nFrequency=0\n",
		":2: Frequency=0: must be a whole number in 1..10000 Hz");
	assert_refused("[Collect]\n\n\nFrequency=99Hz\n",
		":4: Frequency=99Hz: must be a whole number in 1..10000 Hz");
	assert_refused("[Collect]\nFrequency=-1\n",
		":2: Frequency=-1: must be a whole number in 1..10000 Hz");
	assert_refused("[Collect]\nFrequency=18446744073709551617\n",
		":2: Frequency=18446744073709551617: must be a whole number in 1..10000 Hz");
	assert_refused("[Collect]\nCpu=maybe\n", ":2: Cpu=maybe: must be yes or no");
	assert_refused("[Collect]\nEvent=a/b\n", ":2: Event=a/b: must be the name of a perf event, "
						 "1..31 letters, digits, '-', '_' or "
						 "'.'");
	assert_refused("[History]\nHistory=1parsec\n",
		":2: History=1parsec: must be a time span in 10s..7d, such as 90s, 15min, 2h");
	assert_refused("[History]\nMemory=1T\n",
		":2: Memory=1T: must be a size in 16M..64G, bytes; suffixes K, M, G");
	assert_refused("[History]\nMemory=17179869184G\n",
		":2: Memory=17179869184G: must be a size in 16M..64G, bytes; suffixes K, M, G");
	assert_refused("[Policy]\nConcurrent=never\n",
		":2: Concurrent=never: must be one of allow, warn, refuse");
	assert_refused("[Policy]\nConcurrent=war\n",
		":2: Concurrent=war: must be one of allow, warn, refuse");
	assert_refused("[Limits]\nSymbolizers=17\n",
		":2: Symbolizers=17: must be a whole number in 1..16");
}

static void the_first_wrong_line_is_the_one_named(void **state)
{
	(void)state;
	assert_refused("[Collect]\nhello\nFrequency=0\n",
		":2: neither [Section], Key=value nor a comment");
	assert_refused("[Collect]\nFrequency=0\nhello\n",
		":2: Frequency=0: must be a whole number in 1..10000 Hz");
}

static void unknown_words_come_with_the_nearest(void **state)
{
	(void)state;
	assert_refused("[Colect]\nCpu=no\n", ":2: [Colect]: no such section; nearest is [Collect]");
	assert_refused("[Zebra]\nCpu=no\n", ":2: [Zebra]: no such section; see profd.conf(5)");
	assert_refused("[Collect]\nFreqency=9\n",
		":2: Freqency=: no such key in [Collect]; nearest is Frequency= in [Collect]");
	assert_refused("[Collect]\nMemory=1G\n",
		":2: Memory=: no such key in [Collect]; nearest is Memory= in [History]");
	assert_refused("[Collect]\nZebraCrossing=1\n",
		":2: ZebraCrossing=: no such key in [Collect]; see profd.conf(5)");
	assert_refused("Memory=1G\n", ":1: Memory=: a section such as [History] must come first");
}

static void an_endless_line_is_refused_not_split(void **state)
{
	char text[4096];

	(void)state;
	memset(text, '0', sizeof(text));
	memcpy(text, "[Collect]\nFrequency=", 20);
	(void)strcpy(text + sizeof(text) - 3, "9\n");
	assert_refused(text, ":2: line too long");
}

static void a_binary_file_is_refused(void **state)
{
	struct error e = ERROR_INIT;
	struct config c;

	(void)state;
	config_init(&c);
	put("profd.conf", "[Collect]\nCpu=no\0zzz\n", 22);
	assert_int_equal(config_read(&c, path_of("profd.conf"), true, &e), -EINVAL);
	assert_non_null(strstr(e.text, "not a text file"));
	assert_true(c.collect_cpu);
}

static void a_missing_file_is_fine_unless_it_was_named(void **state)
{
	struct error e = ERROR_INIT;
	struct config c;

	(void)state;
	config_init(&c);
	assert_int_equal(config_read(&c, path_of("none.conf"), false, &e), 0);
	assert_int_equal(config_read(&c, path_of("none.conf"), true, &e), -ENOENT);
	assert_int_equal(e.code, EXIT_CODE_FAILED);
	assert_non_null(strstr(e.text, "none.conf"));
}

static void drop_ins_win_in_order_of_name(void **state)
{
	const char *one = "[Collect]\nFrequency=11\nCpu=no\n", *two = "[Collect]\nFrequency=22\n";
	struct error e;
	struct config c;

	(void)state;
	put("profd.conf.d/20-b.conf", two, strlen(two));
	put("profd.conf.d/10-a.conf", one, strlen(one));
	put("profd.conf.d/note.txt", "not read", 8);
	assert_int_equal(read_of("[Collect]\nFrequency=5\nEvent=cycles\n", &c, &e), 0);
	assert_int_equal(c.freq_hz, 22);
	assert_false(c.collect_cpu);
	assert_string_equal(c.event, "cycles");
}

static void a_wrong_drop_in_changes_nothing_and_is_named(void **state)
{
	const char *wrong = "[Collect]\nFrequency=x\n";
	struct error e;
	struct config c;

	(void)state;
	put("profd.conf.d/10-a.conf", wrong, strlen(wrong));
	assert_int_equal(read_of("[Collect]\nFrequency=5\n", &c, &e), -EINVAL);
	assert_int_equal(c.freq_hz, 99);
	assert_non_null(strstr(e.text, "/profd.conf.d/10-a.conf:2: Frequency=x: "));
}

/* What the table says is allowed, is: both ends, and nothing beyond them. */
static void ranges_of_the_table_are_what_is_enforced(void **state)
{
	size_t n, ranges = 0;
	const struct config_key *keys = config_keys(&n);

	(void)state;
	for (const struct config_key *k = keys; k < keys + n; k++) {
		const char *dots = strstr(k->range, "..");
		char text[128];
		struct config c;
		struct error e;

		if (!dots || !strcmp(k->unit, "name"))
			continue;
		ranges++;
		(void)snprintf(text, sizeof(text), "[%s]\n%s=%.*s\n", k->section, k->key,
			(int)(dots - k->range), k->range);
		assert_int_equal(read_of(text, &c, &e), 0);
		(void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n", k->section, k->key, dots + 2);
		assert_int_equal(read_of(text, &c, &e), 0);
		/* One digit in front: ten times as much or more. */
		(void)snprintf(text, sizeof(text), "[%s]\n%s=1%s\n", k->section, k->key, dots + 2);
		assert_int_equal(read_of(text, &c, &e), -EINVAL);
		(void)snprintf(text, sizeof(text), "[%s]\n%s=0\n", k->section, k->key);
		assert_int_equal(read_of(text, &c, &e), -EINVAL);
	}
	assert_int_equal(ranges, 7);
}

static void the_shipped_file_changes_nothing(void **state)
{
	struct error e = ERROR_INIT;
	struct config c, defaults;

	(void)state;
	config_init(&c);
	config_init(&defaults);
	assert_int_equal(config_read(&c, SHIPPED, true, &e), 0);
	assert_memory_equal(&c, &defaults, sizeof(c));
}

static void every_key_of_the_shipped_file_uncommented_is_the_default(void **state)
{
	_cleanup_free_ char *text = NULL;
	char bare[8192];
	struct config c, defaults;
	struct error e = ERROR_INIT;
	size_t n, n_keys, seen = 0, out = 0;
	const struct config_key *keys = config_keys(&n_keys);

	(void)state;
	assert_int_equal(io_read_file(AT_FDCWD, SHIPPED, sizeof(bare) - 1, &text, &n), 0);
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || text[i - 1] == '\n';

		if (first && text[i] == '#' && text[i + 1] != ' ') {
			seen++;
			continue;
		}
		bare[out++] = text[i];
	}
	bare[out] = '\0';
	assert_int_equal(seen, n_keys);
	for (size_t i = 0; i < n_keys; i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "\n%s=%s\n", keys[i].key, keys[i].fallback);
		assert_non_null(strstr(bare, line));
	}
	/* From values that are not the defaults, so that each line must have an effect. */
	put("profd.conf", bare, out);
	memset(&c, 0, sizeof(c));
	config_init(&defaults);
	assert_int_equal(config_read(&c, path_of("profd.conf"), true, &e), 0);
	assert_memory_equal(&c, &defaults, sizeof(c));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults_are_those_of_the_header),
		T(every_key_reaches_its_member),
		T(spelling_is_forgiven_where_it_is_clear),
		T(each_word_of_a_list_is_its_own_value),
		T(assigning_nothing_takes_back),
		T(the_error_names_line_key_value_and_what_is_allowed),
		T(the_first_wrong_line_is_the_one_named),
		T(unknown_words_come_with_the_nearest),
		T(an_endless_line_is_refused_not_split),
		T(a_binary_file_is_refused),
		T(a_missing_file_is_fine_unless_it_was_named),
		T(drop_ins_win_in_order_of_name),
		T(a_wrong_drop_in_changes_nothing_and_is_named),
		T(ranges_of_the_table_are_what_is_enforced),
		T(the_shipped_file_changes_nothing),
		T(every_key_of_the_shipped_file_uncommented_is_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
