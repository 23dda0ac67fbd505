#pragma once

#include <span>
#include <string>

#include "tape.hpp"

namespace binade {

/// A trained array of a model.
template <class T>
struct parameter {
  std::string name;
  variable<T> value;
};

/// XXH3 of names, shapes and values in order: equal for equal weights, and only then as far as anybody will see.
std::string weights_digest(std::span<const parameter<float>> parameters);

}  // namespace binade
