/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output through PAGER, where it is a terminal. */
#ifndef PROFD_CLIENT_PAGER_H
#define PROFD_CLIENT_PAGER_H

/* From here on standard output goes to the pager, if there is to be one. */
void pager_open(void);
/* Flushes and waits for the pager to end; harmless without one. */
void pager_close(void);

#endif
