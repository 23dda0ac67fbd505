#pragma once
// fmt::format("{}", x) for number types; the {fmt} library, 8 or newer.

#include <fmt/format.h>

#include "binade/interop/shortest_formatter.hpp"

/// As binade::detail::shortest_formatter says: {} is the shortest text, a specification that of the exact value.
template <auto F>
struct fmt::formatter<binade::number<F>> : binade::detail::shortest_formatter<F, fmt::formatter<double>> {};
