/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits_cpp SECONDS: each of C++'s means of waiting, again and again, each in a thread of its own
 * and for about 3 ms, until a partner ends it.
 *
 *   (thread) path_mutex | path_shared_mutex | path_condition | path_semaphore | path_barrier |
 *            path_latch | path_future | path_join | path_atomic
 */
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

#define FRAME __attribute__((noinline, noclone))

namespace
{
using clock_type = std::chrono::steady_clock;
clock_type::time_point end;

void pause_a_while(int ms = 3)
{
	std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

bool goes_on()
{
	return clock_type::now() < end;
}
} // namespace

template <class Mutex> struct held {
	Mutex mutex;
	std::atomic<bool> done{ false };
	std::binary_semaphore asked{ 0 }, given{ 0 };
	std::thread partner{ [this] {
		while (asked.acquire(), !done) {
			mutex.lock();
			given.release();
			pause_a_while();
			mutex.unlock();
		}
		given.release();
	} };

	bool ask()
	{
		done = !goes_on();
		asked.release();
		given.acquire();
		return !done;
	}
};

FRAME void path_mutex(held<std::mutex> &h)
{
	h.mutex.lock();
	h.mutex.unlock();
}

FRAME void path_shared_mutex(held<std::shared_mutex> &h)
{
	h.mutex.lock_shared();
	h.mutex.unlock_shared();
}

FRAME void path_condition(std::mutex &mutex, std::condition_variable &condition, bool &flag)
{
	std::unique_lock lock(mutex);
	condition.wait(lock, [&flag] { return flag; });
	flag = false;
}

FRAME void path_semaphore(std::counting_semaphore<8> &semaphore)
{
	semaphore.acquire();
	asm volatile("");
}

FRAME void path_barrier(std::barrier<> &barrier)
{
	barrier.arrive_and_wait();
	asm volatile("");
}

FRAME void path_latch(std::latch &latch)
{
	latch.wait();
	asm volatile("");
}

FRAME int path_future(std::future<int> &&future)
{
	return future.get();
}

FRAME void path_join(std::thread &thread)
{
	thread.join();
	asm volatile("");
}

FRAME void path_atomic(std::atomic<int> &word)
{
	word.wait(0);
	word = 0;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	end = clock_type::now() + std::chrono::milliseconds(int(1000 * atof(argv[1])));
	held<std::mutex> locked;
	held<std::shared_mutex> shared;
	std::mutex mutex;
	std::condition_variable condition;
	std::counting_semaphore<8> semaphore{ 0 };
	std::barrier<> barrier{ 2 };
	std::atomic<int> word{ 0 };
	std::atomic<bool> stopped{ false };
	bool flag = false;

	std::vector<std::thread> waiters;
	waiters.emplace_back([&] {
		while (locked.ask())
			path_mutex(locked);
	});
	waiters.emplace_back([&] {
		while (shared.ask())
			path_shared_mutex(shared);
	});
	waiters.emplace_back([&] {
		while (goes_on())
			path_condition(mutex, condition, flag);
	});
	waiters.emplace_back([&] {
		while (goes_on())
			path_semaphore(semaphore);
	});
	waiters.emplace_back([&] {
		while (goes_on())
			path_barrier(barrier);
		barrier.arrive_and_drop();
	});
	waiters.emplace_back([&] {
		while (goes_on())
			path_atomic(word);
	});
	waiters.emplace_back([&] {
		while (goes_on()) {
			std::latch latch{ 1 };
			std::thread opener([&latch] { pause_a_while(), latch.count_down(); });
			path_latch(latch);
			opener.join();
		}
	});
	waiters.emplace_back([&] {
		while (goes_on()) {
			std::promise<int> promise;
			std::thread other([&promise] { pause_a_while(), promise.set_value(1); });
			path_future(promise.get_future());
			other.join();
		}
	});
	waiters.emplace_back([&] {
		while (goes_on()) {
			std::thread other([] { pause_a_while(); });
			path_join(other);
		}
	});
	std::thread waker([&] {
		while (!stopped) {
			pause_a_while();
			{
				std::lock_guard lock(mutex);
				flag = true;
			}
			condition.notify_one();
			semaphore.release();
			word = 1;
			word.notify_one();
		}
	});
	std::thread passer([&] {
		while (goes_on()) {
			pause_a_while();
			barrier.arrive_and_wait();
		}
		barrier.arrive_and_drop();
	});
	for (auto &waiter : waiters)
		waiter.join();
	stopped = true;
	waker.join();
	passer.join();
	locked.partner.join();
	shared.partner.join();
	return 0;
}
