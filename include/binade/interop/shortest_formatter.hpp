#pragma once
// What fmt.hpp and format.hpp have in common.

#include <string_view>

#include "binade/charconv.hpp"

namespace binade::detail {

/// {} writes what to_chars() writes.  With a specification, {:.3f} or {:>8} or any other of floating point, the exact
/// value is written as Base, the formatter of double, writes it.
template <auto F, class Base>
struct shortest_formatter : Base {
  template <class Context>
  constexpr auto parse(Context& context) {
    is_plain_ = context.begin() == context.end() || *context.begin() == '}';
    return Base::parse(context);
  }
  template <class Context>
  auto format(number<F> x, Context& context) const {
    if (!is_plain_) return Base::format(static_cast<double>(x), context);
    char text[32];
    const std::to_chars_result result = to_chars(text, text + sizeof text, x);
    auto out = context.out();
    for (const char* at = text; at != result.ptr; ++at) *out++ = *at;
    return out;
  }

 private:
  bool is_plain_ = true;
};

}  // namespace binade::detail
