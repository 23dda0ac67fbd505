#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "binade/quantizer.hpp"

namespace binade {

class toml_section;

/// What an optimizer keeps beside a weight, by the names of the literature.
enum class optimizer_state : std::uint8_t { first_moment, second_moment, momentum };
/// "first_moment", "second_moment" or "momentum".
std::string_view to_string(optimizer_state state);

/// The formats in which weights, gradients and the states of an optimizer are kept between steps.
///
/// Arithmetic is in float32; the result is rounded where it is stored.  The default rounds nothing.
struct optimizer_formats {
  std::optional<quantizer> master_weights = {};  ///< the weights themselves: initial ones and after every update
  std::optional<quantizer> first_moment = {}, second_moment = {}, momentum = {};
  std::optional<quantizer> gradients = {};  ///< before clipping and update: what would be communicated
  bool packed = false;         ///< states with a format are held as codes and scales: same values, less memory
  bool flat = false;           ///< scales of states and gradients run over the whole array as one row
  bool matrices_only = false;  ///< biases and weights of norms stay in float32

  bool operator==(const optimizer_formats&) const = default;

  const std::optional<quantizer>& of(optimizer_state state) const;

  /// The table [optimizer] as TOML with every choice spelled out; empty where nothing is rounded.
  std::string canonical_text() const;
};

/// Reads the table [optimizer] of a recipe file.
/// @throws std::invalid_argument with file, line and key for a quantizer that is none, or `packed` without a format
optimizer_formats read_optimizer_formats(const toml_section& section);

}  // namespace binade
