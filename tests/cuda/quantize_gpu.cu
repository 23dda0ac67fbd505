// The verbs on the device against the verbs on the CPU, byte for byte.

#include <cstring>
#include <stdexcept>

#include "cases.hpp"
#include "device.cuh"
#include "quantize.hpp"

namespace {

using namespace binade;

std::size_t comparisons = 0, failures = 0;

/// @pre the vector outlives the full expression that the bytes are used in
template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

void expect_equal(const std::string& what, std::span<const std::byte> got, std::span<const std::byte> want) {
  ++comparisons;
  if (got.size() == want.size() && std::memcmp(got.data(), want.data(), got.size()) == 0) return;
  std::size_t at = 0;
  while (at < std::min(got.size(), want.size()) && got[at] == want[at]) ++at;
  std::cout << what << ": differs from the CPU at byte " << at << " of " << want.size() << '\n';
  ++failures;
}

void compare(const char* text, const axis_view& view, bool wild) {
  const quantizer q = parse_quantizer(text);
  const std::string name = std::string(text) + " on (" + std::to_string(view.outer) + ", " +
                           std::to_string(view.length) + ", " + std::to_string(view.inner) + (wild ? ") wild" : ")");
  const std::vector<float> x = cases::inputs(view.size(), wild);
  const device_array<float> input(x), out(x.size());
  std::vector<float> want(x.size());

  quantize(x, view, q, cases::noise, want);
  cuda::quantize(input.get(), view, q, cases::noise, out.get());
  expect_equal(name + " quantize", bytes_of(out.host()), bytes_of(want));

  device_array<std::byte> codes(view.size() * cuda::code_bytes(q.elem.format));
  device_array<std::byte> scales(std::max<std::size_t>(1, scale_count(view, q)) *
                                 cuda::code_bytes(q.scalings[0].format));
  device_array<std::byte> outer_scales(std::max<std::size_t>(1, outer_scale_count(view, q)) *
                                       cuda::code_bytes(q.scalings[1].format));
  const auto encode_there = [&] {
    cuda::encode(input.get(), view, q, cases::noise, codes.get(), scales.get(), outer_scales.get());
  };
  encoded code;
  try {
    code = encode(x, view, q, cases::noise);
  } catch (const std::invalid_argument&) {
    ++comparisons;
    try {
      encode_there();
      std::cout << name << ": a NaN was encoded that the CPU refuses\n";
      ++failures;
    } catch (const std::invalid_argument&) {
    }
    return;
  }
  encode_there();
  expect_equal(name + " encode", bytes_of(codes.host()), cases::bytes_of(code.codes));
  if (q.levels > 0) expect_equal(name + " scales", bytes_of(scales.host()), cases::bytes_of(code.scales));
  if (q.levels > 1)
    expect_equal(name + " outer scales", bytes_of(outer_scales.host()), cases::bytes_of(code.outer_scales));

  decode(code, view, q, want);
  cuda::decode(codes.get(), scales.get(), outer_scales.get(), view, q, out.get());
  expect_equal(name + " decode", bytes_of(out.host()), bytes_of(want));
}

}  // namespace

int main() try {
  if (!has_device()) return skipped;
  for (const char* text : cases::quantizers)
    for (const axis_view& view : cases::views)
      for (const bool wild : {false, true}) compare(text, view, wild);
  for (const char* text : cases::quantizers)
    for (const axis_view& view : cases::large_views) compare(text, view, false);
  std::cout << comparisons << " comparisons with the CPU, " << failures << " differ\n";
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "quantize_gpu: " << error.what() << '\n';
  return 1;
}
