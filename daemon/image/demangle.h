/* SPDX-License-Identifier: Apache-2.0 */
/* C++ (Itanium ABI) and Rust (legacy and v0) names for people. */
#ifndef PROFD_IMAGE_DEMANGLE_H
#define PROFD_IMAGE_DEMANGLE_H

/* Longer names are left as they are: libiberty recurses on them. */
#define DEMANGLE_MAX_INPUT 1024U

/* The demangled form, the caller's to free(); NULL where `name` is not mangled or is too long. */
char *demangle(const char *name);

#endif
