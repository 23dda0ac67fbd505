// cast encode ELEMENT float32|float64 IN OUT [NOISE]   bit patterns in, codes out (16 bits each; 0xffff: refused)
// cast decode FORMAT float32|float64 IN OUT            codes in, bit patterns of their values out
// cast add|subtract|multiply|divide|sqrt ELEMENT codes IN OUT   codes of all first operands, then of all second ones
//
// binade's conversions and arithmetic in bulk, for the tests that compare them with other libraries.

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/arithmetic.hpp"
#include "binade/text.hpp"
#include "libraries/array_file.hpp"

namespace {

template <class T, class Bits>
void run(bool encode, const std::string& text, const std::string& in, const std::string& out, std::uint32_t noise) {
  if (encode) {
    const binade::element e = binade::parse_element(text);
    if (e.format.width > 16) throw std::invalid_argument("codes of more than 16 bits: " + text);
    std::vector<std::uint16_t> codes;
    for (const Bits bits : read_array<Bits>(in)) {
      const T x = std::bit_cast<T>(bits);
      codes.push_back(binade::refuses(e, x) ? refused_code : std::uint16_t(binade::encode(e, x, noise)));
    }
    write_array(out, codes);
    return;
  }
  const binade::number_format f = binade::parse_format(text);
  std::vector<Bits> values;
  for (const std::uint16_t code : read_array<std::uint16_t>(in))
    values.push_back(std::bit_cast<Bits>(binade::decode<T>(f, code)));
  write_array(out, values);
}

/// One operation on pairs.  A NaN of a format without one: refused, as a conversion's.
void compute(const std::string& operation, const std::string& text, const std::string& in, const std::string& out) {
  const binade::element e = binade::parse_element(text);
  const std::vector<std::uint16_t> operands = read_array<std::uint16_t>(in);
  const std::size_t count = operands.size() / 2;
  std::vector<std::uint16_t> codes;
  for (std::size_t i = 0; i < count; ++i) {
    const binade::operand x{e.format, operands[i]}, y{e.format, operands[count + i]};
    const bool of_zeros = binade::decode(e.format, x.code) == 0 && binade::decode(e.format, y.code) == 0;
    const bool of_negative = binade::decode(e.format, x.code) < 0;
    const bool is_nan = (operation == "divide" && of_zeros) || (operation == "sqrt" && of_negative);
    const std::uint64_t code = operation == "add"        ? add(e, x, y)
                               : operation == "subtract" ? subtract(e, x, y)
                               : operation == "multiply" ? multiply(e, x, y)
                               : operation == "divide"   ? divide(e, x, y)
                                                         : sqrt(e, x);
    codes.push_back(is_nan && e.format.refuses_nan() ? refused_code : std::uint16_t(code));
  }
  write_array(out, codes);
}

bool is_operation(const std::string& verb) {
  return verb == "add" || verb == "subtract" || verb == "multiply" || verb == "divide" || verb == "sqrt";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 5 ? argv[1] : "", type = argc > 5 ? argv[3] : "";
  const bool computes = argc == 6 && is_operation(verb) && type == "codes";
  if (!computes && (argc > 7 || (verb != "encode" && verb != "decode") || (type != "float32" && type != "float64"))) {
    std::fputs(
        "usage: cast encode|decode TEXT float32|float64 IN OUT [NOISE]\n"
        "       cast add|subtract|multiply|divide|sqrt ELEMENT codes IN OUT\n",
        stderr);
    return 2;
  }
  try {
    if (computes) {
      compute(verb, argv[2], argv[4], argv[5]);
      return 0;
    }
    const auto noise = std::uint32_t(argc == 7 ? std::strtoul(argv[6], nullptr, 10) : 0);
    (type == "float32" ? run<float, std::uint32_t> : run<double, std::uint64_t>)(verb == "encode", argv[2], argv[4],
                                                                                 argv[5], noise);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cast: %s\n", error.what());
    return 1;
  }
}
