/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target I/O with real helpers on real processes. The test program is its own helper (`--helper
 * target`) and its own targets (forked children).
 */
#ifndef PROFD_TESTS_TARGET_FIXTURE_H
#define PROFD_TESTS_TARGET_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "proc/target.h"

static const helper_serve_fn serves[HELPER_ROLES] = { [HELPER_TARGET] = target_serve };
static sd_event *event;
static struct target_io *io;
static char dir[64];
static char quarantined[128];

static void on_quarantine(void *userdata, const char *what, const char *why)
{
	(void)userdata, (void)why;
	(void)snprintf(quarantined, sizeof(quarantined), "%s", what);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/profd-test-XXXXXX");
	quarantined[0] = '\0';
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0 || sd_event_new(&event) < 0 ||
		target_io_new(&io, event) < 0)
		return -1;
	target_io_on_quarantine(io, on_quarantine, NULL);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	io = target_io_free(io);
	event = sd_event_unref(event);
	(void)snprintf(command, sizeof(command), "rm -rf --one-file-system %s", dir);
	return system(command) == 0 ? 0 : -1;
}

static void run_until(const bool *done)
{
	while (!*done)
		assert_true(sd_event_run(event, 20 * 1000 * 1000) > 0);
}

/* ---- children ---- */

/* A child that does what it is told and then waits to be killed. */
static pid_t child_of(void (*prepare)(void *), void *userdata)
{
	int ready[2];
	char c = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prepare)
			prepare(userdata);
		/* A change of uid has cleared it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- reading ---- */

struct read_answer {
	bool done;
	int error;
	struct target_process_info info;
	char comm[64], exe[4096], cgroup[4096], cmdline[256], *maps;
};

static void on_read(void *userdata, int error, const struct target_process_info *info)
{
	struct read_answer *a = userdata;

	a->done = true;
	a->error = error;
	if (error < 0)
		return;
	a->info = *info;
	(void)snprintf(a->comm, sizeof(a->comm), "%s", info->comm);
	(void)snprintf(a->exe, sizeof(a->exe), "%s", info->exe);
	(void)snprintf(a->cgroup, sizeof(a->cgroup), "%s", info->cgroup);
	memcpy(a->cmdline, info->cmdline, MIN(info->cmdline_n, sizeof(a->cmdline)));
	a->maps = info->maps ? strndup(info->maps, info->maps_n) : NULL;
}

static struct read_answer read_of(pid_t pid, bool with_maps)
{
	struct read_answer a = { .done = false };

	assert_int_equal(target_read(io, (uint32_t)pid, with_maps, on_read, &a), 0);
	run_until(&a.done);
	return a;
}

#endif
