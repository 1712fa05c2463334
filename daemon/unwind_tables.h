/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables by module: has them built by workers, checks them, copies them
 * to the programs in small pieces, drops those that no list names where room is
 * wanted. One table a file, whoever maps it.
 */
#ifndef PROFD_UNWIND_TABLES_H
#define PROFD_UNWIND_TABLES_H

#include "kernel/tables.h"
#include "symbol/unwind_source.h"
#include "unwind_list.h"

/* Why a file has no table. */
enum unwind_failure {
	UNWIND_FAILURE_NO_CFI,	/* it has no call frame information */
	UNWIND_FAILURE_BAD,	/* it, or the answer about it, cannot be used */
	UNWIND_FAILURE_CRASHED, /* it cost a worker its life */
	UNWIND_FAILURE_TIMEOUT,
	UNWIND_FAILURE_OPEN, /* it could not be opened */
	UNWIND_FAILURE_ROOM, /* UnwindTables= is used up by what runs now */
	UNWIND_FAILURE_OTHER,
	UNWIND_FAILURES,
};

struct unwind_tables_stats {
	uint64_t built, evicted, failed[UNWIND_FAILURES];
	uint32_t pending; /* asked for, not there yet */
	uint64_t max_copy_ns;
};

struct unwind_tables;

/* A module's table has become whole, or it is known that it will not. */
typedef void (*unwind_ready_fn)(void *userdata, uint32_t module);
/* Lets go of lists that are needed least. True: there were some. */
typedef bool (*unwind_make_room_fn)(void *userdata);
/* There is something for unwind_tables_work(). */
typedef void (*unwind_wake_fn)(void *userdata);

struct unwind_tables_rooms { /* borrowed */
	sd_event *event;
	struct kernel *kernel;
	struct module_table *modules;
	struct target_io *io;
	unwind_ready_fn ready;
	unwind_wake_fn wake;
	unwind_make_room_fn make_room;
	void *userdata;
};

int unwind_tables_new(struct unwind_tables **ret, const struct unwind_tables_rooms *rooms);
struct unwind_tables *unwind_tables_free(struct unwind_tables *t);

/* Has the module's table built where that makes sense; what was asked for last
 * is built first. True: it is on its way, ready() will tell. */
bool unwind_tables_want(struct unwind_tables *t, uint32_t module);
bool unwind_tables_is_pending(const struct unwind_tables *t, uint32_t module);
/* It has no table, and asking for one again may help. */
bool unwind_tables_is_due(const struct unwind_tables *t, uint32_t module);
bool unwind_tables_is_whole(const struct unwind_tables *t, uint32_t module);
/* NULL: it has and will have none. userdata is the struct unwind_tables. */
const struct unwind_place *unwind_tables_place(void *userdata, uint32_t module);
/* A list that is published names it, or does so no more. */
void unwind_tables_ref(struct unwind_tables *t, uint32_t module);
void unwind_tables_unref(struct unwind_tables *t, uint32_t module);
/* Copies and starts builds until the deadline. In how many ns there is more to
 * do; UINT64_MAX: nothing by itself. */
uint64_t unwind_tables_work(struct unwind_tables *t, uint64_t deadline_ns);
/* From time to time: ends workers that had nothing to do for a while. */
void unwind_tables_trim(struct unwind_tables *t);
/* Forgets a module whose number will be used again; false while it is in use.
 */
bool unwind_tables_forget(struct unwind_tables *t, uint32_t module);
void unwind_tables_get_stats(const struct unwind_tables *t, struct unwind_tables_stats *ret);
void unwind_tables_get_helper_stats(const struct unwind_tables *t, struct helper_stats *ret);
size_t unwind_tables_bytes(const struct unwind_tables *t);

#endif
