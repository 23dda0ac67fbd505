#include "model/parameter.hpp"

#include "util/hash.hpp"

namespace binade {

std::string weights_digest(std::span<const parameter<float>> parameters) {
  byte_hasher hasher;
  for (const parameter<float>& p : parameters)
    hasher.add(p.name + to_string(p.value.shape())).add(std::as_bytes(p.value.value().values()));
  return hasher.digest();
}

}  // namespace binade
