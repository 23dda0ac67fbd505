#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

#include "study/store.hpp"

namespace binade {

/// The one writer of a store: any number of threads hand it rows, it commits what has come together.
class store_writer {
 public:
  /// @param store  is written by this object alone while it lives
  explicit store_writer(study_store& store);
  /// Commits what is left; errors are lost here: call flush() first.
  ~store_writer();
  store_writer(const store_writer&) = delete;
  store_writer& operator=(const store_writer&) = delete;

  /// Takes the rows for a later commit.  Rows of one call become visible together; calls of one thread in their order.
  /// @pre truncations are of trials that have had no rows in this object yet
  /// @throws what an earlier commit threw
  void add(store_batch batch);
  /// Returns when everything added before is on the disk.  @throws what a commit threw
  void flush();

 private:
  void write_until_closed();
  void rethrow_failure() const;

  study_store& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  store_batch waiting_;
  std::uint64_t added_ = 0, committed_ = 0;  // number of calls of add
  bool hurry_ = false, closed_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace binade
