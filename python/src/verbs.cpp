// The verbs over flat arrays in one piece of memory.  They check nothing that python/binade/ checked, and leave the
// interpreter's lock while they work.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "binade/accumulator_text.hpp"
#include "binade/catalogue.hpp"
#include "binade/elementwise.hpp"
#include "binade/matmul.hpp"
#include "binade/packing.hpp"
#include "binade/pieces.hpp"
#include "kernels/parallel.hpp"
#include "module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace binade::python {
namespace {

using input = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using output = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using axes = std::tuple<std::size_t, std::size_t, std::size_t>;         ///< outer, length, inner of an axis_view
using noise = std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>;  ///< seed, stream, step of a noise_source
using found_scales = std::tuple<nb::object, nb::object>;                ///< inner and outer; None where there are none

template <class T>
std::span<const T> elements_of(const input& a) {
  return {static_cast<const T*>(a.data()), a.size()};
}
template <class T>
std::span<T> elements_of(const output& a) {
  return {static_cast<T*>(a.data()), a.size()};
}

axis_view view_of(const axes& a) {
  return {std::get<0>(a), std::get<1>(a), std::get<2>(a)};
}
noise_source source_of(const noise& n) {
  return {std::get<0>(n), std::get<1>(n), std::get<2>(n)};
}

/// Runs pieces on all processors; a single one in the calling thread.
constexpr auto in_parallel = [](std::size_t count, const auto& f) {
  const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, thread_pool::max_threads);
  thread_pool(std::min(threads, std::max<std::size_t>(1, count))).parallel_for(count, f);
};
/// Calls f(first, count) for pieces of an array of `size` elements.
template <class F>
void in_ranges(std::size_t size, F f) {
  in_parallel((size + piece_size - 1) / piece_size,
              [&](std::size_t k) { f(k * piece_size, std::min(piece_size, size - k * piece_size)); });
}

/// Calls visit(span of the unsigned integers) for an array of codes.
template <class Array, class Visit>
auto with_codes(const Array& codes, Visit visit) {
  switch (codes.itemsize()) {
    case 1:
      return visit(elements_of<std::uint8_t>(codes));
    case 2:
      return visit(elements_of<std::uint16_t>(codes));
    case 4:
      return visit(elements_of<std::uint32_t>(codes));
    default:
      return visit(elements_of<std::uint64_t>(codes));
  }
}

// ---- the 16-bit types of x -----------------------------------------------------------------------------------------

std::vector<float> widened(const number_format& storage, std::span<const std::uint16_t> codes) {
  const code_values<float> values(storage, codes.size());
  std::vector<float> wide(codes.size());
  in_ranges(codes.size(), [&](std::size_t first, std::size_t count) {
    decode_each<float, std::uint16_t>(storage, codes.subspan(first, count), values,
                                      std::span(wide).subspan(first, count));
  });
  return wide;
}

/// How many values the storage format does not have, and the index of the first.
struct misfits {
  std::size_t count = 0, first = 0;
};
/// Values as codes of the storage format; a misfit as the nearest one.
misfits narrow(const number_format& storage, std::span<const float> values, std::span<std::uint16_t> codes) {
  const element e{.format = storage, .overflow = overflow_rule::infinity};
  const code_values<float> value(storage, values.size());
  std::atomic<std::size_t> count = 0, first = values.size();
  in_ranges(values.size(), [&](std::size_t begin, std::size_t size) {
    const auto here = values.subspan(begin, size);
    const encoded found = encode(here, {1, size, 1}, unscaled(e), {});
    const auto& found_codes = std::get<std::vector<std::uint16_t>>(found.codes);
    for (std::size_t i = 0; i < size; ++i) {
      codes[begin + i] = found_codes[i];
      if (here[i] != here[i] || value(found_codes[i]) == here[i]) continue;
      ++count;
      std::size_t before = first.load();
      while (begin + i < before && !first.compare_exchange_weak(before, begin + i)) {
      }
    }
  });
  return {count, first};
}

// ---- the verbs -----------------------------------------------------------------------------------------------------

