// Any bytes are a safetensors file whose every number can be read, or a std::runtime_error that names the file.  This
// is the reader of checkpoints: what a checkpoint adds is checked after its checksum and its identity.

#include <stdexcept>
#include <string_view>

#include "fuzz/require.hpp"
#include "util/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::memory_file file(data, size);
  try {
    const binade::safetensors_file read = binade::safetensors_file::read(file.path());
    std::size_t bytes = 0;
    for (const binade::stored_tensor& t : read.tensors()) {
      fuzz::require(read.has(t.name) && read.at(t.name).name == t.name, "a listed tensor is there");
      double sum = 0;  // touches every number
      if (t.type == "F64") {
        for (const double x : t.f64()) sum += x;
      } else if (t.type[0] == 'F' || t.type[0] == 'B') {
        if (t.type != "BOOL")
          for (const float x : t.to_f32()) sum += static_cast<double>(x);
      }
      volatile double kept = sum;
      static_cast<void>(kept);
      fuzz::require(t.count() == 0 || t.bytes.size() % t.count() == 0, "a shape says how many numbers there are");
      bytes += t.bytes.size();
    }
    fuzz::require(bytes <= size, "there are no more numbers than bytes in the file");
  } catch (const std::runtime_error& error) {
    fuzz::require(std::string_view(error.what()).find(file.path()) != std::string_view::npos,
                  "an error names the file");
  }
  return 0;
}
