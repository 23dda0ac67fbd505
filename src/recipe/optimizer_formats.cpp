#include "recipe/optimizer_formats.hpp"

#include <algorithm>
#include <span>

#include "binade/text.hpp"
#include "util/toml_reader.hpp"

namespace binade {
namespace {

struct format_key {
  std::string_view key;
  std::optional<quantizer> optimizer_formats::*format;
};
/// In the order of the canonical text.
constexpr std::array format_keys{
    format_key{"master_weights", &optimizer_formats::master_weights},
    format_key{"first_moment", &optimizer_formats::first_moment},
    format_key{"second_moment", &optimizer_formats::second_moment},
    format_key{"momentum", &optimizer_formats::momentum},
    format_key{"gradients", &optimizer_formats::gradients},
};

std::optional<quantizer> read_format(const toml_section& section, std::string_view key) {
  const std::string text = section.text(key, "none");
  if (text == "none") return {};
  try {
    return parse_quantizer(text);
  } catch (const text_error& error) {
    section.fail(key, std::string(error.what()) + "\n  (\"none\" leaves it in float32)");
  }
}

bool has_clamp(const quantizer& q) {
  return std::any_of(q.transforms.begin(), q.transforms.begin() + q.transform_count,
                     [](const transform& t) { return t.kind == transform_kind::clamp; });
}

}  // namespace

std::string_view to_string(optimizer_state state) {
  switch (state) {
    case optimizer_state::first_moment:
      return "first_moment";
    case optimizer_state::second_moment:
      return "second_moment";
    case optimizer_state::momentum:
      break;
  }
  return "momentum";
}

const std::optional<quantizer>& optimizer_formats::of(optimizer_state state) const {
  switch (state) {
    case optimizer_state::first_moment:
      return first_moment;
    case optimizer_state::second_moment:
      return second_moment;
    case optimizer_state::momentum:
      break;
  }
  return momentum;
}

std::string optimizer_formats::canonical_text() const {
  std::string text;
  for (const format_key& k : format_keys)
    if (const auto& format = this->*k.format) text += std::string(k.key) + " = \"" + expanded(*format) + "\"\n";
  if (text.empty()) return text;
  const auto flag = [&](const char* key, bool value) {
    text += std::string(key) + (value ? " = true\n" : " = false\n");
  };
  flag("packed", packed);
  flag("flat", flat);
  flag("matrices_only", matrices_only);
  return "[optimizer]\n" + text;
}

optimizer_formats read_optimizer_formats(const toml_section& section) {
  optimizer_formats f;
  for (const format_key& k : format_keys) f.*k.format = read_format(section, k.key);
  for (const format_key& k : format_keys)
    if (const auto& format = f.*k.format; format && is_delayed(*format))
      section.fail(k.key, "has a delayed scale, which operands of products alone have; give amax or static=X");
  f.packed = section.flag("packed", false);
  f.flat = section.flag("flat", false);
  f.matrices_only = section.flag("matrices_only", false);
  if (f.packed && !f.first_moment && !f.second_moment && !f.momentum)
    section.fail("packed", "is true and no state has a format; give one to first_moment, second_moment or momentum");
  for (const format_key& k : std::span(format_keys).subspan(1, 3))
    if (const auto& format = f.*k.format; f.packed && format && has_clamp(*format))
      section.fail(k.key, "has a clamp, whose residual cannot be packed; leave out the clamp, or packed");
  for (const char* key : {"flat", "matrices_only"})
    if (section.has(key) && section.flag(key) && f.canonical_text().empty())
      section.fail(key, "is true and nothing has a format; give one to master_weights, gradients or a state");
  return f;
}

}  // namespace binade
