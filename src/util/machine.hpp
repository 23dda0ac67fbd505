#pragma once
/// Where and when a number came to be: goes with stored results, decides nothing.

#include <string>

namespace binade {

/// The processor's name as the system gives it, or its family.
std::string cpu_name();
/// Name and version of the compiler that this program was made with.
std::string compiler_name();
/// Now, UTC: 2026-01-31T12:34:56Z
std::string utc_now();

}  // namespace binade
