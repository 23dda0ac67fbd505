#pragma once
// Two pieces of code timed in turn, so that what disturbs the machine disturbs both.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <thread>
#include <vector>

namespace binade::bench {

/// Seconds of this thread on a processor: what another program takes from it in between does not count.
inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}
/// Seconds by the clock, for what runs on several threads.
inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds per call.
template <class Call>
double seconds(const Call& call, int repetitions, double (*clock)() = thread_seconds) {
  const double begin = clock();
  for (int i = 0; i < repetitions; ++i) call();
  return (clock() - begin) / repetitions;
}

/// Returns once this process is idle: threads of a library spin for some milliseconds after its last call, on
/// processors that the next call needs.
inline void wait_until_idle() {
  const auto used = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
  };
  constexpr std::chrono::milliseconds pause(5);
  for (double before = used(), now = 0;; before = now) {
    std::this_thread::sleep_for(pause);
    now = used();
    if (now - before < 1e-4) return;
  }
}
/// Seconds per call of what runs on some threads: of the processor for one, and for more by the clock, after calls
/// that are not timed, until the threads have woken up and gone to processors of their own.
template <class Call>
double seconds_on(std::size_t threads, const Call& call, int repetitions) {
  if (threads == 1) return seconds(call, repetitions);
  wait_until_idle();
  for (const double end = wall_seconds() + 50e-3; wall_seconds() < end;) call();
  return seconds(call, repetitions, wall_seconds);
}

/// The value that a fraction of all lies below.
inline double quantile(std::vector<double> values, double fraction) {
  const auto at = values.begin() + std::ptrdiff_t(fraction * double(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}
inline double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

}  // namespace binade::bench
