/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of /proc files: real lines, hostile names, broken lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/mounts.h"

struct seen {
	struct maps_entry entries[16];
	size_t n;
};

static int collect(void *userdata, const struct maps_entry *e)
{
	struct seen *s = userdata;

	assert_true(s->n < ARRAY_SIZE(s->entries));
	s->entries[s->n++] = *e;
	return 0;
}

static struct seen parse(const char *text, bool exec_only, unsigned *ret_skipped)
{
	struct seen s = { .n = 0 };

	assert_int_equal(maps_parse(text, strlen(text), exec_only, collect, &s, ret_skipped), 0);
	return s;
}

static void fields_of_a_line_are_read(void **state)
{
	(void)state;
	struct seen s = parse("7f0000001000-7f0000003000 r-xp 0002a000 fe:01 1835086    "
			      "                /usr/lib/x86_64-linux-gnu/libc.so.6\n"
			      "7ffc0f1fe000-7ffc0f200000 r-xp 00000000 00:00 0         [vdso]\n"
			      "7f0000010000-7f0000011000 rwxs 00000000 00:00 0 \n",
		false, NULL);
	char path[256];
	bool deleted;

	assert_int_equal(s.n, 3);
	assert_int_equal(s.entries[0].start, 0x7f0000001000);
	assert_int_equal(s.entries[0].end, 0x7f0000003000);
	assert_int_equal(s.entries[0].offset, 0x2a000);
	assert_int_equal(s.entries[0].major, 0xfe);
	assert_int_equal(s.entries[0].minor, 1);
	assert_int_equal(s.entries[0].inode, 1835086);
	assert_true(s.entries[0].read && !s.entries[0].write && s.entries[0].exec);
	assert_false(s.entries[0].shared);
	assert_string_equal(maps_path(&s.entries[0], path, sizeof(path), &deleted),
		"/usr/lib/x86_64-linux-gnu/libc.so.6");
	assert_false(deleted);
	assert_string_equal(maps_path(&s.entries[1], path, sizeof(path), NULL), "[vdso]");
	assert_true(s.entries[2].shared && s.entries[2].write);
	assert_string_equal(maps_path(&s.entries[2], path, sizeof(path), NULL), "");
}

static void only_executable_ones_when_asked(void **state)
{
	(void)state;
	struct seen s = parse(
		"1000-2000 r--p 00000000 00:00 0\n2000-3000 r-xp 00000000 00:00 0\n", true, NULL);

	assert_int_equal(s.n, 1);
	assert_int_equal(s.entries[0].start, 0x2000);
}

static void names_are_unescaped_and_the_deleted_mark_is_cut(void **state)
{
	(void)state;
	struct seen s = parse("1000-2000 r-xp 00000000 08:01 5 /tmp/a\\012b (deleted)\n"
			      "2000-3000 r-xp 00000000 08:01 5 /tmp/with blank  two\n"
			      "3000-4000 r-xp 00000000 08:01 5 /tmp/\\141\\\n",
		false, NULL);
	char path[256], small[6];
	bool deleted;

	assert_string_equal(maps_path(&s.entries[0], path, sizeof(path), &deleted), "/tmp/a\nb");
	assert_true(deleted);
	assert_string_equal(
		maps_path(&s.entries[1], path, sizeof(path), &deleted), "/tmp/with blank  two");
	assert_false(deleted);
	assert_string_equal(maps_path(&s.entries[2], path, sizeof(path), NULL), "/tmp/\\141\\");
	assert_string_equal(maps_path(&s.entries[1], small, sizeof(small), NULL), "/tmp/");
}

static void broken_lines_are_skipped_and_counted(void **state)
{
	(void)state;
	unsigned skipped = 0;
	struct seen s = parse("garbage\n"
			      "2000-1000 r-xp 00000000 08:01 5 /backwards\n"
			      "1000-2000 r-x\n"
			      "fffffffffffffffff-1 r-xp 0 0:0 0 /overflow\n"
			      "1000-2000 r-xp 00000000 08:01 5 /good\n"
			      "3000-4000 r-xp 000000",
		false, &skipped);

	assert_int_equal(s.n, 1);
	assert_int_equal(skipped, 5);
}

static int stop_at_once(void *userdata, const struct maps_entry *e)
{
	(void)userdata, (void)e;
	return 42;
}

static void the_callback_can_stop(void **state)
{
	(void)state;
	const char *text = "1000-2000 r-xp 00000000 08:01 5 /a\n";

	assert_int_equal(maps_parse(text, strlen(text), false, stop_at_once, NULL, NULL), 42);
}

static void a_comm_full_of_parentheses_hides_no_field(void **state)
{
	(void)state;
	const char *text =
		"4711 (a) S 1 (b) R 12 34 5 6 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654 1\n";
	struct stat_fields f;

	assert_int_equal(stat_parse(text, strlen(text), &f), 0);
	assert_int_equal(f.pid, 4711);
	assert_string_equal(f.comm, "a) S 1 (b");
	assert_int_equal(f.state, 'R');
	assert_int_equal(f.ppid, 12);
	assert_int_equal(f.n_threads, 3);
	assert_int_equal(f.start_ticks, 987654);
	assert_int_equal(stat_parse("4711 (cut) R 12", 15, &f), -EBADMSG);
	assert_int_equal(stat_parse("", 0, &f), -EBADMSG);
}

