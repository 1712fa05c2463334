/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a job reads: the module's own and its debug files. The module holds what was
 * opened, where it can, so that it can be read when the process and the file have gone; a job has
 * descriptors of its own, for the module may close its one at any time.
 */
#ifndef PROFD_SYMBOL_OPEN_H
#define PROFD_SYMBOL_OPEN_H

#include "proc/module.h"
#include "proc/target.h"
#include "symbol/protocol.h"

/* Asks for the file of a MODULE_FILE; done() is to call open_done(). 0 or -errno. */
int open_module(struct target_io *io, struct module *m, target_open_fn done, void *userdata);
/* What came of it, by the arguments of the callback: a descriptor of the caller's own, or why there
 * is none. What others have opened meanwhile counts more than what was found now. */
int open_done(struct module *m, int error, struct target_file *file);
/* Hands what was opened to the module in place of what it holds. A descriptor of the caller's own,
 * or -errno. */
int open_hold(struct module *m, struct target_file *file);
/* Of what the module holds: a descriptor of the caller's own, or -errno. */
int open_held(const struct module *m);

/* Debug files by what the module's file says of them: its build ID (build_id_n 0: none) and the
 * name behind its .gnu_debuglink (""). -ENODATA: nothing to look for. */
int open_debug(struct target_io *io, const struct module *m, const uint8_t *build_id,
	uint32_t build_id_n, const char *debuglink, target_debug_fn done, void *userdata);

/* Descriptors that were opened, the first few of them; zeroed: none. */
struct opened {
	int fds[SYMBOL_MAX_DEBUG]; /* owned */
	uint32_t n;
};
/* Takes what finds room and sets it to -1. */
void opened_take(struct opened *o, int *fds, size_t n);
void opened_deinit(struct opened *o);

/* Bytes in hexadecimal: n at most SYMBOL_MAX_BUILD_ID. */
#define HEX_MAX (2 * SYMBOL_MAX_BUILD_ID + 1)
void hex_format(const uint8_t *id, uint32_t n, char ret[HEX_MAX]);

#endif
