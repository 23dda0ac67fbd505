#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace binade {

/// @throws std::invalid_argument that names function and numbers unless first + rows <= available
inline void require_validation_range(std::string_view function, std::string_view what, std::size_t first,
                                     std::size_t rows, std::size_t available) {
  if (first + rows > available)
    throw std::invalid_argument(std::string(function) + ": " + std::string(what) + " up to " +
                                std::to_string(first + rows) + " are asked for and there are " +
                                std::to_string(available));
}

}  // namespace binade
