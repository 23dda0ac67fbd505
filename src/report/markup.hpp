#pragma once
/// Small pieces of HTML.

#include <string>
#include <string_view>

namespace binade {

/// Text inside an element or a quoted attribute: & < > " ' become character references.
std::string escaped(std::string_view text);

/// Text with numbers as HTML: escaped, with a real minus sign in front of digits, and no line break before % or inside
/// a number like 3e-3.
std::string typeset(std::string_view number);

/// A JSON document inside <script type="application/json">: no "<" is left that could end the element.
std::string script_safe(std::string_view json);

/// Replaces each {{name}} of `page` by what `value` gives for the name, in one pass: values are never searched.
template <class Value>
std::string fill(std::string_view page, Value value) {
  std::string text;
  for (;;) {
    const std::size_t open = page.find("{{");
    const std::size_t close = open == std::string_view::npos ? open : page.find("}}", open);
    if (close == std::string_view::npos) return text.append(page);
    text.append(page.substr(0, open)).append(value(page.substr(open + 2, close - open - 2)));
    page.remove_prefix(close + 2);
  }
}

}  // namespace binade
