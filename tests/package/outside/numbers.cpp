#include <cstdio>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"
#include "binade/version.hpp"

int main() {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the last term survives only if the product was not rounded before the
  // subtraction.
  volatile float x = 1 + 0x1p-12f;
  const float difference = x * x - 1;
  if (difference != 0x1p-11f) return std::puts("the compiler contracted a*b - c: binade::numbers lost its flags"), 1;

  const binade::element element{.format = binade::formats::e4m3fn};
  if (binade::encode(element, 448.0f) != 0x7e || binade::decode(element.format, 0x7e) != 448)
    return std::puts("448 is not code 0x7e"), 1;
  std::printf("binade %.*s\n", static_cast<int>(binade::version.size()), binade::version.data());
}
