/* SPDX-License-Identifier: Apache-2.0 */
/* What a wait was for, by stacks as they are seen of stripped and unstripped programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>
#include "collect/wait_state.h"

#define LIBC  "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define LOCAL "libc.so.6+0x85e80", LIBC
#define START                             \
	{ "", LIBC },                     \
	{                                 \
		"libc.so.6+0x88f60", LIBC \
	}
#define APP    "/usr/bin/app"
#define FRAMES 16

struct stack {
	const char *what;
	enum wait_state state;
	struct wait_frame frames[FRAMES];
};

static size_t depth(const struct stack *stack)
{
	size_t n = 0;
	while (n < FRAMES && stack->frames[n].module)
		n++;
	return n;
}

static void compare(const struct stack *stacks, size_t n, unsigned set, uint16_t syscall)
{
	struct wait_facts facts = {
		.probe_set = set, .syscall = syscall, .flags = WAIT_IS_BLOCKED
	};
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		enum wait_state is = wait_state(&facts, stacks[i].frames, depth(&stacks[i]));
		if (is == stacks[i].state)
			continue;
		wrong++;
		print_error("%s: %s instead of %s\n", stacks[i].what, wait_state_name(is),
			wait_state_name(stacks[i].state));
	}
	assert_int_equal(wrong, 0);
}

static const struct stack waits[] = {
	{ "stripped glibc", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_mutex_lock", LIBC }, { "work", APP }, START } },
	{ "glibc with its symbols", WAIT_MUTEX,
		{ { "__lll_lock_wait", LIBC }, { "___pthread_mutex_lock", LIBC },
			{ "work", APP } } },
	{ "symbol versions", WAIT_CONDVAR,
		{ { LOCAL }, { "pthread_cond_wait@@GLIBC_2.3.2", LIBC }, { "work", APP } } },
	{ "two local functions", WAIT_CONDVAR,
		{ { LOCAL }, { LOCAL }, { "pthread_cond_timedwait", LIBC }, { "work", APP } } },
	{ "cond_wait that has its mutex locked by another", WAIT_MUTEX,
		{ { "__lll_lock_wait", LIBC }, { "__pthread_mutex_cond_lock", LIBC },
			{ "___pthread_cond_wait", LIBC }, { "work", APP } } },
	{ "rwlock", WAIT_RWLOCK, { { "pthread_rwlock_wrlock", LIBC }, { "work", APP } } },
	{ "semaphore", WAIT_SEMAPHORE,
		{ { LOCAL }, { "sem_wait", LIBC }, { "work", APP }, START } },
	{ "semaphore of a static program", WAIT_SEMAPHORE,
		{ { "__futex_abstimed_wait_common64", APP }, { "do_futex_wait.constprop.0", APP },
			{ "__new_sem_wait_slow64.constprop.0", APP }, { "work", APP } } },
	{ "barrier", WAIT_BARRIER, { { "pthread_barrier_wait", LIBC }, { "work", APP } } },
	{ "join", WAIT_JOIN, { { LOCAL }, { LOCAL }, { "pthread_join", LIBC }, { "main", APP } } },
	{ "malloc's arena", WAIT_MUTEX,
		{ { LOCAL }, { LOCAL }, { "malloc", LIBC }, { "f", APP } } },
	{ "stdio's lock", WAIT_MUTEX, { { LOCAL }, { "puts", LIBC }, { "f", APP }, START } },
	{ "the system call by its own name", WAIT_FUTEX,
		{ { "syscall", LIBC }, { "my_lock", APP }, { "pthread_mutex_lock", APP } } },
	{ "a program without names", WAIT_FUTEX, { { "", APP }, { "", APP }, { "", APP } } },
	{ "only a stripped libc", WAIT_FUTEX, { { LOCAL }, START } },
	{ "musl", WAIT_CONDVAR,
		{ { "__syscall_cp_c", "/lib/ld-musl-x86_64.so.1" },
			{ "__timedwait_cp", "/lib/ld-musl-x86_64.so.1" },
			{ "__pthread_cond_timedwait", "/lib/ld-musl-x86_64.so.1" },
			{ "work", APP } } },
	{ "musl's own lock", WAIT_MUTEX,
		{ { "__lock", "/lib/ld-musl-x86_64.so.1" }, { "free", "/lib/ld-musl-x86_64.so.1" },
			{ "work", APP } } },
	{ "a static program's function of the name of musl's", WAIT_FUTEX,
		{ { "syscall", APP }, { "lock", APP }, { "work", APP } } },

	{ "std::mutex", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_mutex_lock", LIBC }, { "std::mutex::lock()", APP },
			{ "work()", APP } } },
	{ "std::condition_variable", WAIT_CONDVAR,
		{ { LOCAL }, { "pthread_cond_wait", LIBC },
			{ "std::condition_variable::wait(std::unique_lock<std::mutex>&)",
				"/usr/lib/x86_64-linux-gnu/libstdc++.so.6" },
			{ "work()", APP } } },
	{ "std::latch", WAIT_BARRIER,
		{ { "syscall", LIBC },
			{ "void std::__detail::__platform_wait<int>(int const*, int)", APP },
			{ "std::latch::wait() const", APP }, { "work()", APP } } },
	{ "std::counting_semaphore", WAIT_SEMAPHORE,
		{ { "syscall", LIBC },
			{ "void std::__atomic_wait_address<int, foo(int)::{lambda()#1}>(int "
			  "const*)",
				APP },
			{ "std::counting_semaphore<1l>::acquire()", APP }, { "work()", APP } } },
	{ "std::atomic", WAIT_FUTEX,
		{ { "syscall", LIBC }, { "std::__atomic_base<int>::wait(int) const", APP },
			{ "work()", APP } } },
	{ "std::future", WAIT_CONDVAR,
		{ { "syscall", LIBC },
			{ "std::__atomic_futex_unsigned_base::_M_futex_wait_until(unsigned int*)",
				"/usr/lib/x86_64-linux-gnu/libstdc++.so.6" },
			{ "std::__basic_future<int>::wait() const", APP } } },
	{ "absl::Mutex", WAIT_MUTEX,
		{ { "syscall", LIBC },
			{ "absl::lts_20220623::synchronization_internal::Waiter::Wait(absl::"
			  "lts_20220623::synchronization_internal::KernelTimeout)",
				APP },
			{ "AbslInternalPerThreadSemWait_lts_20220623", APP },
			{ "absl::lts_20220623::Mutex::Block(absl::base_internal::PerThreadSynch*)",
				APP },
			{ "absl::lts_20220623::Mutex::LockSlowLoop(absl::SynchWaitParams*, int)",
				APP },
			{ "absl::lts_20220623::Mutex::Lock()", APP }, { "work()", APP } } },
	{ "absl::Mutex::Await", WAIT_CONDVAR,
		{ { "syscall", LIBC },
			{ "absl::lts_20220623::Mutex::LockSlowLoop(absl::SynchWaitParams*, int)",
				APP },
			{ "absl::lts_20220623::Mutex::AwaitCommon(absl::Condition const&)", APP },
			{ "work()", APP } } },
	{ "gperftools' spin lock", WAIT_MUTEX,
		{ { "syscall", LIBC },
			{ "base::internal::SpinLockDelay(int volatile*, int, int)",
				"/usr/lib/libtcmalloc.so.4" },
			{ "SpinLock::SlowLock()", "/usr/lib/libtcmalloc.so.4" },
			{ "work()", APP } } },

	{ "Rust's mutex", WAIT_MUTEX,
		{ { "syscall", LIBC }, { "std::sys::unix::futex::futex_wait", APP },
			{ "std::sys::unix::locks::futex_mutex::Mutex::lock_contended", APP },
			{ "app::work", APP } } },
	{ "Rust's mutex by its v0 name", WAIT_MUTEX,
		{ { "syscall", LIBC },
			{ "<std::sys::sync::mutex::futex::Mutex>::lock_contended", APP },
			{ "<app::Pool<u8> as app::Work>::run::{closure#0}", APP } } },
	{ "Rust's condvar, with the hash of its crate", WAIT_CONDVAR,
		{ { "syscall", LIBC },
			{ "<std[e28293b1aa0f68bd]::sys::sync::condvar::futex::Condvar>::wait",
				APP },
			{ "std::sys::backtrace::__rust_begin_short_backtrace", APP } } },
	{ "Rust's barrier", WAIT_BARRIER,
		{ { "syscall", LIBC }, { "<std::sync::barrier::Barrier>::wait", APP } } },
	{ "Rust's join", WAIT_JOIN,
		{ { LOCAL }, { LOCAL }, { "<std::sys::thread::unix::Thread>::join", APP },
			{ "std::thread::lifecycle::JoinInner<T>::join", APP } } },
	{ "a receiver of Rust", WAIT_CONDVAR,
		{ { "syscall", LIBC }, { "<std::thread::thread::Thread>::park", APP },
			{ "std::sync::mpmc::list::Channel<T>::recv::{{closure}}", APP } } },
	{ "Rust's condvar", WAIT_CONDVAR,
		{ { "syscall", LIBC }, { "std::sys::pal::unix::futex::futex_wait", APP },
			{ "std::sys::sync::condvar::futex::Condvar::wait_optional_timeout", APP },
			{ "std::sync::poison::condvar::Condvar::wait_while::<u8, fn()>", APP },
			{ "app::work", APP } } },
	{ "Rust's rwlock", WAIT_RWLOCK,
		{ { "syscall", LIBC },
			{ "std::sys::sync::rwlock::futex::RwLock::write_contended", APP },
			{ "app::work", APP } } },
	{ "thread::park", WAIT_CONDVAR,
		{ { "syscall", LIBC }, { "std::thread::park", APP }, { "app::work", APP } } },
	{ "thread::scope", WAIT_JOIN,
		{ { "syscall", LIBC }, { "std::thread::park", APP },
			{ "std::thread::scoped::scope", APP }, { "app::main", APP } } },
	{ "parking_lot", WAIT_MUTEX,
		{ { "syscall", LIBC },
			{ "<parking_lot_core::thread_parker::imp::ThreadParker as "
			  "parking_lot_core::thread_parker::ThreadParkerT>::park",
				APP },
			{ "parking_lot_core::parking_lot::park::{{closure}}", APP },
			{ "parking_lot::raw_mutex::RawMutex::lock_slow", APP },
			{ "app::work", APP } } },
	{ "rayon's idle workers", WAIT_POOL_IDLE,
		{ { "syscall", LIBC },
			{ "std::sys::unix::locks::futex_condvar::Condvar::wait_optional_timeout",
				APP },
			{ "rayon_core::sleep::Sleep::sleep", APP },
			{ "rayon_core::registry::WorkerThread::wait_until_cold", APP } } },

	{ "Go's idle threads", WAIT_IDLE,
		{ { "runtime.futex", APP }, { "runtime.futexsleep", APP },
			{ "runtime.notesleep", APP }, { "runtime.mPark", APP },
			{ "runtime.stopm", APP }, { "runtime.findRunnable", APP },
			{ "runtime.schedule", APP }, { "runtime.park_m", APP },
			{ "runtime.mcall", APP } } },
	{ "Go's monitor", WAIT_IDLE,
		{ { "runtime.futex", APP }, { "runtime.futexsleep", APP },
			{ "runtime.notetsleep_internal", APP }, { "runtime.notetsleep", APP },
			{ "runtime.sysmon", APP } } },
	{ "Go's own locks", WAIT_RUNTIME_LOCK,
		{ { "runtime.futex", APP }, { "runtime.futexsleep", APP }, { "runtime.lock2", APP },
			{ "runtime.lockWithRank", APP },
			{ "runtime.(*mheap).alloc.func1", APP } } },
	{ "Go's world is stopped", WAIT_BARRIER,
		{ { "runtime.futex", APP }, { "runtime.futexsleep", APP },
			{ "runtime.notetsleep_internal", APP }, { "runtime.notetsleep", APP },
			{ "runtime.stopTheWorldWithSema", APP }, { "runtime.systemstack", APP } } },

	{ "OpenMP's workers", WAIT_POOL_IDLE,
		{ { "", "/usr/lib/libgomp.so.1" },
			{ "libgomp.so.1+0x1b2c0", "/usr/lib/libgomp.so.1" }, START } },
	{ "an OpenMP barrier", WAIT_BARRIER,
		{ { "", "/usr/lib/libgomp.so.1" }, { "GOMP_barrier", "/usr/lib/libgomp.so.1" },
			{ "main._omp_fn.0", APP }, { "", "/usr/lib/libgomp.so.1" }, START } },
	{ "an OpenMP lock", WAIT_MUTEX,
		{ { "", "/usr/lib/libgomp.so.1" },
			{ "GOMP_critical_start", "/usr/lib/libgomp.so.1" },
			{ "main._omp_fn.0", APP }, { "", "/usr/lib/libgomp.so.1" }, START } },
	{ "libuv's workers", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC },
			{ "uv_cond_wait", "/usr/lib/libuv.so.1.0.0" },
			{ "", "/usr/lib/libuv.so.1.0.0" }, START } },
	{ "libuv's workers inside of node", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "uv_cond_wait", "/usr/bin/node" },
			{ "worker", "/usr/bin/node" }, START } },
	{ "node's own workers", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "uv_cond_wait", "/usr/bin/node" },
			{ "node::TaskQueue<v8::Task>::BlockingPop()", "/usr/bin/node" },
			{ "node::(anonymous namespace)::PlatformWorkerThread(void*)",
				"/usr/bin/node" },
			START } },
	{ "node's own workers, inlined", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "uv_cond_wait", "/usr/bin/node" },
			{ "node::(anonymous namespace)::PlatformWorkerThread(void*)",
				"/usr/bin/node" },
			START } },
	{ "a function of the program that is called worker", WAIT_CONDVAR,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "worker", APP }, START } },
	{ "a task of a pool that waits", WAIT_CONDVAR,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "task", APP },
			{ "", "/usr/lib/libuv.so.1.0.0" }, START } },
	{ "redis' background threads", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "bioProcessBackgroundJobs", APP },
			START } },
	{ "redis' background threads that contend", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_mutex_lock", LIBC }, { "bioProcessBackgroundJobs", APP },
			START } },
	{ "the GIL", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_cond_timedwait", LIBC }, { "", "/usr/bin/python3.11" },
			{ "PyEval_RestoreThread", "/usr/bin/python3.11" },
			{ "", "/usr/bin/python3.11" } } },
	{ "the GIL, taken in the interpreter", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_cond_timedwait", LIBC }, { "", "/usr/bin/python3.11" },
			{ "_PyEval_EvalFrameDefault", "/usr/bin/python3.11" } } },
	{ "the GIL, until another has taken it", WAIT_MUTEX,
		{ { "__futex_abstimed_wait_common", LIBC }, { "__pthread_cond_wait_common", LIBC },
			{ "___pthread_cond_wait", LIBC },
			{ "python3.11+0x634310", "/usr/bin/python3.11" },
			{ "_PyEval_EvalFrameDefault", "/usr/bin/python3.11" } } },
	{ "an extension called by the interpreter", WAIT_CONDVAR,
		{ { LOCAL }, { "pthread_cond_timedwait", LIBC }, { "", "/usr/lib/extension.so" },
			{ "_PyEval_EvalFrameDefault", "/usr/bin/python3.11" } } },
	{ "a lock of Python", WAIT_SEMAPHORE,
		{ { LOCAL }, { "sem_wait", LIBC },
			{ "PyThread_acquire_lock_timed", "/usr/bin/python3.11" },
			{ "", "/usr/bin/python3.11" },
			{ "_PyEval_EvalFrameDefault", "/usr/bin/python3.11" } } },
	{ "a lock of Python through a stripped libc", WAIT_SEMAPHORE,
		{ { LOCAL }, { LOCAL }, { "PyThread_acquire_lock_timed", "/usr/bin/python3.11" },
			{ "", "/usr/bin/python3.11" } } },
	{ "a lock of postgres through a stripped libc", WAIT_MUTEX,
		{ { LOCAL }, { LOCAL }, { "PGSemaphoreLock", "/usr/bin/postgres" },
			{ "LWLockAcquire", "/usr/bin/postgres" } } },
	{ "a lock of postgres", WAIT_MUTEX,
		{ { LOCAL }, { "sem_wait", LIBC }, { "PGSemaphoreLock", "/usr/bin/postgres" },
			{ "LWLockAcquire", "/usr/bin/postgres" } } },
	{ "HotSpot's monitors", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_cond_wait", LIBC },
			{ "os::PlatformEvent::park()", "/l/libjvm.so" },
			{ "ObjectMonitor::EnterI(JavaThread*)", "/l/libjvm.so" },
			{ "ObjectMonitor::enter(JavaThread*)", "/l/libjvm.so" },
			{ "", "[anon]" } } },
	{ "Java's Thread.sleep", WAIT_SLEEP,
		{ { LOCAL }, { "pthread_cond_timedwait", LIBC },
			{ "os::PlatformEvent::park(long)", "/l/libjvm.so" },
			{ "JavaThread::sleep(long)", "/l/libjvm.so" }, { "", "[anon]" } } },
	{ "jemalloc's own threads", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_timedwait", LIBC },
			{ "", "/usr/lib/libjemalloc.so.2" }, START } },
	{ "HotSpot's own threads", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "", "/l/libjvm.so" },
			{ "", "/l/libjvm.so" }, START } },
};

static void a_futex_is_what_the_waiter_called(void **state)
{
	(void)state;
	compare(waits, sizeof(waits) / sizeof(waits[0]), SET_WAITS, SYS_futex);
}

static const struct stack wakes[] = {
	{ "mutex", WAIT_MUTEX, { { LOCAL }, { "pthread_mutex_unlock", LIBC }, { "work", APP } } },
	{ "the mutex of a condvar", WAIT_MUTEX,
		{ { LOCAL }, { "pthread_cond_wait", LIBC }, { "work", APP } } },
	{ "condvar", WAIT_CONDVAR, { { "pthread_cond_signal", LIBC }, { "work", APP } } },
	{ "condvar of all", WAIT_CONDVAR,
		{ { "__pthread_cond_broadcast", LIBC }, { "work", APP } } },
	{ "rwlock", WAIT_RWLOCK, { { "pthread_rwlock_unlock", LIBC }, { "work", APP } } },
	{ "semaphore", WAIT_SEMAPHORE, { { "sem_post", LIBC }, { "work", APP } } },
	{ "barrier", WAIT_BARRIER, { { "pthread_barrier_wait", LIBC }, { "work", APP } } },
	{ "malloc", WAIT_MUTEX, { { "free", LIBC }, { "work", APP } } },
	{ "mutex, of which a stripped glibc has no name", WAIT_MUTEX,
		{ { LOCAL }, { LOCAL }, { "work", APP } } },
	{ "an end, or what not", WAIT_FUTEX, { { LOCAL }, START } },
	{ "the system call by its own name", WAIT_FUTEX,
		{ { "syscall", LIBC }, { "unlock_wake", APP }, { "work", APP } } },
	{ "musl", WAIT_MUTEX,
		{ { "__unlock", "/lib/ld-musl-x86_64.so.1" },
			{ "free", "/lib/ld-musl-x86_64.so.1" } } },
	{ "Rust's mutex", WAIT_MUTEX,
		{ { "syscall", LIBC }, { "std::sys::unix::futex::futex_wake", APP },
			{ "std::sys::unix::locks::futex_mutex::Mutex::wake", APP },
			{ "app::work", APP } } },
	{ "Rust's guard", WAIT_MUTEX,
		{ { "syscall", LIBC },
			{ "<std::sync::mutex::MutexGuard<alloc::vec::Vec<u8>> as "
			  "core::ops::drop::Drop>::drop",
				APP },
			{ "app::work", APP } } },
	{ "Rust's condvar", WAIT_CONDVAR,
		{ { "syscall", LIBC }, { "std::sync::condvar::Condvar::notify_one", APP },
			{ "app::work", APP } } },
	{ "parking_lot", WAIT_MUTEX,
		{ { "syscall", LIBC }, { "parking_lot::raw_mutex::RawMutex::unlock_slow", APP } } },
	{ "std::atomic", WAIT_FUTEX,
		{ { "syscall", LIBC }, { "std::__atomic_base<int>::notify_one()", APP },
			{ "work()", APP } } },
	{ "std::barrier", WAIT_BARRIER,
		{ { "syscall", LIBC },
			{ "std::__tree_barrier<std::__empty_completion>::arrive(long)", APP },
			{ "work()", APP } } },
	{ "absl::Mutex", WAIT_MUTEX,
		{ { "syscall", LIBC }, { "AbslInternalPerThreadSemPost_lts_20220623", APP },
			{ "absl::lts_20220623::Mutex::UnlockSlow(absl::SynchWaitParams*)",
				APP } } },
	{ "Go that has work for a thread", WAIT_IDLE,
		{ { "runtime.futex", APP }, { "runtime.futexwakeup", APP },
			{ "runtime.notewakeup", APP }, { "runtime.startm", APP },
			{ "runtime.wakep", APP }, { "runtime.ready", APP },
			{ "sync.(*Mutex).Unlock", APP } } },
	{ "Go's own locks", WAIT_RUNTIME_LOCK,
		{ { "runtime.futex", APP }, { "runtime.futexwakeup", APP },
			{ "runtime.unlock2", APP }, { "runtime.unlockWithRank", APP } } },
	{ "the GIL", WAIT_MUTEX,
		{ { "pthread_cond_signal", LIBC }, { "", "/usr/bin/python3.11" },
			{ "PyEval_SaveThread", "/usr/bin/python3.11" } } },
	{ "a lock of postgres", WAIT_MUTEX,
		{ { "sem_post", LIBC }, { "PGSemaphoreUnlock", "/usr/bin/postgres" },
			{ "LWLockRelease", "/usr/bin/postgres" } } },
	{ "redis that has work for its threads", WAIT_POOL_IDLE,
		{ { LOCAL }, { "pthread_mutex_unlock", LIBC }, { "startThreadedIO", APP } } },
	{ "the last one of a team", WAIT_BARRIER, { { "", "/usr/lib/libgomp.so.1" }, START } },
};

static void a_waking_is_what_the_waker_called(void **state)
{
	(void)state;
	compare(wakes, sizeof(wakes) / sizeof(wakes[0]), SET_UNLOCKS, SYS_futex);
}

static void a_waking_by_no_futex_is_no_unlock(void **state)
{
	static const struct stack exits[] = { { "an end", WAIT_JOIN, { START } } };
	static const struct stack kills[] = { { "a signal", WAIT_SIGNAL,
		{ { "pthread_kill", LIBC }, { "pthread_mutex_unlock", LIBC } } } };
	struct wait_facts timer = { .probe_set = SET_UNLOCKS,
		.syscall = SYS_futex,
		.flags = WAIT_IS_BLOCKED | WAIT_IS_INTERRUPT };
	const struct wait_frame unlock = { "pthread_mutex_unlock", LIBC };
	(void)state;
	compare(exits, 1, SET_UNLOCKS, SYS_exit);
	compare(exits, 1, SET_UNLOCKS, SYS_exit_group);
	compare(kills, 1, SET_UNLOCKS, SYS_tgkill);
	assert_int_equal(wait_state(&timer, &unlock, 1), WAIT_SLEEP);
}

static void other_calls_are_what_they_wait_for(void **state)
{
	static const struct {
		uint16_t syscall;
		uint8_t file;
		enum wait_state state;
	} calls[] = {
		{ SYS_read, WAIT_FILE_PIPE, WAIT_PIPE },
		{ SYS_readv, WAIT_FILE_SOCKET, WAIT_SOCKET },
		{ SYS_write, WAIT_FILE_REGULAR, WAIT_FILE },
		{ SYS_read, WAIT_FILE_CHARACTER, WAIT_TERMINAL },
		{ SYS_pread64, WAIT_FILE_BLOCK, WAIT_DISK },
		{ SYS_read, WAIT_FILE_ANONYMOUS, WAIT_EVENT },
		{ SYS_read, WAIT_FILE_NONE, WAIT_OTHER },
		{ SYS_openat, WAIT_FILE_NONE, WAIT_FILE },
		{ SYS_openat, WAIT_FILE_PIPE, WAIT_PIPE },
		{ SYS_recvfrom, WAIT_FILE_NONE, WAIT_SOCKET },
		{ SYS_clock_nanosleep, WAIT_FILE_NONE, WAIT_SLEEP },
		{ SYS_epoll_wait, WAIT_FILE_ANONYMOUS, WAIT_POLL },
		{ SYS_fdatasync, WAIT_FILE_REGULAR, WAIT_DISK },
		{ SYS_wait4, WAIT_FILE_NONE, WAIT_PROCESS },
		{ SYS_rt_sigtimedwait, WAIT_FILE_NONE, WAIT_SIGNAL },
		{ SYS_semtimedop, WAIT_FILE_NONE, WAIT_IPC },
		{ SYS_io_uring_enter, WAIT_FILE_ANONYMOUS, WAIT_IO_URING },
		{ SYS_mmap, WAIT_FILE_NONE, WAIT_OTHER },
		{ SYSCALL_STOPPED, WAIT_FILE_NONE, WAIT_STOPPED },
	};
	/* A name inwards of a call that is no futex decides nothing. */
	const struct wait_frame frames[] = { { "pthread_mutex_lock", LIBC }, { "work", APP } };
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct wait_facts facts = { .probe_set = SET_WAITS,
			.syscall = calls[i].syscall,
			.file = calls[i].file,
			.flags = WAIT_IS_BLOCKED };
		assert_int_equal(wait_state(&facts, frames, 2), calls[i].state);
	}
}

