/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mute_fs SOURCE SWITCH MOUNTPOINT: a FUSE file system of one file, "program", with the bytes of
 * SOURCE; once the file SWITCH exists, nothing that is asked of it is ever answered.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *source, *mute_switch;

static void answer_or_not(void)
{
	if (access(mute_switch, F_OK) == 0)
		for (;;)
			(void)pause();
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	answer_or_not();
	if (strcmp(path, "/") == 0)
		return stat("/", st) < 0 ? -errno : 0;
	if (strcmp(path, "/program") != 0)
		return -ENOENT;
	return stat(source, st) < 0 ? -errno : 0;
}

static int fs_open(const char *path, struct fuse_file_info *info)
{
	(void)path;
	answer_or_not();
	int fd = open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	info->fh = (uint64_t)fd;
	return 0;
}

static int fs_read(
	const char *path, char *bytes, size_t n, off_t offset, struct fuse_file_info *info)
{
	(void)path;
	answer_or_not();
	ssize_t got = pread((int)info->fh, bytes, n, offset);
	return got < 0 ? -errno : (int)got;
}

static int fs_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return close((int)info->fh) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = fs_getattr,
		.open = fs_open,
		.read = fs_read,
		.release = fs_release,
	};
	char *words[] = { argv[0], (char *)"-f", (char *)"-o",
		(char *)"allow_other,attr_timeout=0,entry_timeout=0", NULL, NULL };

	if (argc != 4)
		return 2;
	source = argv[1];
	mute_switch = argv[2];
	words[4] = argv[3];
	return fuse_main(5, words, &operations, NULL);
}
