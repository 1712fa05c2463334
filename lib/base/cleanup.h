/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership. A variable marked CLEANUP(f) is handed to f when it goes out of scope;
 * TAKE_PTR and TAKE_FD move ownership out of it. The destructors used with it take NULL.
 */
#ifndef PROFD_BASE_CLEANUP_H
#define PROFD_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(f)	 __attribute__((cleanup(f)))
#define _cleanup_free_	 CLEANUP(free_p)
#define _cleanup_close_	 CLEANUP(close_p)
#define _cleanup_fclose_ CLEANUP(fclose_p)

/* Defines thing_freep() for use with CLEANUP out of a thing_free() that takes NULL. */
#define DEFINE_CLEANUP(type, free_fn)          \
	static inline void free_fn##p(type *p) \
	{                                      \
		if (*p)                        \
			free_fn(*p);           \
	}

#define TAKE_PTR(p)                            \
	({                                     \
		__typeof__(p) take_tmp_ = (p); \
		(p) = NULL;                    \
		take_tmp_;                     \
	})

#define TAKE_FD(fd)                   \
	({                            \
		int take_tmp_ = (fd); \
		(fd) = -1;            \
		take_tmp_;            \
	})

static inline void free_p(void *p)
{
	free(*(void **)p);
}

/* Closes fd where it is one; returns -1, so that `fd = close_fd(fd)` leaves nothing behind. */
static inline int close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static inline void close_p(int *fd)
{
	*fd = close_fd(*fd);
}

static inline void fclose_p(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))
#define PRINTF(f, v)  __attribute__((format(printf, f, v)))

#endif
