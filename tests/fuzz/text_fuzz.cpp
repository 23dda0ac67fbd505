// Any text is a value that prints and parses back, or a text_error that points into the text.

#include <optional>
#include <string_view>

#include "binade/accumulator_text.hpp"
#include "fuzz/require.hpp"

namespace {

template <class Parse>
void judge(std::string_view text, Parse parse) {
  std::optional<decltype(parse(text))> value;
  try {
    value = parse(text);
  } catch (const binade::text_error& error) {
    fuzz::require(error.position() <= text.size(), "an error points into the text");
    fuzz::require(error.text() == text, "an error keeps the text");
    return;
  }
  const std::string printed = to_string(*value);
  fuzz::require(parse(printed) == *value, "parse(print(x)) = x");
  fuzz::require(parse(expanded(*value)) == *value, "parse(expanded(x)) = x");
  fuzz::require(to_string(parse(printed)) == printed, "what is printed prints as itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  judge(text, [](std::string_view t) { return binade::parse_format(t); });
  judge(text, [](std::string_view t) { return binade::parse_element(t); });
  judge(text, [](std::string_view t) { return binade::parse_quantizer(t); });
  judge(text, [](std::string_view t) { return binade::parse_accumulator(t); });
  return 0;
}
