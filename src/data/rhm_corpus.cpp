#include "data/rhm_corpus.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "binade/elementary.hpp"
#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;  // increment between the draws of a shuffle

void require(bool holds, const char* what, std::size_t given, const std::string& valid) {
  if (!holds)
    throw std::invalid_argument(std::string("rhm_language: ") + what + " is " + std::to_string(given) + "; valid is " +
                                valid);
}

std::size_t at(std::int32_t symbol) {
  return static_cast<std::size_t>(symbol);
}

}  // namespace

rhm_language::rhm_language(const parameters& p, std::size_t length) : p_(p), length_(length) {
  require(p.symbols >= 2 && p.symbols <= 256, "symbols", at(p.symbols), "2..256");
  require(p.productions >= 1 && p.productions < p.symbols, "productions", at(p.productions),
          "1.." + std::to_string(p.symbols - 1) + ", below the number of symbols, with which every string is legal");
  require(p.depth >= 1 && p.depth <= 16, "depth", at(p.depth), "1..16");
  require(length >= 2 && length <= (std::size_t{1} << 20), "length", length, "2..1048576");
  const std::size_t v = at(p.symbols), m = at(p.productions);
  for (std::uint64_t level = 0; level < static_cast<std::uint64_t>(p.depth); ++level) {
    const std::uint64_t key = derived_seed(p.seed, 128 + level);
    std::vector<std::size_t> pairs(v * v);
    std::iota(pairs.begin(), pairs.end(), std::size_t{0});
    for (std::size_t i = pairs.size() - 1; i > 0; --i)  // Fisher and Yates
      std::swap(pairs[i], pairs[scaled_below(mix(key + i * golden), i + 1)]);
    rules_of_level rules{.left = std::vector<std::int32_t>(v * m),
                         .right = std::vector<std::int32_t>(v * m),
                         .owner = std::vector<std::int32_t>(v * v, -1)};
    for (std::size_t i = 0; i < v * m; ++i) {
      rules.left[i] = static_cast<std::int32_t>(pairs[i] / v);
      rules.right[i] = static_cast<std::int32_t>(pairs[i] % v);
      rules.owner[pairs[i]] = static_cast<std::int32_t>(i / m);
    }
    rules_.push_back(std::move(rules));
  }
}

double rhm_language::string_floor() const {
  const auto leaves = static_cast<double>(string_length());
  return (math::log(static_cast<double>(p_.symbols)) + (leaves - 1) * math::log(static_cast<double>(p_.productions))) /
         leaves;
}

// ---- the law of the next symbol ------------------------------------------------------------------------------------

// What a node may be, given all leaves before its first one, goes down the tree.  Its left child has seen the same
// leaves.  Its right child has seen the left child's too, which tell the left child's symbol and no more: of the node's
// alternatives those are left that have a pair with this symbol, and every one has weight 1 / m.
rhm_language::distribution rhm_language::left_child(std::size_t level, const distribution& node) const {
  const std::size_t m = at(p_.productions);
  distribution child(node.size());
  for (std::size_t i = 0; i < rules_[level].left.size(); ++i)
    child[at(rules_[level].left[i])] += node[i / m] / static_cast<double>(m);
  return child;
}

rhm_language::distribution rhm_language::right_child(std::size_t level, const distribution& node,
                                                     std::int32_t left) const {
  distribution child(node.size());
  double sum = 0;
  for (std::size_t right = 0; right < child.size(); ++right) {
    const std::int32_t owner = rules_[level].owner[at(left) * child.size() + right];
    if (owner >= 0) child[right] = node[at(owner)];
    sum += child[right];
  }
  if (sum > 0)
    for (double& p : child) p /= sum;
  return child;
}

/// Of the leaves below one node, all of them; returns the node's symbol.
std::int32_t rhm_language::add_log_probabilities(std::size_t level, const distribution& node,
                                                 std::span<const std::int32_t> leaves,
                                                 std::span<double> log_probabilities) const {
  if (level == rules_.size()) {
    log_probabilities[0] = math::log(node[at(leaves[0])]);
    return leaves[0];
  }
  const std::size_t half = leaves.size() / 2;
  const std::int32_t left =
      add_log_probabilities(level + 1, left_child(level, node), leaves.first(half), log_probabilities.first(half));
  const std::int32_t right = add_log_probabilities(level + 1, right_child(level, node, left), leaves.subspan(half),
                                                   log_probabilities.subspan(half));
  return rules_[level].owner[at(left) * node.size() + at(right)];
}

