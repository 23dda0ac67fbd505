#pragma once
// std::format("{}", x) for number types, where the standard library has <format> (libstdc++ 13, libc++ 17); nothing
// elsewhere.

#include <version>

#if defined(__cpp_lib_format)
#include <format>

#include "binade/interop/shortest_formatter.hpp"

/// As binade::detail::shortest_formatter says: {} is the shortest text, a specification that of the exact value.
template <auto F>
struct std::formatter<binade::number<F>> : binade::detail::shortest_formatter<F, std::formatter<double>> {};

#endif
