#include "data/labelled_images.hpp"

#include <stdexcept>
#include <utility>

namespace binade {
namespace {

/// The run that holds image `index`, which becomes its place there.
std::size_t run_of(const labelled_images& images, std::size_t& index) {
  std::size_t run = 0;
  while (index >= images.runs.at(run).count) index -= images.runs[run++].count;
  return run;
}

}  // namespace

std::span<const std::byte> labelled_images::bytes(std::size_t index) const {
  const pixel_run& run = runs[run_of(*this, index)];
  return run.file->bytes(run.first + index * run.stride, pixels());
}

void labelled_images::read(std::size_t index, std::span<float> values) const {
  const pixel_run& run = runs[run_of(*this, index)];
  widen(run.type, run.file->bytes(run.first + index * run.stride, pixels() * size_of(run.type)), values);
}

labelled_images labelled_images::split_off(std::size_t index) {
  labelled_images rest{.channels = channels, .height = height, .width = width};
  rest.labels.assign(labels.begin() + static_cast<std::ptrdiff_t>(index), labels.end());
  labels.resize(index);
  if (rest.labels.empty()) return rest;
  const std::size_t run = run_of(*this, index);
  rest.runs.assign(runs.begin() + static_cast<std::ptrdiff_t>(run), runs.end());
  rest.runs.front().first += index * rest.runs.front().stride;
  rest.runs.front().count -= index;
  runs.resize(run + 1);
  runs.back().count = index;
  return rest;
}

}  // namespace binade
