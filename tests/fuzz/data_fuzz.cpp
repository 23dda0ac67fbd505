// Any bytes are a file of tokens, of IDX or of CIFAR whose every element can be read, or an error that names the file.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "data/image_files.hpp"
#include "data/token_file.hpp"
#include "fuzz/require.hpp"

namespace {

template <class Read>
void read_or_refuse(const fuzz::memory_file& file, Read read) {
  try {
    read();
  } catch (const std::exception& error) {
    fuzz::require(std::string_view(error.what()).find(file.path()) != std::string_view::npos,
                  "an error names the file");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using layout = binade::token_file::layout;
  const fuzz::memory_file file(data, size);
  for (const layout expected : {layout::automatic, layout::llmc, layout::raw, layout::npy})
    read_or_refuse(file, [&] {
      const binade::token_file tokens(file.path(), expected);
      fuzz::require(tokens.count() > 0 && tokens.count() <= size, "there are no more tokens than bytes in the file");
      std::vector<std::int64_t> ids(tokens.count()), last(1);
      tokens.read(0, ids);
      tokens.read(tokens.count() - 1, last);
      fuzz::require(last[0] == ids.back(), "a token is the same alone");
    });
  read_or_refuse(file, [&] {
    const binade::idx_file array = binade::read_idx(file.path());
    std::uint64_t count = 1;
    for (const std::uint32_t d : array.shape) count *= d;
    fuzz::require(count == array.elements().size() && count <= size, "a shape says how many elements there are");
  });
  read_or_refuse(file, [&] { binade::read_mnist(file.path(), file.path()); });
  for (const std::size_t classes : {std::size_t{10}, std::size_t{100}})
    read_or_refuse(file, [&] {
      binade::labelled_images images;
      binade::add_cifar(images, file.path(), classes);
      for (std::size_t i = 0; i < images.count(); ++i)
        fuzz::require(images.bytes(i).size() == 3072, "each record has its pixels");
    });
  return 0;
}
