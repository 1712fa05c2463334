/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks as the daemon keeps them.
 *
 *   frame    (module, offset), interned; offsets of return addresses are those of the call, ip - 1
 *   node     a prefix trie over frames: {parent node, frame}; node 0 is the empty stack. A located
 * stack is the node of its leaf, so that walking to the root gives it leaf first entry    what the
 * kernel calls a stack: (process, exec id, seeded hash of the raw frames), with the raw frames kept
 * so that it can be located again when the process maps something else
 *
 * All three are counted by reference and their places used again; what is referred to has a
 * stable id. All memory is bounded by what stack_store_new() was given; -ENOSPC past it.
 */
#ifndef PROFD_COLLECT_STACK_H
#define PROFD_COLLECT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/table.h"
#include "bpf/abi.h"

#define STACK_NONE	UINT32_MAX
#define STACK_NODE_ROOT 0U

struct frame {
	uint64_t offset;
	uint32_t module; /* STACK_NONE: a free place */
	uint32_t n_refs; /* nodes; the store's */
};

struct stack_entry {
	uint64_t hash, exec_id;
	uint64_t *raw; /* owned: n_kernel + n_user instruction pointers, leaf first */
	uint64_t first_ns, last_ns;
	uint32_t process; /* process.id */
	uint32_t node;	  /* STACK_NONE while it waits for the process's mappings */
	uint32_t epoch;	  /* of the process when it was located */
	uint32_t n_refs;
	uint16_t n_kernel, n_user;
	uint8_t truncated;  /* enum truncate_reason */
	bool used, current; /* current: found by hash; others only live for their series */
};

struct stack_store;

int stack_store_new(struct stack_store **ret, size_t max_bytes);
struct stack_store *stack_store_free(struct stack_store *s);
size_t stack_store_bytes(const struct stack_store *s);

/* The current entry of this key, or STACK_NONE. */
uint32_t stack_find(const struct stack_store *s, uint32_t process, uint64_t exec_id, uint64_t hash);
/* A new entry without a location, made the current one of its key. 0, -ENOMEM, -ENOSPC. */
int stack_add(struct stack_store *s, uint32_t process, const struct sample_record *record,
	uint32_t *ret_entry);
/* A new current entry with the raw frames of `from`. */
int stack_copy(struct stack_store *s, uint32_t from, uint32_t *ret_entry);
struct stack_entry *stack_entry(const struct stack_store *s, uint32_t entry);
void stack_ref(struct stack_store *s, uint32_t entry);
/* True when that freed the entry (then it holds nothing of its process any more). */
bool stack_unref(struct stack_store *s, uint32_t entry);

/* Interns frames (leaf first) as a node and returns it with one reference of the caller's. */
int stack_intern(struct stack_store *s, const struct frame *frames, size_t n, uint32_t *ret_node);
/* Gives the entry its node; takes over the caller's reference. */
void stack_set_node(struct stack_store *s, uint32_t entry, uint32_t node, uint32_t epoch);
void stack_node_unref(struct stack_store *s, uint32_t node);
/* The next frame outwards: frame id of the node, and its parent in *ret_parent. Not for the root.
 */
uint32_t stack_node_frame(const struct stack_store *s, uint32_t node, uint32_t *ret_parent);
const struct frame *stack_frame(const struct stack_store *s, uint32_t frame);
uint32_t stack_n_frames(const struct stack_store *s);

/* Frees entries that nobody refers to and that were last seen before `before_ns`; calls gone() with
 * the process of each. The programs must be told to send stacks again (kernel_forget_stacks) before
 * the next sample is looked at. Returns how many. */
size_t stack_sweep(struct stack_store *s, uint64_t before_ns,
	void (*gone)(void *userdata, uint32_t process), void *userdata);

#endif
