#include "report/markup.hpp"

namespace binade {

std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string typeset(std::string_view number) {
  const std::string text = escaped(number);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit_next = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
    const bool in_word = i > 0 && text[i - 1] != ' ' && text[i - 1] != '(';
    if (text[i] == '-' && digit_next && !in_word)
      result += "\u2212";
    else if (text[i] == ' ' && i + 1 < text.size() && text[i + 1] == '%')
      result += "\u00a0";
    else
      result += text[i];
  }
  return result;
}

std::string script_safe(std::string_view json) {
  std::string result;
  for (char c : json)
    if (c == '<')
      result += "\\u003c";
    else
      result += c;
  return result;
}

}  // namespace binade
