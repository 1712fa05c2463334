/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the threads that live were made: tid -> series of the creation. Bounded; past it, and for
 * threads from before, nothing is known.
 *
 * That a thread ended may be told before that it was made: ends without a beginning are kept for a
 * while.
 */
#ifndef PROFD_COLLECT_THREADS_H
#define PROFD_COLLECT_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread_table;

/* released(): the table lets go of a series. */
int thread_table_new(struct thread_table **ret, uint32_t max,
	void (*released)(void *userdata, uint32_t series), void *userdata);
/* Without released(). */
struct thread_table *thread_table_free(struct thread_table *t);
size_t thread_table_bytes(const struct thread_table *t);

/* A thread was made; takes over a reference on the series. 0; 1: it has ended already (nothing is
 * kept and the reference is the caller's), -ENOMEM, -E2BIG. */
int thread_table_made(struct thread_table *t, uint32_t tid, uint32_t series, uint64_t time_ns);
void thread_table_ended(struct thread_table *t, uint32_t tid, uint64_t time_ns);
/* The series, or SERIES_NONE. */
uint32_t thread_table_find(const struct thread_table *t, uint32_t tid);
/* Forgets ends from before that time, and threads whose series is_gone says so of. */
void thread_table_expire(struct thread_table *t, uint64_t before_ns,
	bool (*is_gone)(void *userdata, uint32_t series), void *userdata);

#endif
