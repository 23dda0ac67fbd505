// Quantizers with scales against tests/golden/blocks/*.txt, which make_blocks.py writes with exact rationals and shares
// nothing with the library.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/text.hpp"

namespace binade {
namespace {

/// The golden files, or what random_blocks.py wrote.
std::filesystem::path folder() {
  const char* const other = std::getenv("BINADE_BLOCKS_GOLDEN");
  return other != nullptr ? other : std::filesystem::path(BINADE_SOURCE_DIR) / "tests/golden/blocks";
}

using words = std::vector<std::uint64_t>;
constexpr std::uint64_t any = ~std::uint64_t(0);  ///< "?": a scale that the definition leaves open

struct matrix {
  std::size_t rows = 0, cols = 0;
  words bits;
};

struct golden_case {
  std::string input, text;
  bool refused = false;  ///< encode has no code for a NaN
  words codes{}, scales{}, outer_scales{}, values{};
};

/// Lines of "word numbers", numbers in hexadecimal; a line that begins with a blank continues the one before.
class reader {
 public:
  explicit reader(const std::string& file) : stream_(folder() / file) {
    if (!stream_) throw std::runtime_error("cannot read " + (folder() / file).string());
    advance();
  }
  bool done() const { return word_.empty(); }
  const std::string& word() const { return word_; }
  /// What follows the word; then the next line.
  std::string rest() {
    std::string rest = rest_;
    advance();
    return rest;
  }
  /// digits: shorter numbers end in as many zeros as they lack; 0: they are as they stand.
  words numbers(std::size_t digits = 0) {
    words all;
    do {
      std::istringstream in(rest_);
      for (std::string number; in >> number;) {
        if (number.size() < digits) number.resize(digits, '0');
        all.push_back(number[0] == '?' ? any : std::stoull(number, nullptr, 16));
      }
      advance_line();
    } while (word_.empty() && !rest_.empty());
    skip_comments();
    return all;
  }

 private:
  void advance_line() {
    std::string line;
    word_ = rest_ = "";
    if (!std::getline(stream_, line)) return;
    const std::size_t blank = line.find(' ');
    word_ = line.substr(0, blank);
    if (blank != std::string::npos) rest_ = line.substr(blank + 1);
  }
  void skip_comments() {
    while (word_ == "#") advance_line();
  }
  void advance() {
    advance_line();
    skip_comments();
  }