std::vector<double> rhm_language::next_symbol(std::span<const std::int32_t> start) const {
  if (start.size() >= string_length())
    throw std::invalid_argument("rhm_language::next_symbol: start has " + std::to_string(start.size()) +
                                " symbols and a string " + std::to_string(string_length()) + "; nothing follows");
  const std::size_t v = at(p_.symbols);
  distribution node(v, 1 / static_cast<double>(v));
  for (std::size_t level = 0; level < rules_.size(); ++level) {
    const std::size_t half = string_length() >> (level + 1);
    if (start.size() < half) {
      node = left_child(level, node);
      continue;
    }
    std::vector<std::int32_t> symbols(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(half));
    for (std::size_t above = rules_.size(); above-- > level + 1;) {
      for (std::size_t i = 0; i + 1 < symbols.size(); i += 2) {
        symbols[i / 2] = rules_[above].owner[at(symbols[i]) * v + at(symbols[i + 1])];
        if (symbols[i / 2] < 0) return distribution(v);
      }
      symbols.resize(symbols.size() / 2);
    }
    node = right_child(level, node, symbols[0]);
    start = start.subspan(half);
  }
  return node;
}

std::optional<std::vector<std::int32_t>> rhm_language::parse(std::span<const std::int32_t> string) const {
  if (string.size() != string_length())
    throw std::invalid_argument("rhm_language::parse: string has " + std::to_string(string.size()) + " symbols; " +
                                std::to_string(string_length()) + " are needed");
  const std::size_t v = at(p_.symbols);
  std::vector<std::int32_t> tree(2 * string.size() - 1);
  std::copy(string.begin(), string.end(), tree.end() - static_cast<std::ptrdiff_t>(string.size()));
  for (std::size_t level = rules_.size(); level-- > 0;)
    for (std::size_t node = (std::size_t{1} << level) - 1; node < (std::size_t{2} << level) - 1; ++node) {
      tree[node] = rules_[level].owner[at(tree[2 * node + 1]) * v + at(tree[2 * node + 2])];
      if (tree[node] < 0) return std::nullopt;
    }
  return tree;
}

// ---- documents -----------------------------------------------------------------------------------------------------

void rhm_language::document(split which, std::uint64_t d, std::span<std::int32_t> tokens,
                            std::span<double> log_probabilities) const {
  check_document_buffers("rhm_language", length_, tokens.size(), log_probabilities.size());
  const document_draws draw(p_.seed, which, d);
  const std::size_t leaves = string_length(), m = at(p_.productions), v = at(p_.symbols);
  tokens[0] = 0;
  if (!log_probabilities.empty()) log_probabilities[0] = 0;
  std::vector<std::int32_t> tree(2 * leaves - 1);
  std::vector<double> log_p(leaves);
  for (std::size_t first = 1; first < length_; first += leaves) {
    // The node's number is a position of the string: there are fewer nodes with children than leaves.
    tree[0] = static_cast<std::int32_t>(scaled_below(draw(first, 1), v));
    for (std::size_t level = 0; level < rules_.size(); ++level)
      for (std::size_t node = (std::size_t{1} << level) - 1; node < (std::size_t{2} << level) - 1; ++node) {
        const std::size_t pair = at(tree[node]) * m + scaled_below(draw(first + node, 0), m);
        tree[2 * node + 1] = rules_[level].left[pair];
        tree[2 * node + 2] = rules_[level].right[pair];
      }
    const auto string = std::span<const std::int32_t>(tree).last(leaves);
    const std::size_t count = std::min(leaves, length_ - first);
    for (std::size_t i = 0; i < count; ++i) tokens[first + i] = 1 + string[i];
    if (log_probabilities.empty()) continue;
    add_log_probabilities(0, distribution(v, 1 / static_cast<double>(v)), string, log_p);
    std::copy_n(log_p.begin(), count, log_probabilities.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

std::string rhm_language::description() const {
  return "rhm corpus: " + std::to_string(p_.symbols) + " symbols, " + std::to_string(p_.productions) +
         " productions each, strings of " + std::to_string(string_length()) + " tokens, documents of " +
         std::to_string(length_ - 1) + " tokens, seed " + std::to_string(p_.seed);
}

std::string rhm_language::canonical_text() const {
  return "corpus = \"rhm\"\nsymbols = " + std::to_string(p_.symbols) +
         "\nproductions = " + std::to_string(p_.productions) + "\ndepth = " + std::to_string(p_.depth) +
         "\nseed = " + std::to_string(p_.seed) + "\n";
}

data_kind rhm_kind() {
  return {"rhm", "a synthetic random hierarchy, with a known entropy", [](const data_request& r) -> data_opener {
            rhm_language::parameters p;
            p.symbols = static_cast<int>(read_whole(r.table, "symbols", 2, 256, p.symbols));
            p.productions = static_cast<int>(
                read_whole(r.table, "productions", 1, p.symbols - 1, std::min(p.productions, p.symbols - 1)));
            p.depth = static_cast<int>(read_whole(r.table, "depth", 1, 16, p.depth));
            p.seed = r.seed();
            const std::size_t context = r.sequence_length(), rows = r.validation_documents();
            return [=] {
              return std::make_unique<language_source>(std::make_shared<const rhm_language>(p, context + 1), context,
                                                       rows);
            };
          }};
}

}  // namespace binade
