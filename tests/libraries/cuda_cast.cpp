// cuda_cast list                                 the conversions: the text of the binade element, and its input types
// cuda_cast encode TEXT TYPE IN OUT              bit patterns of TYPE in, codes out
// cuda_cast decode TEXT float32 IN OUT           codes in, float32 bit patterns out
//
// The CUDA headers' conversions on the host in bulk; see cast.cpp.

#include <bit>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "libraries/array_file.hpp"
#include "libraries/cuda_conversions.hpp"

namespace {

template <class T, class Bits, class Convert>
void encode(Convert convert, const std::string& in, const std::string& out) {
  if (convert == nullptr) throw std::invalid_argument("CUDA has no such conversion");
  std::vector<std::uint16_t> codes;
  for (const Bits bits : read_array<Bits>(in)) codes.push_back(std::uint16_t(convert(std::bit_cast<T>(bits))));
  write_array(out, codes);
}

void run(const std::string& verb, const std::string& text, const std::string& type, const std::string& in,
         const std::string& out) {
  for (const cuda_headers::conversion& c : cuda_headers::all()) {
    if (text != c.text) continue;
    if (verb == "decode") {
      std::vector<std::uint32_t> values;
      for (const std::uint16_t code : read_array<std::uint16_t>(in))
        values.push_back(std::bit_cast<std::uint32_t>(c.value(code)));
      return write_array(out, values);
    }
    if (type == "float32") return encode<float, std::uint32_t>(c.from_float, in, out);
    if (type == "float64") return encode<double, std::uint64_t>(c.from_double, in, out);
    if (type == "float16") return encode<std::uint16_t, std::uint16_t>(c.from_half, in, out);
    if (type == "bfloat16") return encode<std::uint16_t, std::uint16_t>(c.from_bfloat16, in, out);
  }
  throw std::invalid_argument("no conversion " + verb + " " + text + " " + type);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "list") {
    for (const cuda_headers::conversion& c : cuda_headers::all())
      std::printf("%s float32%s%s%s\n", c.text, c.from_double ? " float64" : "", c.from_half ? " float16" : "",
                  c.from_bfloat16 ? " bfloat16" : "");
    return 0;
  }
  if (argc != 6) {
    std::fputs("usage: cuda_cast list, or cuda_cast encode|decode TEXT TYPE IN OUT\n", stderr);
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], argv[4], argv[5]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_cast: %s\n", error.what());
    return 1;
  }
}
