#pragma once
/// Where and when a number came to be, which goes with stored results, and what the machine has.  Decides no number.

#include <cstdint>
#include <optional>
#include <string>

namespace binade {

/// The processor's name as the system gives it, or its family.
std::string cpu_name();
/// Name and version of the compiler that this program was made with.
std::string compiler_name();
/// Bytes of memory that a process can have without swapping, as the system estimates it; none where it does not say.
std::optional<std::uint64_t> available_memory();
/// Now, UTC: 2026-01-31T12:34:56Z
std::string utc_now();

}  // namespace binade
