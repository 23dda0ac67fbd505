#pragma once
// Code books made at run time, each list of values once.

#include <algorithm>
#include <deque>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/code_book.hpp"

namespace binade {

/// The book of these values: the named one with the same list, else one that lives as long as the program.  Equal lists
/// get the same book, so that formats made of them are equal.  Threads may call it at the same time.
/// @throws std::invalid_argument if the values cannot be a code book
inline const code_book* intern_code_book(std::span<const float> values) {
  if (const std::string_view why = defect(code_book{{}, values, {}}); !why.empty())
    throw std::invalid_argument("intern_code_book: " + std::string(why));
  const auto same = [&](const code_book& book) { return std::ranges::equal(book.values, values); };
  for (const code_book* book : book_catalogue)
    if (same(*book)) return book;
  struct kept {
    std::vector<float> values;
    code_book book;
  };
  static std::mutex lock;
  static std::deque<kept> all;  // whose elements stay where they are
  const std::lock_guard hold(lock);
  for (const kept& one : all)
    if (same(one.book)) return &one.book;
  kept& one = all.emplace_back(kept{{values.begin(), values.end()}, {}});
  one.book = {{}, one.values, "written out"};
  return &one.book;
}

}  // namespace binade
