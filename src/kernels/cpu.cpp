#include "kernels/cpu.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/processor.hpp"

namespace binade::kernels {
namespace {

isa checked(isa level, std::string_view asked_by) {
  const isa best = detected_isa();
  if (level > best)
    throw std::invalid_argument(std::string(asked_by) + ": instruction set '" + std::string(to_string(level)) +
                                "' is not available on this machine; the best here is '" +
                                std::string(to_string(best)) + "'");
  return level;
}

isa initial_isa() {
  const char* text = std::getenv("BINADE_ISA");
  if (text == nullptr || *text == '\0') return detected_isa();
  for (isa level : {isa::portable, isa::x86_64_v3, isa::x86_64_v4})
    if (text == to_string(level)) return checked(level, "BINADE_ISA");
  throw std::invalid_argument("BINADE_ISA: unknown instruction set '" + std::string(text) +
                              "'; valid: v3 and v4 (on x86-64) and portable; unset it to use the best");
}

/// Reads the environment at the first call; a throwing first call is repeated at the next one.
std::atomic<isa>& current_isa() {
  static std::atomic<isa> level{initial_isa()};
  return level;
}

}  // namespace

std::string_view to_string(isa level) {
  switch (level) {
    case isa::portable:
      return "portable";
    case isa::x86_64_v3:
      return "v3";
    case isa::x86_64_v4:
      return "v4";
  }
  return "?";
}

isa best_isa(const x86_features& has) {
  std::string missing;
  for_each_missing(has, [&missing](std::string_view name) {
    if (!missing.empty()) missing += ", ";
    missing += name;
  });
  if (!missing.empty())
    throw std::runtime_error("detected_isa: this processor lacks " + missing +
                             "; the engine needs x86-64-v3 (Intel since 2013, AMD since 2015)");
  return has.avx512 ? isa::x86_64_v4 : isa::x86_64_v3;
}

isa detected_isa() {
#if defined(__x86_64__)
  return best_isa(processor_features());
#else
  return isa::portable;
#endif
}

isa active_isa() {
  return current_isa().load(std::memory_order_relaxed);
}

isa_scope::isa_scope(isa level) : previous_(active_isa()) {
  current_isa().store(checked(level, "isa_scope"));
}

isa_scope::~isa_scope() {
  current_isa().store(previous_);
}

}  // namespace binade::kernels
