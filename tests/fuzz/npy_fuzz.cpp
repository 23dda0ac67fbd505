// Any bytes are a .npy file whose every element can be read, or an error that names the file.

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "fuzz/require.hpp"
#include "util/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::memory_file file(data, size);
  try {
    const binade::npy_file read(file.path());
    const std::uint64_t count = read.header().count(), element = binade::size_of(read.header().type);
    fuzz::require(count <= size / element, "there are no more elements than bytes in the file");
    std::vector<std::byte> bytes(count * element);
    read.read(0, bytes);
    if (!binade::is_floating(read.header().type)) return 0;
    std::vector<float> values(count);
    read.read(0, values);
    for (std::uint64_t i = 0; i < count; ++i) {
      float one = 0;
      read.read(i, std::span(&one, 1));
      fuzz::require(one == values[i] || (one != one && values[i] != values[i]), "an element is the same alone");
    }
  } catch (const std::exception& error) {  // std::invalid_argument: a sound file of what is not read
    fuzz::require(std::string_view(error.what()).find(file.path()) != std::string_view::npos,
                  "an error names the file");
  }
  return 0;
}