  std::ifstream stream_;
  std::string word_, rest_;
};

std::map<std::string, matrix> read_inputs() {
  std::map<std::string, matrix> inputs;
  for (reader in("inputs.txt"); !in.done();) {
    if (in.word() != "input") throw std::runtime_error("inputs.txt: unknown line '" + in.word() + "'");
    std::istringstream head(in.rest());
    std::string name;
    matrix m;
    head >> name >> m.rows >> m.cols;
    m.bits = in.numbers(8);
    if (m.bits.size() != m.rows * m.cols) throw std::runtime_error("inputs.txt: " + name + " has the wrong size");
    inputs[name] = m;
  }
  return inputs;
}

std::vector<golden_case> read_cases(const std::string& file) {
  std::vector<golden_case> cases;
  for (reader in(file); !in.done();) {
    const std::string word = in.word();
    if (word == "case") {
      const std::string rest = in.rest();
      const std::size_t blank = rest.find(' ');
      cases.push_back({.input = rest.substr(0, blank), .text = rest.substr(blank + 1)});
      continue;
    }
    golden_case& c = cases.at(cases.size() - 1);
    if (word == "codes")
      c.codes = in.numbers();
    else if (word == "refused")
      c.refused = in.rest().empty();
    else if (word == "scales")
      c.scales = in.numbers();
    else if (word == "outer")
      c.outer_scales = in.numbers();
    else if (word == "values")
      c.values = in.numbers(8);
    else
      throw std::runtime_error(file + ": unknown line '" + word + "'");
  }
  return cases;
}

words words_of(const code_array& codes) {
  return std::visit([](const auto& c) { return words(c.begin(), c.end()); }, codes);
}
words words_of(const std::vector<float>& values) {
  words bits;
  for (const float v : values) bits.push_back(std::bit_cast<std::uint32_t>(v));
  return bits;
}

/// Where `got` first differs, for a message; empty if it does not.
std::string difference(const char* what, const words& got, const words& want) {
  if (got.size() != want.size())
    return std::string(what) + ": " + std::to_string(got.size()) + " of " + std::to_string(want.size());
  std::ostringstream text;
  std::size_t count = 0;
  for (std::size_t k = 0; k < got.size(); ++k)
    if (want[k] != any && got[k] != want[k] && ++count <= 3)
      text << what << "[" << std::dec << k << "] is " << std::hex << got[k] << ", not " << want[k] << "; ";
  if (count > 3) text << std::dec << count << " differ; ";
  return text.str();
}

/// The matrix in the storage order of a view of it: row o * inner + i, column j, at (o * length + j) * inner + i.
template <class T>
std::vector<T> in_view(const std::vector<T>& row_major, const axis_view& view) {
  std::vector<T> stored(row_major.size());
  for (std::size_t k = 0; k < row_major.size(); ++k) {
    const std::size_t row = k / view.length, column = k % view.length;
    stored[(row / view.inner * view.length + column) * view.inner + row % view.inner] = row_major[k];
  }
  return stored;
}

/// What is wrong with a case in this view; empty if nothing is.
std::string judged(const golden_case& c, const quantizer& q, const matrix& m, const axis_view& view) {
  std::vector<float> x, values(m.bits.size()), decoded(m.bits.size());
  for (const std::uint64_t bits : in_view(m.bits, view)) x.push_back(std::bit_cast<float>(std::uint32_t(bits)));
  const words want_values = in_view(c.values, view);
  quantize(x, view, q, {}, values);
  std::string wrong = difference("values", words_of(values), want_values);
  quantize(x, view, q, {}, x);
  if (words_of(x) != words_of(values)) wrong += "in place differs; ";
  x.clear();
  for (const std::uint64_t bits : in_view(m.bits, view)) x.push_back(std::bit_cast<float>(std::uint32_t(bits)));
  try {
    const encoded e = encode(x, view, q, {});
    if (c.refused) return wrong + "encode took a NaN that has no code";
    wrong += difference("codes", words_of(e.codes), in_view(c.codes, view)) +
             difference("scales", words_of(e.scales), c.scales) +
             difference("outer scales", words_of(e.outer_scales), c.outer_scales);
    decode(e, view, q, decoded);
    wrong += difference("decoded", words_of(decoded), want_values);
  } catch (const std::invalid_argument& error) {
    if (!c.refused) wrong += std::string("encode: ") + error.what();
  }
  return wrong;
}

std::vector<std::string> files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    if (entry.path().extension() == ".txt" && entry.path().stem() != "inputs") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

class blocks_golden : public testing::TestWithParam<std::string> {};

TEST_P(blocks_golden, every_case_has_these_bits_in_every_view) {
  const std::map<std::string, matrix> inputs = read_inputs();
  const std::vector<golden_case> cases = read_cases(GetParam() + ".txt");
  EXPECT_GE(cases.size(), 100u) << "too few to judge by";
  std::set<std::string> unread;
  for (const golden_case& c : cases) {
    std::optional<quantizer> q;
    try {
      q = parse_quantizer(c.text);
    } catch (const std::invalid_argument& error) {
      if (unread.insert(c.text).second) ADD_FAILURE() << c.text << ": " << error.what();
      continue;
    }
    const matrix& m = inputs.at(c.input);
    ASSERT_EQ(c.values.size(), m.bits.size()) << c.text;
    std::vector<axis_view> views{{m.rows, m.cols, 1}};
    if (m.rows > 1) views.push_back({1, m.cols, m.rows});
    if (m.rows % 2 == 0) views.push_back({2, m.cols, m.rows / 2});
    for (const axis_view& view : views) {
      const std::string wrong = judged(c, *q, m, view);
      if (wrong.empty()) continue;
      ADD_FAILURE() << c.text << " of " << c.input << " as " << view.outer << " x " << view.length << " x "
                    << view.inner << ": " << wrong;
      break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(files, blocks_golden, testing::ValuesIn(files()), [](const auto& file) { return file.param; });

}  // namespace
}  // namespace binade