/// @return  None, or of results that x's type does not have: their count, the index of the first and its value
std::optional<std::tuple<std::size_t, std::size_t, float>> quantize_array(const quantizer& q, const input& x,
                                                                          const output& out, const axes& a,
                                                                          const noise& n,
                                                                          const number_format& storage) {
  const nb::gil_scoped_release unlocked;
  const axis_view view = view_of(a);
  const noise_source source = source_of(n);
  if (x.itemsize() == sizeof(float)) {
    quantize_in_pieces(elements_of<float>(x), view, q, source, elements_of<float>(out), in_parallel);
    return {};
  }
  if (x.itemsize() == sizeof(double)) {
    in_ranges(x.size(), [&](std::size_t first, std::size_t count) {
      round_each<double>(q.elem, elements_of<double>(x).subspan(first, count), detail::from_element(source, first),
                         elements_of<double>(out).subspan(first, count));
    });
    return {};
  }
  std::vector<float> values = widened(storage, elements_of<std::uint16_t>(x));
  quantize_in_pieces(values, view, q, source, values, in_parallel);
  const misfits missing = narrow(storage, values, elements_of<std::uint16_t>(out));
  if (missing.count == 0) return {};
  return std::tuple(missing.count, missing.first, values[missing.first]);
}

/// Scales as a NumPy array that owns them; None where there are none.
nb::object array_of(code_array scales) {
  return std::visit(
      [](auto& codes) -> nb::object {
        using vector = std::remove_reference_t<decltype(codes)>;
        if (codes.empty()) return nb::none();
        auto kept = std::make_unique<vector>(std::move(codes));
        const nb::capsule owner(kept.get(), [](void* p) noexcept { delete static_cast<vector*>(p); });
        vector* const v = kept.release();
        return nb::cast(nb::ndarray<nb::numpy, typename vector::value_type>(v->data(), {v->size()}, owner));
      },
      scales);
}

template <class Code>
void encode_wide(const element& e, std::span<const double> x, const noise_source& source, std::span<Code> codes) {
  try {
    in_ranges(x.size(), [&](std::size_t first, std::size_t count) {
      encode_each<double, Code>(e, x.subspan(first, count), detail::from_element(source, first),
                                codes.subspan(first, count));
    });
  } catch (const std::invalid_argument&) {
    encode_each<double, Code>(e, x, source, codes);  // throws the sum of what the pieces refuse
    throw;
  }
}

found_scales encode_array(const quantizer& q, const input& x, const output& out, const axes& a, const noise& n,
                          const number_format& storage) {
  encoded scales;
  {
    const nb::gil_scoped_release unlocked;
    const noise_source source = source_of(n);
    with_codes(out, [&](auto codes) {
      if (x.itemsize() == sizeof(double)) return encode_wide(q.elem, elements_of<double>(x), source, codes);
      const bool is_narrow = x.itemsize() == sizeof(std::uint16_t);
      const std::vector<float> wide =
          is_narrow ? widened(storage, elements_of<std::uint16_t>(x)) : std::vector<float>();
      scales = encode_in_pieces(is_narrow ? std::span<const float>(wide) : elements_of<float>(x), view_of(a), q, source,
                                codes, in_parallel);
    });
  }
  return {array_of(std::move(scales.scales)), array_of(std::move(scales.outer_scales))};
}

code_array copied(const std::optional<input>& scales) {
  if (!scales) return {};
  return with_codes(*scales, [](auto codes) -> code_array {
    return std::vector<std::remove_const_t<typename decltype(codes)::element_type>>(codes.begin(), codes.end());
  });
}

template <class T, class Code>
void decode_unscaled(const number_format& f, std::span<const Code> codes, std::span<T> out) {
  const code_values<T> values(f, codes.size());
  const auto decode_range = [&](std::size_t first, std::size_t count) {
    decode_each<T, Code>(f, codes.subspan(first, count), values, out.subspan(first, count));
  };
  try {
    in_ranges(codes.size(), decode_range);
  } catch (const std::invalid_argument&) {
    decode_range(0, codes.size());  // says where in the whole the code is that some piece refused
    throw;
  }
}

