// Pieces on a pool of threads: the bits of the whole, whatever their number.  The thread sanitizer runs this too.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "binade/pieces.hpp"
#include "binade/text.hpp"
#include "kernels/parallel.hpp"

namespace binade {
namespace {

TEST(pieces_on_threads, give_the_bits_of_the_whole) {
  const axis_view view{48, 64, 1};
  constexpr noise_source source{.seed = 9, .stream = 2, .step = 1, .first = 5};
  std::vector<float> x(view.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(std::int32_t(noise_at(source, i, 32))) * 0x1p-28f;
  for (const std::string text :
       {"e4m3fn", "mxfp4", "nvfp4", "e4m3fn/sr@tensor", "int8@row", "e2m1fn@tile(4,8)", "mx9"}) {
    SCOPED_TRACE(text);
    const quantizer q = parse_quantizer(text);
    const encoded whole = encode(x, view, q, source);
    const auto& codes_of_whole = std::get<std::vector<std::uint8_t>>(whole.codes);
    std::vector<float> values(x.size());
    quantize(x, view, q, source, values);
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
      thread_pool pool(threads);
      const auto run = [&](std::size_t count, const auto& f) { pool.parallel_for(count, f); };
      std::vector<float> out(x.size());
      quantize_in_pieces(x, view, q, source, out, run, 100);
      EXPECT_EQ(out, values);
      std::vector<std::uint8_t> codes(x.size());
      const encoded scales = encode_in_pieces(x, view, q, source, std::span<std::uint8_t>(codes), run, 100);
      EXPECT_EQ(codes, codes_of_whole);
      EXPECT_EQ(scales.scales, whole.scales);
      EXPECT_EQ(scales.outer_scales, whole.outer_scales);
      out.assign(out.size(), 0);
      decode_in_pieces(std::span<const std::uint8_t>(codes), scales, view, q, out, run, 100);
      EXPECT_EQ(out, values);
    }
  }
}

}  // namespace
}  // namespace binade
