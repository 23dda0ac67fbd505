// `binade quantize` on arrays of several parts, as a user runs it, against one call of the library for the whole array.

#include "binade/quantize.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "binade/text.hpp"
#include "cli/run_program.hpp"
#include "util/npy.hpp"

namespace binade {
namespace {

/// An array of more elements than a part has, and how it is seen.
struct array_case {
  std::vector<std::uint64_t> shape;
  int axis;
  axis_view view;
};
const array_case arrays[] = {{{2'600'001}, -1, {1, 2'600'001, 1}},
                             {{1037, 2501}, -1, {1037, 2501, 1}},
                             {{1037, 2501}, 0, {1, 1037, 2501}},
                             {{37, 130, 550}, 1, {37, 130, 550}},
                             {{2, 1'300'000}, 1, {2, 1'300'000, 1}}};
constexpr const char* quantizers[] = {"e4m3fn/sr:8", "e4m3fn/sr@tensor", "int8@row", "int8/sr@col",
                                      "mxfp4",       "nvfp4:te",         "nvfp4:2d", "mxfp4:torchao"};

std::vector<float> values(std::size_t count) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& value : x) value = std::ldexp(normal(random), int(random() % 12) - 6);
  return x;
}

std::string bytes_of(const std::filesystem::path& file) {
  const npy_file in(file);
  std::string bytes(in.header().count() * size_of(in.header().type), '\0');
  in.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}
template <class T>
std::string bytes_of(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}
std::string bytes_of(const code_array& codes) {
  return std::visit([](const auto& c) { return bytes_of(c); }, codes);
}

TEST(quantize_command, gives_the_bits_of_one_call_for_the_whole_array) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "binade_quantize_command";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto path = [&](const char* name) { return (folder / name).string(); };
  for (const array_case& array : arrays) {
    const std::vector<float> x = values(array.view.size());
    npy_writer file(path("x.npy"), {npy_type::float32, array.shape});
    file.write(x);
    file.commit();
    for (const char* text : quantizers) {
      SCOPED_TRACE(std::string(text) + " on " + shape_text(array.shape) + ", axis " + std::to_string(array.axis));
      const quantizer q = parse_quantizer(text);
      const noise_source source{.seed = 3, .stream = 4, .step = 5};
      std::vector<float> want(x.size());
      quantize_counters counters;
      quantize(x, array.view, q, source, want, &counters);
      const encoded codes = encode(x, array.view, q, source);
      std::vector<std::string> arguments{BINADE_PROGRAM, "quantize", path("x.npy"), path("q.npy"),
                                         "--to",         text,       "--axis",      std::to_string(array.axis),
                                         "--seed",       "3",        "--stream",    "4",
                                         "--step",       "5",        "--codes",     path("c.npy"),
                                         "--json"};
      if (q.levels > 0) arguments.insert(arguments.end(), {"--scales", path("s.npy")});
      if (q.levels > 1) arguments.insert(arguments.end(), {"--outer-scales", path("o.npy")});
      const program_result result = run_program(arguments);
      ASSERT_EQ(result.exit_code, 0) << result.errors;
      ASSERT_EQ(result.errors, "");
      ASSERT_TRUE(bytes_of(path("q.npy")) == bytes_of(want));
      ASSERT_TRUE(bytes_of(path("c.npy")) == bytes_of(codes.codes));
      ASSERT_TRUE(q.levels < 1 || bytes_of(path("s.npy")) == bytes_of(codes.scales));
      ASSERT_TRUE(q.levels < 2 || bytes_of(path("o.npy")) == bytes_of(codes.outer_scales));
      const nlohmann::json counts = nlohmann::json::parse(result.output)["counts"];
      ASSERT_EQ(counts["elements"], counters.count);
      ASSERT_EQ(counts["saturated"], counters.saturated);
      ASSERT_EQ(counts["underflowed"], counters.underflowed);
      ASSERT_EQ(counts["amax"], double(counters.amax));
      ASSERT_EQ(counts["sum_sq"], counters.sum_sq);
      ASSERT_EQ(counts["sum_sq_error"], counters.sum_sq_error);
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace binade
