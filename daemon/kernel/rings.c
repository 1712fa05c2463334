/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's side of BPF ring buffers (kernel/bpf/ringbuf.c): one page that we write, one that
 * the kernel writes, then the data mapped twice, so that a record never wraps for the reader. Our
 * own, as libbpf's gives no way to stop at a position that was noted before.
 *
 * Records are written by our programs, yet their sizes are checked before anybody reads them.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"

#define RECORD_HEADER 8U

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int ring_init(struct ring *r, uint64_t bytes)
{
	_cleanup_close_ int fd = -1;
	size_t page = page_bytes();
	void *consumer, *producer;

	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "profd_ring", 0, 0, (uint32_t)bytes, NULL);
	if (fd < 0)
		return fd;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	producer = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED) {
		int r2 = -errno;

		(void)munmap(consumer, page);
		return r2;
	}
	*r = (struct ring){
		.fd = TAKE_FD(fd),
		.bytes = bytes,
		.consumer = consumer,
		.producer = producer,
		.data = (const uint8_t *)producer + page,
	};
	return 0;
}

void ring_deinit(struct ring *r)
{
	if (!r->bytes)
		return;
	(void)munmap(r->consumer, page_bytes());
	(void)munmap(r->producer, page_bytes() + 2 * r->bytes);
	(void)close_fd(r->fd);
	*r = (struct ring){ .fd = -1 };
}

void ring_note(struct ring *r)
{
	/* Pairs with smp_store_release(&rb->producer_pos) in __bpf_ringbuf_reserve(). */
	r->noted = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

/* 0: not as the ABI says; else the bytes of the sample and its frames. */
static uint32_t sample_bytes(const struct sample_record *record, uint32_t n)
{
	uint32_t frames;

	if (n < sizeof(*record) || record->size != n)
		return 0;
	if (record->kind != RECORD_SAMPLE && record->kind != RECORD_WINDOW &&
		record->kind != RECORD_STACK)
		return 0;
	if (record->n_kernel > ABI_KERNEL_FRAMES || record->n_user > ABI_USER_FRAMES)
		return 0;
	if (record->event_set >= ABI_SETS || record->truncated >= TRUNCATE_COUNT)
		return 0;
	frames = record->has_stack ? (uint32_t)record->n_kernel + record->n_user : 0;
	return (uint32_t)sizeof(*record) + frames * 8;
}

/* The window behind so many bytes of a record of n. NULL: there is none, or not as the ABI says. */
static const struct stack_window *window_of(
	const struct sample_record *record, uint32_t bytes, uint32_t n)
{
	const struct stack_window *w =
		(const void *)((const uint8_t *)(const void *)record + bytes);

	if (record->kind != RECORD_WINDOW || !record->has_stack || n < bytes + sizeof(*w))
		return NULL;
	if (w->bytes > ABI_WINDOW_BYTES || w->bytes % 8 || n != bytes + sizeof(*w) + w->bytes)
		return NULL;
	return w;
}

/* False: it was not as the ABI says. */
static bool hand_out(
	const struct kernel_callbacks *callbacks, const struct sample_record *record, uint32_t n)
{
	uint32_t bytes = sample_bytes(record, n);
	const struct stack_window *window = bytes ? window_of(record, bytes, n) : NULL;

	if (!bytes || (window ? 0 : bytes != n))
		return false;
	if (window && callbacks->window)
		callbacks->window(callbacks->userdata, record, window);
	else
		callbacks->sample(callbacks->userdata, record);
	return true;
}

int ring_next(struct ring *r, const struct kernel_callbacks *callbacks, uint64_t *bad)
{
	/* Only we write it. */
	uint64_t at = __atomic_load_n(r->consumer, __ATOMIC_RELAXED);
	const uint8_t *header;
	uint32_t length, n;

	if (at >= r->noted)
		return 0;
	header = r->data + (at & (r->bytes - 1));
	/* Pairs with xchg(&hdr->len) in bpf_ringbuf_commit(). */
	length = __atomic_load_n((const uint32_t *)(const void *)header, __ATOMIC_ACQUIRE);
	if (length & BPF_RINGBUF_BUSY_BIT)
		return 0;
	n = length & ~BPF_RINGBUF_DISCARD_BIT;
	if (n > r->bytes - RECORD_HEADER) {
		/* Only a broken kernel gets here; what lies behind cannot be found any more. */
		bad[0]++;
		__atomic_store_n(r->consumer, r->noted, __ATOMIC_RELEASE);
		return 1;
	}
	if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
		const struct sample_record *record = (const void *)(header + RECORD_HEADER);

		if (!hand_out(callbacks, record, n))
			bad[n < sizeof(*record) ? 0 : record->event_set % ABI_SETS]++;
	}
	/* Pairs with smp_load_acquire(&rb->consumer_pos) in __bpf_ringbuf_reserve(): the record is
	 * read before its space is given back. */
	__atomic_store_n(r->consumer, at + ((n + RECORD_HEADER + 7) & ~7ULL), __ATOMIC_RELEASE);
	return 1;
}
