/* SPDX-License-Identifier: Apache-2.0 */
/* The vdso: the kernel maps the same image into every process, so ours is everybody's. */
#ifndef PROFD_SYMBOL_VDSO_H
#define PROFD_SYMBOL_VDSO_H

/* A memfd with a copy of this process's vdso: the fd, -ENODATA where there is none, or -errno. */
int vdso_image(void);

#endif