static void credentials_are_read_from_status(void **state)
{
	(void)state;
	const char *text = "Name:\tx\\nUid:\t0 0 0 0\nUmask:\t0022\nNSpid:\t4711\t7\n"
			   "Uid:\t1000\t1001\t1002\t1003\nGid:\t10\t11\t12\t13\n"
			   "CapPrm:\t00000000a80425fb\n";
	const char *cut = "Uid:\t1000\t1001\nGid:\t10\t11\t12\t13\nCapPrm:\t0\n";
	struct status_fields f;

	assert_int_equal(status_parse(text, strlen(text), &f), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(f.uid[i], 1000 + i);
		assert_int_equal(f.gid[i], 10 + i);
	}
	assert_int_equal(f.ns_pid, 7);
	assert_int_equal(f.cap_permitted, 0xa80425fb);
	assert_int_equal(status_parse(cut, strlen(cut), &f), -EBADMSG);
}

static void the_second_hierarchy_is_found_beside_the_first(void **state)
{
	(void)state;
	const char *text = "9:name=systemd:/old\n1:cpu:/x\n0::/system.slice/a b.service\n";
	const char *path;
	size_t n;

	assert_int_equal(cgroup_parse(text, strlen(text), &path, &n), 0);
	assert_int_equal(n, strlen("/system.slice/a b.service"));
	assert_memory_equal(path, "/system.slice/a b.service", n);
	assert_int_equal(cgroup_parse("1:cpu:/x\n", 9, &path, &n), -ENOENT);
}

static const char mountinfo[] =
	"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
	"27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
	"nonsense\n"
	"60 27 0:47 / /home/eve/with\\040blank rw,nosuid master:2 shared:9 - fuse.sshfs host: rw\n"
	"61 27 0:48 / /srv rw - nfs4 server:/x rw\n"
	"62 27 0:49 / /data rw - overlay overlay rw\n";

static void mounts_are_found_by_device_id_and_type(void **state)
{
	(void)state;
	size_t n = sizeof(mountinfo) - 1;
	struct mount_entry e;
	char point[64], small[4];

	assert_true(mounts_find_device(mountinfo, n, 0, 47, &e));
	assert_string_equal(e.type, "fuse.sshfs");
	assert_int_equal(mounts_point(&e, point, sizeof(point)), 0);
	assert_string_equal(point, "/home/eve/with blank");
	assert_int_equal(mounts_point(&e, small, sizeof(small)), -ENAMETOOLONG);
	assert_true(mounts_find_id(mountinfo, n, 27, &e));
	assert_string_equal(e.type, "ext4");
	assert_int_equal(e.major, 254);
	assert_true(mounts_find_type(mountinfo, n, "overlay", &e));
	assert_int_equal(e.id, 62);
	assert_false(mounts_find_device(mountinfo, n, 8, 1, &e));
}

static void refused_file_systems_are_seen_above_a_path(void **state)
{
	(void)state;
	size_t n = sizeof(mountinfo) - 1;
	struct mount_entry e;

	assert_true(mounts_refused_above(mountinfo, n, "/srv/lib/x.so", &e));
	assert_string_equal(e.type, "nfs4");
	assert_true(mounts_refused_above(mountinfo, n, "/srv", &e));
	assert_true(mounts_refused_above(mountinfo, n, "/home/eve/with blank/x", &e));
	assert_false(mounts_refused_above(mountinfo, n, "/srv2/x", &e));
	assert_false(mounts_refused_above(mountinfo, n, "/home/eve/x", &e));
	assert_false(mounts_refused_above(mountinfo, n, "/data/x", &e));
}

static void who_may_never_answer_is_refused(void **state)
{
	static const char *const refused[] = { "fuse", "fuseblk", "fuse.portal", "nfs", "nfs4",
		"cifs", "smb3", "9p", "ceph", "afs", "autofs", "virtiofs" };
	static const char *const fine[] = { "ext4", "xfs", "btrfs", "tmpfs", "overlay", "squashfs",
		"fusectl", "proc", "erofs" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_true(mount_type_refused(refused[i]));
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
		assert_false(mount_type_refused(fine[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_line_are_read),
		cmocka_unit_test(only_executable_ones_when_asked),
		cmocka_unit_test(names_are_unescaped_and_the_deleted_mark_is_cut),
		cmocka_unit_test(broken_lines_are_skipped_and_counted),
		cmocka_unit_test(the_callback_can_stop),
		cmocka_unit_test(a_comm_full_of_parentheses_hides_no_field),
		cmocka_unit_test(credentials_are_read_from_status),
		cmocka_unit_test(the_second_hierarchy_is_found_beside_the_first),
		cmocka_unit_test(mounts_are_found_by_device_id_and_type),
		cmocka_unit_test(refused_file_systems_are_seen_above_a_path),
		cmocka_unit_test(who_may_never_answer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
