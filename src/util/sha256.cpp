#include "util/sha256.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace binade {
namespace {

using word = std::uint32_t;
__extension__ typedef unsigned __int128 wide;

/// floor(n^(1/root) * 2^32) mod 2^32, by bisection on whole numbers: the standard defines its constants so.
constexpr word root_fraction(std::uint64_t n, int root) {
  std::uint64_t low = 0, high = std::uint64_t(1) << 38;  // the cube root of 311 is below 2^3, the square root of 19 too
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    // middle^2 <= n 2^64, or middle^3 <= n 2^96, without leaving 128 bits: middle < 2^36 where it can be true.
    bool below = middle < std::uint64_t(1) << 36;
    if (below && root == 2) below = wide(middle) * middle <= wide(n) << 64;
    if (below && root == 3) below = wide(middle) * middle * middle <= wide(n) << 96;
    (below ? low : high) = middle;
  }
  return word(low);
}

template <std::size_t Count>
constexpr std::array<word, Count> roots_of_primes(int root) {
  std::array<word, Count> constants{};
  std::size_t found = 0;
  for (std::uint64_t n = 2; found < Count; ++n) {
    bool prime = true;
    for (std::uint64_t d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (prime) constants[found++] = root_fraction(n, root);
  }
  return constants;
}

constexpr auto initial = roots_of_primes<8>(2);
constexpr auto constants = roots_of_primes<64>(3);
static_assert(initial[0] == 0x6a09e667 && initial[7] == 0x5be0cd19 && constants[0] == 0x428a2f98 &&
              constants[63] == 0xc67178f2);

void absorb(std::array<word, 8>& state, const char* block) {
  std::array<word, 64> w{};
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t byte = 0; byte < 4; ++byte) w[i] = w[i] << 8 | static_cast<unsigned char>(block[4 * i + byte]);
  for (std::size_t i = 16; i < 64; ++i) {
    const word a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const word first =
        h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    const word second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  const std::array<word, 8> mixed{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += mixed[i];
}

}  // namespace

std::string sha256_of(std::string_view bytes) {
  std::array<word, 8> state = initial;
  std::size_t done = 0;
  for (; bytes.size() - done >= 64; done += 64) absorb(state, bytes.data() + done);
  std::string last(bytes.substr(done));
  last += '\x80';
  last.resize(last.size() <= 56 ? 56 : 120, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) last += static_cast<char>(std::uint64_t(bytes.size()) * 8 >> shift);
  for (std::size_t block = 0; block < last.size(); block += 64) absorb(state, last.data() + block);
  std::string text;
  for (const word w : state)
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[w >> shift & 15];
  return text;
}

}  // namespace binade
