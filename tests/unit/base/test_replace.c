/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are replaced whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"

static char folder[] = "/tmp/profd-test-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static size_t entries(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	(void)closedir(d);
	return n;
}

static void assert_holds(const char *name, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t n;

	assert_int_equal(io_read_file(AT_FDCWD, in_folder(name), 4096, &text, &n), 0);
	assert_string_equal(text, expected);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/profd-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	DIR *d = opendir(folder);

	(void)state;
	for (struct dirent *e; d && (e = readdir(d));)
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	if (d)
		(void)closedir(d);
	return rmdir(folder);
}

static void a_new_file_is_written_whole(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(in_folder("new"), "data", 4, false), 0);
	assert_holds("new", "data");
	assert_int_equal(entries(), 1);
	assert_int_equal(io_replace_file(in_folder("kept"), "data", 4, true), 0);
	assert_int_equal(entries(), 2);
}

static void an_existing_file_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "a long first one", 16, false), 0);
	assert_int_equal(io_replace_file(in_folder("f"), "two", 3, false), 0);
	assert_holds("f", "two");
	assert_int_equal(entries(), 1);
}

static void the_one_before_is_kept_as_old(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "one", 3, true), 0);
	assert_int_equal(io_replace_file(in_folder("f"), "two", 3, true), 0);
	assert_int_equal(io_replace_file(in_folder("f"), "three", 5, true), 0);
	assert_holds("f", "three");
	assert_holds("f.old", "two");
	assert_int_equal(entries(), 2);
}

static void a_reader_of_the_one_before_keeps_it(void **state)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "one", 3, false), 0);
	fd = open(in_folder("f"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_replace_file(in_folder("f"), "two", 3, false), 0);
	assert_int_equal(io_read_fd(fd, 10, &text, &n), 0);
	assert_string_equal(text, "one");
}

static void a_name_without_folder_is_of_this_folder(void **state)
{
	char here[4096];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(io_replace_file("bare", "x", 1, true), 0);
	assert_int_equal(chdir(here), 0);
	assert_holds("bare", "x");
}

static void a_folder_is_refused(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(folder, "x", 1, false), -EISDIR);
	assert_int_equal(io_replace_file(in_folder("no/such"), "x", 1, false), -ENOENT);
	assert_int_equal(io_replace_file("", "x", 1, false), -ENOENT);
	assert_int_equal(entries(), 0);
}

static void a_device_is_written_to_and_stays(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(io_replace_file("/dev/null", "x", 1, true), 0);
	assert_int_equal(io_replace_file("/dev/full", "x", 1, true), -ENOSPC);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void a_planted_link_is_replaced_not_followed(void **state)
{
	char target[600];
	struct stat st;

	(void)state;
	assert_int_equal(io_replace_file(in_folder("victim"), "safe", 4, false), 0);
	snprintf(target, sizeof(target), "%s/victim", folder);
	assert_int_equal(symlink(target, in_folder("link")), 0);
	assert_int_equal(io_replace_file(in_folder("link"), "new", 3, false), 0);
	assert_holds("victim", "safe");
	assert_holds("link", "new");
	assert_int_equal(lstat(in_folder("link"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void what_cannot_be_kept_as_old_stays_in_place(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "one", 3, false), 0);
	assert_int_equal(mkdir(in_folder("f.old"), 0700), 0);
	assert_int_equal(io_replace_file(in_folder("f"), "two", 3, true), -EISDIR);
	assert_holds("f", "one");
	assert_int_equal(entries(), 2);
}

static void the_umask_of_the_caller_counts(void **state)
{
	mode_t before = umask(027);
	struct stat st;

	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "x", 1, false), 0);
	(void)umask(before);
	assert_int_equal(stat(in_folder("f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_write_that_fails_leaves_the_folder_as_it_was(void **state)
{
	static char data[100000];
	struct rlimit before, small;
	int r, existing;

	(void)state;
	assert_int_equal(io_replace_file(in_folder("f"), "one", 3, false), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = io_replace_file(in_folder("g"), data, sizeof(data), true);
	existing = io_replace_file(in_folder("f"), data, sizeof(data), true);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(existing, -EFBIG);
	assert_holds("f", "one");
	assert_int_equal(entries(), 1);
}

/* In a child with a mount namespace of its own: a disk of 64 KiB. */
static int fill_a_disk(void)
{
	static char data[1 << 20];
	uid_t uid = getuid();

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", folder, "tmpfs", MS_NODEV | MS_NOSUID, "size=64k") < 0)
		return 77;
	if (io_replace_file(in_folder("f"), "one", 3, false) != 0)
		return 2;
	if (io_replace_file(in_folder("g"), data, sizeof(data), true) != -ENOSPC)
		return 3;
	if (io_replace_file(in_folder("f"), data, sizeof(data), true) != -ENOSPC)
		return 4;
	if (entries() != 1)
		return 5;
	if (io_replace_file(in_folder("f"), "two", 3, true) != 0)
		return 6;
	return entries() == 2 ? 0 : 7;
}

static void a_full_disk_leaves_the_folder_as_it_was(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_a_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("SKIP: no mount namespace here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_file_is_written_whole),
		CASE(an_existing_file_is_replaced),
		CASE(the_one_before_is_kept_as_old),
		CASE(a_reader_of_the_one_before_keeps_it),
		CASE(a_name_without_folder_is_of_this_folder),
		CASE(a_folder_is_refused),
		CASE(a_device_is_written_to_and_stays),
		CASE(a_planted_link_is_replaced_not_followed),
		CASE(what_cannot_be_kept_as_old_stays_in_place),
		CASE(the_umask_of_the_caller_counts),
		CASE(a_write_that_fails_leaves_the_folder_as_it_was),
		CASE(a_full_disk_leaves_the_folder_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
