/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the whole way from a module to what is known of it: the rooms below, with helper
 * processes. A test program is its own helper: main() begins with rooms_main().
 */
#ifndef PROFD_TEST_SYMBOL_ROOMS_H
#define PROFD_TEST_SYMBOL_ROOMS_H

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "fixture.h"
#include "proc/module.h"
#include "proc/target.h"

struct rooms {
	sd_event *event;
	struct target_io *io;
	struct module_table *modules;
	int waiting; /* callbacks that are to come */
};

UNUSED static void rooms_init(struct rooms *r)
{
	*r = (struct rooms){ 0 };
	assert_int_equal(sd_event_new(&r->event), 0);
	assert_int_equal(target_io_new(&r->io, r->event), 0);
	assert_int_equal(module_table_new(&r->modules), 0);
}

UNUSED static void rooms_deinit(struct rooms *r)
{
	target_io_free(r->io);
	module_table_free(r->modules);
	sd_event_unref(r->event);
}

UNUSED static void rooms_turn(struct rooms *r)
{
	assert_true(sd_event_run(r->event, 30 * 1000000ULL) > 0);
}

UNUSED static void rooms_finish(struct rooms *r)
{
	while (r->waiting > 0)
		rooms_turn(r);
}

/* The module of a file in the directory. */
UNUSED static struct module *rooms_file(struct rooms *r, const char *name)
{
	struct module *m;
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &st), 0);
	m = module_table_file(r->modules, major(st.st_dev), minor(st.st_dev), st.st_ino, 0, path);
	assert_non_null(m);
	return m;
}

static int serve_none(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	(void)req;
	(void)req_n;
	(void)fds;
	(void)n_fds;
	(void)reply;
	(void)reply_fds;
	*n_reply_fds = 0;
	return -EOPNOTSUPP;
}

/* Serves and ends where this process is a helper. */
UNUSED static void rooms_main(int argc, char **argv, helper_serve_fn symbolizer)
{
	const helper_serve_fn serve[HELPER_ROLES] = {
		[HELPER_TARGET] = target_serve,
		[HELPER_SYMBOLIZER] = symbolizer,
		[HELPER_ENCODER] = serve_none,
	};

	if (argc == 3 && strcmp(argv[1], "--helper") == 0)
		exit(helper_main(argv[2], serve));
}

#endif
