#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "binade/quantize.hpp"
#include "kernels/parallel.hpp"
#include "kernels/quantize.hpp"
#include "tensor.hpp"
#include "util/safetensors.hpp"

namespace binade {

/// How an array is kept between steps.
struct storage_format {
  std::optional<quantizer> format = {};  ///< none: as it is
  axis_view view = {};                   ///< of the array, for the scales of the format
  bool packed = false;                   ///< codes and scales instead of float32 numbers
};

/// An array that an optimizer keeps between steps.
///
/// Packed or not, what load() gives is what was given to store(), rounded by the format: the same bits.  A NaN becomes
/// a zero where it is packed in a format that has no code for it.
template <class T>
class state_array {
 public:
  /// Zeros.
  /// @throws std::invalid_argument if the format does not fit the array, or T is double and there is one
  state_array(const extents& shape, const storage_format& storage, const noise_source& noise);

  const extents& shape() const { return shape_; }
  /// The values, to be worked on and given to store(); not packed, they are the elements that are kept.
  tensor<T> load() const;
  /// @param counters  null, or where what the rounding did goes; zeros where nothing is rounded
  void store(thread_pool& pool, tensor<T> values, const noise_source& noise,
             kernels::rounding_counts* counts = nullptr);

  bool is_rounded() const { return storage_.format.has_value(); }
  /// Bytes that hold the array between steps.
  std::size_t bytes() const;

  /// Adds views of what is kept, all of whose names begin with `name`.
  void save(const std::string& name, std::vector<stored_tensor>& to) const;
  /// @throws std::runtime_error or std::invalid_argument if an array is missing or has another type or size; the state
  /// may then be anything
  void restore(const std::string& name, const safetensors_file& from);

 private:
  void pack_codes(const encoded& array);

  extents shape_;
  storage_format storage_;
  tensor<T> values_;  ///< empty where packed
  tensor<std::uint8_t> codes_, scales_, outer_scales_;
  std::vector<transform_record> records_;
};

}  // namespace binade
