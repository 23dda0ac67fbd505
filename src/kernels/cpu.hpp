// Instruction sets: one body, written once, compiled for every x86-64 level and chosen at run time.
//
//   kernels::multiversion([&]() BINADE_KERNEL_BODY { for (std::size_t i = 0; i < n; ++i) y[i] = math::exp(x[i]); });
//
// The body is inlined into one function per instruction set, so the compiler vectorises it for each.  Whatever the body
// calls in its loop must be inlined too (BINADE_KERNEL_INLINE).  The
// levels differ in speed alone: the project's flags forbid contraction and reassociation, so the bits are the same.
#pragma once

#include <cstdint>
#include <string_view>

#include "binade/config.hpp"

/// Goes after the parameter list of a lambda that is the body of a kernel.
#define BINADE_KERNEL_BODY __attribute__((always_inline))
/// Goes before a function that kernel bodies call in their loops.
#define BINADE_KERNEL_INLINE BINADE_ALWAYS_INLINE

#if defined(__x86_64__)
#define BINADE_TARGET_V3 __attribute__((target("avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,popcnt")))
#define BINADE_TARGET_V4 \
  __attribute__((target("avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))
#endif

namespace binade::kernels {

/// What a kernel is compiled for, the slower first.  `portable` uses what the whole library is compiled for, and is the
/// one level of processors that are not x86-64.
enum class isa : std::uint8_t { portable, x86_64_v3, x86_64_v4 };

/// "portable", "v3" or "v4": the words that BINADE_ISA takes.
std::string_view to_string(isa level);

struct x86_features;  // kernels/processor.hpp
/// The best level of such a processor.
/// @throws std::runtime_error that names what it lacks of x86-64-v3, which the engine needs
isa best_isa(const x86_features& has);

/// The best level of this machine.  @throws as best_isa()
isa detected_isa();

/// The level that kernels use: the detected one, unless the environment variable BINADE_ISA (read once, at the first
/// call) or an isa_scope says otherwise.
/// @throws std::invalid_argument if BINADE_ISA is no level, or one that this machine lacks
isa active_isa();

/// Forces a level while it lives (tests and benchmarks; process-wide, not for use while other threads compute).
/// @throws std::invalid_argument if this machine lacks the level
class isa_scope {
 public:
  explicit isa_scope(isa level);
  ~isa_scope();
  isa_scope(const isa_scope&) = delete;
  isa_scope& operator=(const isa_scope&) = delete;

 private:
  isa previous_;
};

namespace detail {
#if defined(__x86_64__)
template <class Body>
BINADE_TARGET_V3 void run_v3(const Body& body) {
  body();
}
template <class Body>
BINADE_TARGET_V4 void run_v4(const Body& body) {
  body();
}
#endif
}  // namespace detail

/// Runs body(), compiled for the active instruction set.
template <class Body>
void multiversion(const Body& body) {
#if defined(__x86_64__)
  const isa level = active_isa();
  if (level == isa::x86_64_v4) return detail::run_v4(body);
  if (level == isa::x86_64_v3) return detail::run_v3(body);
#endif
  body();
}

}  // namespace binade::kernels