void decode_array(const quantizer& q, const input& given, const std::optional<input>& inner,
                  const std::optional<input>& outer, const axes& a, const output& out) {
  // A record of a transform that keeps none is empty.
  const encoded scales{.codes = {},
                       .scales = copied(inner),
                       .outer_scales = copied(outer),
                       .transforms = std::vector<transform_record>(std::size_t(q.transform_count))};
  const nb::gil_scoped_release unlocked;
  with_codes(given, [&](auto codes) {
    using code = std::remove_const_t<typename decltype(codes)::element_type>;
    if (out.itemsize() == sizeof(double))
      return decode_unscaled<double, code>(q.elem.format, codes, elements_of<double>(out));
    if (q.levels == 0 && q.transform_count == 0)
      return decode_unscaled<float, code>(q.elem.format, codes, elements_of<float>(out));
    decode_in_pieces(codes, scales, view_of(a), q, elements_of<float>(out), in_parallel);
  });
}

/// The float32 of an operand: `storage` is the format of its 16-bit type.
std::vector<float> operand(const input& x, const number_format& storage) {
  if (x.itemsize() == sizeof(std::uint16_t)) return widened(storage, elements_of<std::uint16_t>(x));
  const std::span<const float> values = elements_of<float>(x);
  return {values.begin(), values.end()};
}

void matmul_arrays(const input& a, const number_format& a_storage, const std::optional<quantizer>& a_spec,
                   const input& b, const number_format& b_storage, const std::optional<quantizer>& b_spec,
                   const axes& shape, const std::string& sum, const noise& n, const output& out) {
  const nb::gil_scoped_release unlocked;
  const auto [m, k, columns] = shape;
  matmul(operand(a, a_storage), a_spec.value_or(float_operand), operand(b, b_storage), b_spec.value_or(float_operand),
         {m, k, columns}, parse_accumulator(sum), matmul_streams(source_of(n)), elements_of<float>(out), in_parallel);
}

}  // namespace

void bind_verbs(nb::module_& m) {
  m.def("quantize", quantize_array, "q"_a, "x"_a.noconvert(), "out"_a.noconvert(), "axes"_a, "noise"_a, "storage"_a,
        "Values on the grid.  x, out: float32, float64 or the codes of `storage`, a format of 16 bits.");
  m.def("encode", encode_array, "q"_a, "x"_a.noconvert(), "codes"_a.noconvert(), "axes"_a, "noise"_a, "storage"_a,
        "Codes, into `codes`, and the scale codes of the inner and the outer level.");
  m.def("decode", decode_array, "q"_a, "codes"_a.noconvert(), "scales"_a.noconvert().none(),
        "outer_scales"_a.noconvert().none(), "axes"_a, "out"_a.noconvert(),
        "Values of codes: float64 of formats that float32 cannot hold, without scales; else float32.");
  m.def("matmul", matmul_arrays, "a"_a.noconvert(), "a_storage"_a, "a_spec"_a.none(), "b"_a.noconvert(), "b_storage"_a,
        "b_spec"_a.none(), "shape"_a, "accumulator"_a, "noise"_a, "out"_a.noconvert(),
        "The product of flat matrices, float32 or the codes of their storage; shape: (m, k, n).");
  m.def(
      "accumulator_text", [](const std::string& text) { return to_string(parse_accumulator(text)); }, "text"_a,
      "The canonical text of an accumulator.");
  m.def(
      "scale_counts",
      [](const quantizer& q, const axes& a) {
        return std::tuple(scale_count(view_of(a), q), outer_scale_count(view_of(a), q));
      },
      "q"_a, "axes"_a, "How many scales the inner and the outer level have.");
  m.def(
      "packed_size", [](std::size_t count, int bits) { return packed_size(count, bits); }, "count"_a, "bits"_a,
      "Bytes that `count` codes take.");
  m.def(
      "pack",
      [](const input& codes, int bits, const output& bytes) {
        const nb::gil_scoped_release unlocked;
        with_codes(codes, [&](auto c) { pack(c, bits, packed_layout::dense, elements_of<std::uint8_t>(bytes)); });
      },
      "codes"_a.noconvert(), "bits"_a, "bytes"_a.noconvert(), "A dense little-endian stream of bits, into `bytes`.");
  m.def(
      "unpack",
      [](const input& bytes, int bits, const output& codes) {
        const nb::gil_scoped_release unlocked;
        with_codes(codes, [&](auto c) { unpack(elements_of<std::uint8_t>(bytes), bits, packed_layout::dense, c); });
      },
      "bytes"_a.noconvert(), "bits"_a, "codes"_a.noconvert(), "The codes that bytes hold, into `codes`.");
}

}  // namespace binade::python