static void callers_say_more_of_other_calls(void **state)
{
	static const struct stack polls[] = {
		{ "a heavy lock of postgres", WAIT_MUTEX,
			{ { "epoll_wait", LIBC }, { "WaitEventSetWait", "/usr/bin/postgres" },
				{ "WaitLatch", "/usr/bin/postgres" },
				{ "ProcSleep", "/usr/bin/postgres" } } },
		{ "Go's network poller", WAIT_IDLE,
			{ { "runtime.epollwait", APP }, { "runtime.netpoll", APP },
				{ "runtime.findRunnable", APP } } },
		{ "an event loop", WAIT_POLL, { { "epoll_wait", LIBC }, { "loop", APP } } },
	};
	static const struct stack sleeps[] = {
		{ "Go's monitor", WAIT_IDLE,
			{ { "runtime.usleep", APP }, { "runtime.sysmon", APP } } },
		{ "a spin lock", WAIT_MUTEX,
			{ { "clock_nanosleep", LIBC }, { "AbslInternalSpinLockDelay", APP } } },
	};
	static const struct stack restarted[] = {
		{ "sleep", WAIT_SLEEP, { { "clock_nanosleep", LIBC }, { "work", APP } } },
		{ "mutex", WAIT_MUTEX, { { LOCAL }, { "pthread_mutex_timedlock", LIBC } } },
	};
	(void)state;
	compare(polls, 3, SET_WAITS, SYS_epoll_wait);
	compare(sleeps, 2, SET_WAITS, SYS_clock_nanosleep);
	compare(restarted, 2, SET_WAITS, SYS_restart_syscall);
}

