/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar on standard error, where that is a terminal that can draw one. */
#ifndef PROFD_CLIENT_PROGRESS_H
#define PROFD_CLIENT_PROGRESS_H

#include <stdint.h>

/* total_ns 0: unknown, only the text is shown. */
void progress_draw(uint64_t done_ns, uint64_t total_ns, const char *text);
/* Clears the line if one was drawn; before anything else goes to the terminal. */
void progress_clear(void);

#endif
