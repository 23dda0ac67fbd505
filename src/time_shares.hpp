#pragma once
/// Where the time of a training step goes.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace binade {

/// What an operation is, for a profile.
enum class work_kind : std::uint8_t {
  rest,  ///< what nothing else claims: residual sums, embedding, biases, gradients set to zero
  forward_products,
  input_gradient_products,
  weight_gradient_products,
  attention_products,  ///< of all three directions
  quantization,        ///< of operands, results and gradients, with Hadamard transforms
  attention,           ///< softmax, positions and the cutting into heads
  norms,
  activations,
  loss,
  optimizer,  ///< norm of the gradients and clipping included
  data
};
inline constexpr std::size_t work_kind_count = 12;
/// "forward_products"
std::string_view to_string(work_kind kind);

/// Time by kind of work, of one thread.
///
///     time_shares shares;
///     { const time_shares::recording recording(shares);  trainer.step(false); }
///
/// Every moment of a recording belongs to the innermost work_scope, or to work_kind::rest, so that the seconds of all
/// kinds add up to the time that it took.  Workers of a pool have no part in it: it is time of the thread that waits
/// for them.
class time_shares {
 public:
  std::array<double, work_kind_count> seconds{};  ///< by work_kind

  /// Records in the calling thread while it lives.  One at a time.
  class recording {
   public:
    explicit recording(time_shares& into) {
      into.current_ = work_kind::rest;
      into.since_ = clock::now();
      active_ = &into;
    }
    ~recording() { std::exchange(active_, nullptr)->change(work_kind::rest); }
    recording(const recording&) = delete;
    recording& operator=(const recording&) = delete;
  };

 private:
  friend class work_scope;
  using clock = std::chrono::steady_clock;

  /// The time since the last change was of the kind so far.  Returns that kind.
  work_kind change(work_kind to) {
    const clock::time_point now = clock::now();
    seconds[std::size_t(current_)] += std::chrono::duration<double>(now - since_).count();
    since_ = now;
    return std::exchange(current_, to);
  }

  static inline thread_local time_shares* active_ = nullptr;
  work_kind current_ = work_kind::rest;
  clock::time_point since_;
};

/// What the thread does until the end of the scope; costs a test where nothing is recorded.
class work_scope {
 public:
  explicit work_scope(work_kind kind) {
    if (time_shares::active_ != nullptr) outer_ = time_shares::active_->change(kind);
  }
  ~work_scope() {
    if (time_shares::active_ != nullptr) time_shares::active_->change(outer_);
  }
  work_scope(const work_scope&) = delete;
  work_scope& operator=(const work_scope&) = delete;

  /// Of the innermost scope; rest where nothing is recorded.
  static work_kind current() {
    return time_shares::active_ == nullptr ? work_kind::rest : time_shares::active_->current_;
  }

 private:
  work_kind outer_ = work_kind::rest;
};

}  // namespace binade