static void what_the_kernel_knows_comes_first(void **state)
{
	static const struct {
		unsigned set;
		uint8_t flags;
		bool only_runnable;
		enum wait_state state;
	} facts[] = {
		{ 0, 0, false, WAIT_RUNNING },
		{ SET_WAITS, 0, false, WAIT_RUNNABLE },
		{ SET_WAITS, WAIT_IS_NEW, false, WAIT_RUNNABLE },
		{ SET_WAITS, WAIT_IS_BLOCKED, true, WAIT_RUNNABLE },
		{ SET_WAITS, WAIT_IS_BLOCKED, false, WAIT_MUTEX },
		{ SET_WAITS, WAIT_IS_BLOCKED | WAIT_IS_IO, false, WAIT_DISK },
		{ SET_WAITS, WAIT_IS_BLOCKED | WAIT_IS_IO | WAIT_IS_FAULT, false, WAIT_FAULT },
		{ SET_WAITS, WAIT_IS_BLOCKED | WAIT_IS_KERNEL_LOCK | WAIT_IS_FAULT, false,
			WAIT_KERNEL_LOCK },
		{ SET_UNLOCKS, WAIT_IS_BLOCKED | WAIT_IS_KERNEL_LOCK, false, WAIT_KERNEL_LOCK },
	};
	const struct wait_frame frame = { "pthread_mutex_lock", LIBC };
	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct wait_facts f = { .probe_set = facts[i].set,
			.syscall = SYS_futex,
			.flags = facts[i].flags,
			.only_runnable = facts[i].only_runnable };
		assert_int_equal(wait_state(&f, &frame, 1), facts[i].state);
	}
}

