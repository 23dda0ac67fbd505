#include "recipe/idle_choices.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "util/toml_reader.hpp"

namespace binade {
namespace {

bool has_transform(const quantizer& q, transform_kind kind) {
  return std::any_of(q.transforms.begin(), q.transforms.begin() + q.transform_count,
                     [kind](const transform& t) { return t.kind == kind; });
}

/// A rule on the sites of a model.
class applied_rule {
 public:
  applied_rule(const recipe& r, const recipe_rule& rule, const std::vector<std::string>& sites)
      : recipe_(r), rule_(rule), sites_(sites) {}

  /// True if, somewhere and in some step that the rule is for, an operand has a quantizer that satisfies a predicate.
  template <class Predicate>
  bool any_quantizer(site_operand operand, const Predicate& satisfies) const {
    for (const std::uint32_t step : recipe_.changes()) {
      if (step < rule_.first_step || step >= rule_.end_step) continue;
      for (const std::string& site : sites_) {
        const bool matches = std::any_of(rule_.layers.begin(), rule_.layers.end(),
                                         [&](const std::string& glob) { return matches_glob(glob, site); });
        if (!matches) continue;
        if (const std::optional<quantizer> q = recipe_.resolve(site, operand, step); q && satisfies(*q)) return true;
      }
    }
    return false;
  }
  bool any_transform(site_gemm gemm, transform_kind kind) const {
    return std::any_of(site_operands.begin(), site_operands.end(), [&](const site_operand_names& names) {
      return names.gemm == gemm &&
             any_quantizer(names.operand, [kind](const quantizer& q) { return has_transform(q, kind); });
    });
  }

 private:
  const recipe& recipe_;
  const recipe_rule& rule_;
  const std::vector<std::string>& sites_;
};

/// Refuses a key of products, in the rule and in its tables of single products, where no operand has the transform that
/// it is about.
void refuse_without_transform(const applied_rule& rule, const toml_section& file, const char* key,
                              std::string_view default_word, transform_kind kind, const char* transform) {
  const auto chooses = [&](const toml_section& s) { return s.has(key) && s.text(key) != default_word; };
  const auto why = [&](const std::string& products) {
    return std::string("chooses something about ") + transform + ", and no operand of " + products +
           " has that transform; remove it";
  };
  bool any = false, applies = false;
  for (std::size_t i = 0; i < site_gemm_count; ++i) {
    const toml_section product = file.section(site_gemm_names[i]);
    const bool has = rule.any_transform(site_gemm(i), kind);
    if (chooses(product) && !has) product.fail(key, why("this product"));
    if (product.has(key)) continue;
    any = any || has;
    applies = true;
  }
  if (chooses(file) && applies && !any) file.fail(key, why("these products"));
}

void refuse_idle_gradients(const applied_rule& rule, const recipe_rule& said, const toml_section& file) {
  for (std::size_t i = 0; i < said.gradients.size(); ++i) {
    if (!said.gradients[i] || said.gradients[i]->rule == gradient_rule::plain) continue;
    if (!rule.any_quantizer(site_operand(i), [](const quantizer&) { return true; }))
      file.section("straight_through")
          .fail(site_operands[i].name,
                "is how gradients go through a quantizer, and no forward operand of that name has one; remove it");
  }
}

}  // namespace

void refuse_idle_choices(const recipe& r, const std::vector<std::string>& sites, std::span<const output_kind> outputs) {
  for (const unmatched_layers& u : find_unmatched_layers(r, sites)) {
    const std::optional<toml_section>& file = r.rules[u.rule].source.table;
    if (!file) continue;
    file->fail("layers", "has \"" + u.glob + "\", and this model has no site of that name; the nearest is " +
                             u.nearest_site + "; correct it or leave it out");
  }
  for (const recipe_rule& said : r.rules) {
    if (!said.source.table) continue;
    const toml_section& file = *said.source.table;
    const applied_rule rule(r, said, sites);
    refuse_without_transform(rule, file, "signs", "fixed", transform_kind::random_hadamard,
                             "random Hadamard transforms, rht(N,SEED)");
    refuse_without_transform(rule, file, "residual", "added", transform_kind::clamp, "what clamp(Q) cuts off");
    refuse_idle_gradients(rule, said, file);
  }
  for (std::size_t kind = 0; kind < output_kind_count; ++kind) {
    if (!r.outputs[kind] || !r.source.table) continue;
    if (std::find(outputs.begin(), outputs.end(), output_kind(kind)) != outputs.end()) continue;
    std::string list;
    for (const output_kind has : outputs)
      list += (list.empty() ? "" : ", ") + std::string(output_kind_names[std::size_t(has)]);
    r.source.table->section("outputs").fail(
        output_kind_names[kind], "is for results that this model has not; it has " + (list.empty() ? "none" : list));
  }
}

}  // namespace binade
