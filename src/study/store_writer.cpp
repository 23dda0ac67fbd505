#include "study/store_writer.hpp"

#include <chrono>
#include <iterator>
#include <utility>

namespace binade {
namespace {

// A commit waits for the disk: rows are collected for a while first.
constexpr std::chrono::milliseconds collecting_time{300};

template <class Row>
void append(std::vector<Row>& to, std::vector<Row>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

store_writer::store_writer(study_store& store) : store_(store), thread_([this] { write_until_closed(); }) {}

store_writer::~store_writer() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void store_writer::rethrow_failure() const {
  if (failure_) std::rethrow_exception(failure_);
}

void store_writer::add(store_batch batch) {
  {
    const std::lock_guard lock(mutex_);
    rethrow_failure();
    append(waiting_.truncations, batch.truncations);
    append(waiting_.steps, batch.steps);
    append(waiting_.evaluations, batch.evaluations);
    append(waiting_.quantizations, batch.quantizations);
    append(waiting_.measurements, batch.measurements);
    append(waiting_.trials, batch.trials);
    ++added_;
  }
  changed_.notify_all();
}

void store_writer::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = added_;
  hurry_ = committed_ < wanted;
  changed_.notify_all();
  changed_.wait(lock, [&] { return committed_ >= wanted || failure_; });
  rethrow_failure();
}

void store_writer::write_until_closed() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || added_ > committed_; });
    if (added_ == committed_ || failure_) return;  // closed, and nothing left or nothing possible
    changed_.wait_for(lock, collecting_time, [&] { return closed_ || hurry_; });
    const store_batch batch = std::exchange(waiting_, {});
    const std::uint64_t taken = added_;
    hurry_ = false;
    lock.unlock();
    std::exception_ptr failure;
    try {
      store_.write(batch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    failure_ = failure;
    if (!failure) committed_ = taken;
    changed_.notify_all();
    if (failure) return;
  }
}

}  // namespace binade