/* Whatever a target calls its functions: long, unbalanced, empty. */
static void names_are_only_compared(void **state)
{
	static char lengthy[100000];
	struct wait_facts f = {
		.probe_set = SET_WAITS, .syscall = SYS_futex, .flags = WAIT_IS_BLOCKED
	};
	(void)state;
	memset(lengthy, ':', sizeof(lengthy) - 1);
	const char *names[] = { lengthy, "", NULL, "::", "<", "<<<::", ">>>::>", "a::<b",
		"(::", "{::", " ::", "<a as ::<", "@", "_", "__GI_", "std::", "*::*", "[::]" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct wait_frame frames[100];
		for (size_t j = 0; j < 100; j++)
			frames[j] = (struct wait_frame){ names[i], j % 2 ? NULL : "" };
		assert_int_equal(wait_state(&f, frames, 100), WAIT_FUTEX);
	}
}

static void states_have_names_and_places(void **state)
{
	(void)state;
	for (int i = 0; i < WAIT_COUNT; i++)
		assert_int_equal(wait_state_find(wait_state_name(i)), i);
	assert_int_equal(wait_state_find("idleness"), -EINVAL);
	uint32_t block = wait_states_shown(PROFILE_BLOCK), mutex = wait_states_shown(PROFILE_MUTEX);
	assert_true(block >> WAIT_CONDVAR & 1 && block >> WAIT_MUTEX & 1 && block >> WAIT_PIPE & 1);
	assert_false(block >> WAIT_SLEEP & 1 || block >> WAIT_POLL & 1 ||
		     block >> WAIT_POOL_IDLE & 1 || block >> WAIT_IDLE & 1);
	assert_int_equal(mutex, 1U << WAIT_FUTEX | 1U << WAIT_MUTEX | 1U << WAIT_RWLOCK |
					1U << WAIT_RUNTIME_LOCK | 1U << WAIT_KERNEL_LOCK);
	for (int type = 0; type < PROFILE_TYPES_N; type++)
		if (type != PROFILE_BLOCK && type != PROFILE_MUTEX)
			assert_int_equal(wait_states_shown(type), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_futex_is_what_the_waiter_called),
		cmocka_unit_test(a_waking_is_what_the_waker_called),
		cmocka_unit_test(a_waking_by_no_futex_is_no_unlock),
		cmocka_unit_test(other_calls_are_what_they_wait_for),
		cmocka_unit_test(callers_say_more_of_other_calls),
		cmocka_unit_test(what_the_kernel_knows_comes_first),
		cmocka_unit_test(names_are_only_compared),
		cmocka_unit_test(states_have_names_and_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
