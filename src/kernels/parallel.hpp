// A pool of threads that work on fixed tiles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace binade {

/// A fixed number of threads, the caller's own among them.
///
/// Work is cut into tiles by its size alone, never by the number of threads, and a tile writes only what is its own: so
/// a result does not depend on how many threads there are or on who took which tile.  A pool of one thread starts none
/// and runs tiles 0, 1, 2, ... inline.  A parallel_for inside a tile runs inline.  Calls from several threads take
/// turns.
class thread_pool {
 public:
  static constexpr std::size_t max_threads = 1024;

  /// @param threads  1..max_threads
  /// @throws std::invalid_argument outside that range; std::system_error if the system refuses a thread
  explicit thread_pool(std::size_t threads);
  ~thread_pool();
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  std::size_t size() const { return threads_; }

  /// Calls body(tile) once for every tile in [0, tiles), in any order, and returns when all are done.
  /// If calls throw, no further tile is begun and the exception of the lowest throwing tile is rethrown here.
  template <class Body>
  void parallel_for(std::size_t tiles, Body&& body) {
    using body_type = std::remove_reference_t<Body>;
    const auto call = [](void* context, std::size_t tile) { (*static_cast<body_type*>(context))(tile); };
    run(tiles, call, const_cast<void*>(static_cast<const void*>(std::addressof(body))));
  }

  /// Calls body(begin, end) for the tiles [0, tile), [tile, 2 tile), ... of [0, count); the last may be short.  tile >
  /// 0.
  template <class Body>
  void parallel_ranges(std::size_t count, std::size_t tile, Body&& body) {
    parallel_for((count + tile - 1) / tile, [&](std::size_t index) {
      const std::size_t begin = index * tile;
      body(begin, std::min(count, begin + tile));
    });
  }

 private:
  struct shared_state;
  using tile_function = void (*)(void* context, std::size_t tile);
  void run(std::size_t tiles, tile_function call, void* context);

  std::size_t threads_;
  std::unique_ptr<shared_state> state_;  ///< none for a pool of one
};

}  // namespace binade
