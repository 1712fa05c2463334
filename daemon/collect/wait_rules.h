/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the names of functions say of a wait: the tables of wait_state.c, and nobody else's.
 *
 * A name is as wait_state.c reduces it: C without leading underscores, C++ and Rust without
 * arguments. "root::tail" fits every name that begins with the component root and ends with the
 * components of tail, so that inline namespaces and moved modules do not matter; "name*" fits a
 * beginning; a name that begins with underscores here is compared as it stands in the binary.
 * Sources: the exported names of glibc 2.36 and musl 1.2, and of each library as named.
 */
#ifndef PROFD_COLLECT_WAIT_RULES_H
#define PROFD_COLLECT_WAIT_RULES_H

#include "bpf/abi.h"
#include <stdint.h>

/* The function in which a thread waits for a futex, or wakes one that does; 0: says nothing. */
static const struct wait_rule {
	const char *name;
	uint8_t waits, wakes;
} wait_rules[] = {
	/* POSIX threads. What wakes inside of cond_wait is the unlocking of its mutex. */
	{ "pthread_mutex_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "pthread_cond_signal", 0, WAIT_CONDVAR },
	{ "pthread_cond_broadcast", 0, WAIT_CONDVAR },
	{ "pthread_cond_*", WAIT_CONDVAR, WAIT_MUTEX },
	{ "private_cond_signal", 0, WAIT_CONDVAR }, /* musl */
	{ "pthread_rwlock_*", WAIT_RWLOCK, WAIT_RWLOCK },
	{ "sem_*wait*", WAIT_SEMAPHORE, 0 },
	{ "sem_post", 0, WAIT_SEMAPHORE },
	{ "pthread_barrier_*", WAIT_BARRIER, WAIT_BARRIER },
	{ "pthread_*join*", WAIT_JOIN, 0 },
	{ "pthread_exit", 0, WAIT_JOIN },
	{ "pthread_once", WAIT_MUTEX, WAIT_MUTEX },
	{ "call_once", WAIT_MUTEX, WAIT_MUTEX },
	{ "mtx_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "cnd_*wait", WAIT_CONDVAR, WAIT_MUTEX },
	{ "cnd_*", 0, WAIT_CONDVAR },
	{ "thrd_join", WAIT_JOIN, 0 },
	{ "lll_lock_*", WAIT_MUTEX, WAIT_MUTEX }, /* glibc's own locks, where it has its symbols */
	{ "__lock", WAIT_MUTEX, 0 },		  /* musl's own locks */
	{ "__unlock", 0, WAIT_MUTEX },
	{ "__lockfile", WAIT_MUTEX, 0 },
	{ "__unlockfile", 0, WAIT_MUTEX },

	/* Who calls what in glibc jumps to a function that has no name: sem_wait, pthread_join */
	{ "std::thread::join", WAIT_JOIN, 0 },
	{ "std::Thread::join", WAIT_JOIN, 0 },
	{ "uv_thread_join", WAIT_JOIN, 0 },
	{ "uv_sem_wait", WAIT_SEMAPHORE, 0 },
	{ "PyThread_acquire_lock_timed", WAIT_SEMAPHORE, 0 },
	{ "PGSemaphoreLock", WAIT_SEMAPHORE, 0 },

	/* Where a system call was restarted, its number does not say which. */
	{ "nanosleep", WAIT_SLEEP, 0 },
	{ "clock_nanosleep", WAIT_SLEEP, 0 },
	{ "poll", WAIT_POLL, 0 },

	/* libstdc++ and libc++: <latch>, <barrier>, <semaphore>, <future>; <atomic> may be anything
	 */
	{ "std::latch::wait", WAIT_BARRIER, 0 },
	{ "std::latch::arrive_and_wait", WAIT_BARRIER, WAIT_BARRIER },
	{ "std::latch::count_down", 0, WAIT_BARRIER },
	{ "std::barrier::wait", WAIT_BARRIER, 0 },
	{ "std::barrier::arrive*", WAIT_BARRIER, WAIT_BARRIER },
	{ "std::__tree_barrier::wait", WAIT_BARRIER, 0 },
	{ "std::__tree_barrier::arrive", 0, WAIT_BARRIER },
	{ "std::counting_semaphore::*acquire*", WAIT_SEMAPHORE, 0 },
	{ "std::counting_semaphore::release", 0, WAIT_SEMAPHORE },
	{ "std::__atomic_semaphore::_M_*acquire*", WAIT_SEMAPHORE, 0 },
	{ "std::__atomic_semaphore::_M_release", 0, WAIT_SEMAPHORE },
	{ "std::__atomic_futex_unsigned_base::_M_futex_wait*", WAIT_CONDVAR, 0 },
	{ "std::__atomic_futex_unsigned_base::_M_futex_notify*", 0, WAIT_CONDVAR },

	/* Rust: std::sys, whose modules move with every other release */
	{ "std::Mutex::lock*", WAIT_MUTEX, 0 },
	{ "std::Mutex::wake", 0, WAIT_MUTEX },
	{ "std::Mutex::unlock", 0, WAIT_MUTEX },
	{ "std::MutexGuard::drop", 0, WAIT_MUTEX },
	{ "std::ReentrantLock::*", WAIT_MUTEX, WAIT_MUTEX },
	{ "std::RwLock::*", WAIT_RWLOCK, WAIT_RWLOCK },
	{ "std::RwLockReadGuard::drop", 0, WAIT_RWLOCK },
	{ "std::RwLockWriteGuard::drop", 0, WAIT_RWLOCK },
	{ "std::Condvar::wait*", WAIT_CONDVAR, WAIT_MUTEX },
	{ "std::Condvar::notify*", 0, WAIT_CONDVAR },
	{ "std::Barrier::wait", WAIT_BARRIER, WAIT_BARRIER },
	{ "std::Once::call*", WAIT_MUTEX, WAIT_MUTEX },
	{ "std::Once::wait*", WAIT_MUTEX, 0 },
	{ "std::CompletionGuard::drop", 0, WAIT_MUTEX }, /* of Once */
	{ "std::Parker::park*", WAIT_CONDVAR, 0 },
	{ "std::Parker::unpark", 0, WAIT_CONDVAR },
	{ "std::functions::park*", WAIT_CONDVAR, 0 },
	{ "std::thread::park*", WAIT_CONDVAR, 0 },
	{ "std::Thread::park*", WAIT_CONDVAR, 0 },
	{ "std::Thread::unpark", 0, WAIT_CONDVAR },
	{ "parking_lot::RawMutex::lock*", WAIT_MUTEX, 0 },
	{ "parking_lot::RawMutex::unlock*", 0, WAIT_MUTEX },
	{ "parking_lot::RawMutex::bump*", WAIT_MUTEX, WAIT_MUTEX },
	{ "parking_lot::RawRwLock::*", WAIT_RWLOCK, WAIT_RWLOCK },
	{ "parking_lot::Condvar::wait*", WAIT_CONDVAR, WAIT_MUTEX },
	{ "parking_lot::Condvar::notify*", 0, WAIT_CONDVAR },
	{ "parking_lot::Once::call*", WAIT_MUTEX, WAIT_MUTEX },
	{ "parking_lot_core::word_lock::WordLock::*", WAIT_MUTEX, WAIT_MUTEX },

	/* Abseil and what is built like it; SpinLock is gperftools' and TCMalloc's too */
	{ "absl::Mutex::*Unlock*", 0, WAIT_MUTEX },
	{ "absl::Mutex::*Lock*", WAIT_MUTEX, WAIT_MUTEX },
	{ "absl::CondVar::Wait*", WAIT_CONDVAR, WAIT_MUTEX },
	{ "absl::CondVar::Signal*", 0, WAIT_CONDVAR },
	{ "SpinLock::SlowLock", WAIT_MUTEX, 0 },
	{ "SpinLock::SlowUnlock", 0, WAIT_MUTEX },
	{ "SpinLock::Unlock", 0, WAIT_MUTEX },
	{ "AbslInternalSpinLockDelay*", WAIT_MUTEX, 0 },
	{ "AbslInternalSpinLockWake*", 0, WAIT_MUTEX },
	{ "base::internal::SpinLockDelay", WAIT_MUTEX, 0 },
	{ "base::internal::SpinLockWake", 0, WAIT_MUTEX },

	/* Go: what is not a lock of the runtime is a thread without work, or its waking */
	{ "runtime.lock2", WAIT_RUNTIME_LOCK, 0 },
	{ "runtime.unlock2*", 0, WAIT_RUNTIME_LOCK },
	{ "runtime.note*sleep*", WAIT_IDLE, 0 },
	{ "runtime.notewakeup", 0, WAIT_IDLE },

	/* OpenMP: libgomp, LLVM's */
	{ "GOMP_critical_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "GOMP_atomic_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "omp_set_*lock*", WAIT_MUTEX, 0 },
	{ "omp_unset_*lock*", 0, WAIT_MUTEX },
	{ "gomp_mutex_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "GOMP_*", WAIT_BARRIER, WAIT_BARRIER },
	{ "kmpc_critical*", WAIT_MUTEX, WAIT_MUTEX },
	{ "kmpc_end_critical", 0, WAIT_MUTEX },

	/* GLib, whose locks are futexes of its own */
	{ "g_mutex_*", WAIT_MUTEX, WAIT_MUTEX },
	{ "g_cond_wait*", WAIT_CONDVAR, WAIT_MUTEX },
	{ "g_cond_*", 0, WAIT_CONDVAR },
	{ "g_bit_*lock*", WAIT_MUTEX, WAIT_MUTEX },
	{ "g_pointer_bit_*lock*", WAIT_MUTEX, WAIT_MUTEX },
};

#define OF(state) (1U << WAIT_##state)

/* A caller of that, a few frames outwards, which knows better what it is for. */
static const struct wait_refinement {
	const char *name;
	uint32_t from; /* states that it says more of */
	uint8_t to;
	const char *below; /* what it has to have called, but for unnamed ones of its; NULL: any */
} wait_refinements[] = {
	/* CPython: the GIL is a mutex and a condition variable; from 3.13 on all locks park */
	{ "take_gil", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "drop_gil", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "PyEval_RestoreThread", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "PyEval_SaveThread", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "PyEval_AcquireThread", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "PyEval_ReleaseThread", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "PyEval_EvalFrameDefault", OF(CONDVAR), WAIT_MUTEX, "pthread_cond_*" },
	{ "PyMutex_*", OF(SEMAPHORE), WAIT_MUTEX, NULL },

	/* PostgreSQL: light-weight locks sleep on a semaphore, heavy ones on a latch */
	{ "LWLock*", OF(SEMAPHORE) | OF(IPC), WAIT_MUTEX, NULL },
	{ "ProcSleep", OF(POLL), WAIT_MUTEX, NULL },
	{ "ConditionVariable*Sleep", OF(POLL), WAIT_CONDVAR, NULL },

	/* InnoDB: latches and row locks */
	{ "sync_array_wait_event", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "lock_wait_suspend_thread", OF(CONDVAR), WAIT_MUTEX, NULL },

	/* HotSpot */
	{ "ObjectMonitor::enter*", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "ObjectMonitor::EnterI", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "ObjectMonitor::exit*", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "ObjectMonitor::ExitEpilog", OF(CONDVAR), WAIT_MUTEX, NULL },
	{ "JavaThread::sleep", OF(CONDVAR), WAIT_SLEEP, NULL },

	/* Abseil's mutexes wait for conditions in the same loop */
	{ "absl::Mutex::*Await*", OF(MUTEX), WAIT_CONDVAR, NULL },
	{ "absl::Mutex::*LockWhen*", OF(MUTEX), WAIT_CONDVAR, NULL },

	/* Locks that sleep instead of waiting to be woken */
	{ "SpinLockDelay", OF(SLEEP), WAIT_MUTEX, NULL },
	{ "AbslInternalSpinLockDelay*", OF(SLEEP), WAIT_MUTEX, NULL },

	/* Scoped threads are waited for by parking */
	{ "std::thread::scoped::scope", OF(CONDVAR), WAIT_JOIN, NULL },

	/* Go: who stops the world waits for everybody; idle threads in other calls than futex */
	{ "runtime.stopTheWorldWithSema", OF(IDLE), WAIT_BARRIER, NULL },
	{ "runtime.forEachP*", OF(IDLE), WAIT_BARRIER, NULL },
	{ "runtime.netpoll", OF(POLL), WAIT_IDLE, NULL },
	{ "runtime.sysmon", OF(SLEEP), WAIT_IDLE, NULL },

	/* Pools: the function in which a worker waits for work */
	{ "bioProcessBackgroundJobs", OF(CONDVAR) | OF(SIGNAL), WAIT_POOL_IDLE, NULL }, /* redis */
	{ "IOThreadMain", OF(MUTEX), WAIT_POOL_IDLE, NULL }, /* redis parks these by their lock */
	{ "startThreadedIO", OF(MUTEX), WAIT_POOL_IDLE, NULL },
	{ "worker", OF(CONDVAR), WAIT_POOL_IDLE, "uv_cond_wait" },	 /* libuv inside of node */
	{ "TaskQueue::BlockingPop", OF(CONDVAR), WAIT_POOL_IDLE, NULL }, /* node's own */
	{ "node::PlatformWorkerThread", OF(CONDVAR), WAIT_POOL_IDLE, "uv_cond_wait" },
	{ "v8::GetNext", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "WorkerThread::Delegate::WaitForWork", OF(CONDVAR), WAIT_POOL_IDLE, NULL }, /* Chromium */
	{ "tbb::private_worker::run", OF(FUTEX) | OF(SEMAPHORE) | OF(CONDVAR), WAIT_POOL_IDLE,
		NULL },
	{ "rocksdb::BGThread", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "rayon_core::Sleep::sleep", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "rayon_core::WorkerThread::wait_until_cold", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "tokio::multi_thread::park::Parker::park*", OF(CONDVAR) | OF(POLL), WAIT_POOL_IDLE,
		NULL },
	{ "tokio::blocking::pool::Inner::run", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "kmp_fork_barrier", OF(CONDVAR) | OF(FUTEX), WAIT_POOL_IDLE, NULL }, /* LLVM's OpenMP */
	{ "kmp_join_barrier", OF(CONDVAR) | OF(FUTEX), WAIT_BARRIER, NULL },
	{ "kmp_barrier", OF(CONDVAR) | OF(FUTEX), WAIT_BARRIER, NULL },
	{ "ngx_thread_pool_cycle", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "ap_queue_pop_something", OF(CONDVAR), WAIT_POOL_IDLE, NULL }, /* Apache */
	{ "ap_queue_info_wait_for_idler", OF(CONDVAR), WAIT_POOL_IDLE, NULL },
	{ "Per_thread_connection_handler::block_until_new_connection", OF(CONDVAR), WAIT_POOL_IDLE,
		NULL }, /* MySQL */
};

/* Libraries that run pools: a thread of which nothing is on the stack but them has no work. */
static const char *const wait_pools[] = { "libgomp.", "libtbb.", "libuv.", "libglib-2.",
	"libjemalloc.", "libjvm." };

/* The C library, whose own waiting is for locks of its own where no name above is met. */
static const char *const wait_libc[] = { "libc.", "libc-", "libpthread", "ld-linux", "ld-musl",
	"ld-2", "librt.", "librt-" };

/* Functions that only pass a wait on: C, and the first components of other names. */
static const char *const wait_passed[] = { "syscall", "*futex*", "AbslInternal*", "std::*",
	"core::*", "alloc::*", "parking_lot::*", "parking_lot_core::*", "lock_api::*",
	"rayon_core::*", "tokio::*", "mio::*", "absl::*", "tbb::*", "v8::*", "runtime.*" };

#endif
