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
  const auto digit_at = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts = i == 0 || text[i - 1] == ' ' || text[i - 1] == '(';
    if (text[i] == '-' && starts && digit_at(i + 1)) {
      result += "\u2212";
    } else if (text[i] == ' ' && i + 1 < text.size() && text[i + 1] == '%') {
      result += "\u00a0";
    } else if (starts && digit_at(i)) {
      std::size_t end = i;
      while (digit_at(end) || (end < text.size() && text[end] == '.' && digit_at(end + 1))) ++end;
      std::size_t exponent = end;
      if (text.compare(end, 2, "e-") == 0)
        for (exponent = end + 2; digit_at(exponent);) ++exponent;
      if (exponent > end + 2)
        result += "<span class=\"number\">" + text.substr(i, exponent - i) + "</span>";
      else
        result += text.substr(i, (exponent = end) - i);
      i = exponent - 1;
    } else {
      result += text[i];
    }
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
