// format, scaling and quantizer: values with one text form.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "binade/format_facts.hpp"
#include "binade/text.hpp"
#include "module.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace binade::python {
namespace {

/// What a floating-point format says of itself; None of the other kinds.
template <class Ask>
auto floating_fact(const number_format& f, Ask ask) -> std::optional<decltype(ask(f.floating))> {
  if (f.kind != format_kind::floating) return {};
  return ask(f.floating);
}

nb::object text_or_none(std::string_view text) {
  return text.empty() ? nb::none() : nb::object(nb::str(text.data(), text.size()));
}

/// The text that a constructor was given.  @throws nb::type_error
std::string_view text_of(const char* type, nb::handle given, const char* valid) {
  if (nb::isinstance<nb::str>(given)) return nb::cast<std::string_view>(given);
  const std::string message =
      std::string(type) + ": text is " + nb::type_name(given.type()).c_str() + "; give " + valid;
  throw nb::type_error(message.c_str());
}

template <class Parse>
auto parsed(const char* type, std::string_view text, Parse parse) -> decltype(parse(text)) {
  try {
    return parse(text);
  } catch (const text_error& e) {
    throw std::invalid_argument(std::string(type) + ": " + e.what());
  }
}

number_format format_from(nb::handle given) {
  if (nb::isinstance<number_format>(given)) return nb::cast<number_format>(given);
  return parsed("format", text_of("format", given, "a text such as 'e4m3fn', or a format"), parse_format);
}
quantizer quantizer_from(nb::handle given) {
  if (nb::isinstance<quantizer>(given)) return nb::cast<quantizer>(given);
  if (nb::isinstance<number_format>(given)) return unscaled({nb::cast<number_format>(given)});
  return parsed("quantizer", text_of("quantizer", given, "a text such as 'mxfp4', a format or a quantizer"),
                parse_quantizer);
}

std::string expanded_text(const number_format& f) {
  return to_string(f);
}
std::string expanded_text(const quantizer& q) {
  return expanded(q);
}

template <class Value>
void bind_equality(nb::class_<Value>& c) {
  c.def(
      "__eq__", [](const Value& a, const Value& b) { return a == b; }, nb::is_operator(),
      nb::sig("def __eq__(self, other: object) -> bool"));
}
/// str, repr, ==, hash and pickle of a value that its text makes.
template <class Value>
void bind_text(nb::class_<Value>& c, const char* type) {
  c.def("__str__", [](const Value& v) { return to_string(v); });
  c.def("__repr__", [type](const Value& v) { return "binade." + std::string(type) + "('" + to_string(v) + "')"; });
  bind_equality(c);
  c.def("__hash__", [](const Value& v) { return nb::hash(nb::str(expanded_text(v).c_str())); });
  c.def("__reduce__", [](nb::handle self) {
    const Value& v = nb::cast<const Value&>(self);
    return nb::make_tuple(self.type(), nb::make_tuple(expanded_text(v)));
  });
}
void bind_format(nb::module_& m) {
  nb::class_<number_format> c(m, "format",
                              "How a code maps to a value: binade.format('e4m3fn'), any format of the text form\n"
                              "(docs/text_form.md).  Immutable; equal if they mean the same, hashable, picklable.\n\n"
                              "str() is the canonical text.  A text that is no format is a ValueError that shows the\n"
                              "place, what is valid there and the nearest known name.");
  c.def(
      "__init__", [](number_format* self, nb::handle text) { new (self) number_format(format_from(text)); },
      "text"_a.none(), nb::sig("def __init__(self, text: str | format) -> None"));
  bind_text(c, "format");

  const auto fact = [&](const char* name, auto ask, const char* says) { c.def_prop_ro(name, ask, says); };
  fact(
      "name", [](const number_format& f) { return to_string(f); }, "The canonical text.");
  fact(
      "kind", [](const number_format& f) { return kind_text(f.kind); },
      "'floating point', 'fixed point', 'logarithmic', 'tapered' or 'code book'.");
  fact(
      "bits", [](const number_format& f) { return f.width; }, "Bits in a code, 1 to 64.");
  fact(
      "max", [](const number_format& f) { return f.max_finite(); }, "The largest finite value.");
  fact(
      "min", [](const number_format& f) { return f.min_finite(); }, "The least finite value.");
  fact(
      "smallest_positive", [](const number_format& f) { return smallest_positive(f); },
      "The smallest value above zero.");
  fact(
      "min_normal",
      [](const number_format& f) { return floating_fact(f, [](const float_format& d) { return d.min_normal(); }); },
      "The smallest value with a full significand; None if this is no floating-point format.");
  fact(
      "min_subnormal",
      [](const number_format& f) {
        return f.kind == format_kind::floating ? min_subnormal(f.floating) : std::optional<double>();
      },
      "The smallest subnormal value; None if there are none.");
  fact(
      "bias", [](const number_format& f) { return floating_fact(f, [](const float_format& d) { return d.bias; }); },
      "Value exponent = exponent field - bias; None if this is no floating-point format.");
  fact(
      "exponent_bits",
      [](const number_format& f) { return floating_fact(f, [](const float_format& d) { return d.exponent_bits(); }); },
      "Bits of the exponent field; None if this is no floating-point format.");
  fact(
      "trailing_bits",
      [](const number_format& f) { return floating_fact(f, [](const float_format& d) { return d.trailing_bits(); }); },
      "Bits of the trailing significand field; None if this is no floating-point format.");
  fact(
      "is_signed", [](const number_format& f) { return f.is_signed(); }, "True if there are negative values.");
  fact(
      "has_infinity", [](const number_format& f) { return f.has_infinity(); }, "True if infinity has a code.");
  fact(
      "has_nan", [](const number_format& f) { return f.has_nan(); }, "True if NaN has a code.");
  fact(
      "has_negative_zero",
      [](const number_format& f) { return f.visit([](const auto& d) { return bool(d.has_negative_zero); }); },
      "True if -0 has a code of its own.");
  fact(
      "has_zero", [](const number_format& f) { return f.can_be_zero(); }, "True if zero is a value.");
  fact(
      "fits_float32", [](const number_format& f) { return f.fits_float(); },
      "True if float32 holds every value; decode gives float64 for the others.");
  fact(
      "source", [](const number_format& f) { return text_or_none(source_of(f)); },
      "The document that defines it; None for formats that no catalogue names.");
}

void bind_scaling(nb::module_& m) {
  nb::class_<scaling> c(m, "scaling", "One level of scales: which elements share one, how it is found and stored.");
  c.def("__str__", [](const scaling& s) { return detail::scaling_text(s, operation_order::standard, false); });
  c.def("__repr__", [](const scaling& s) {
    return "<binade.scaling " + detail::scaling_text(s, operation_order::standard, false) + ">";
  });
  bind_equality(c);
  c.def("__hash__", [](const scaling& s) {
    return nb::hash(nb::str(detail::scaling_text(s, operation_order::standard, true).c_str()));
  });
  c.def_prop_ro(
      "granularity",
      [](const scaling& s) {
        return s.per == granularity::tile && s.tile_rows != 1 ? "tile"
                                                              : detail::word_of(detail::granularity_words, s.per);
      },
      "'tensor', 'row', 'col', 'block' (a tile of one row) or 'tile'.");
  const auto size_or_none = [](std::uint32_t size) { return size == 0 ? std::optional<int>() : int(size); };
  c.def_prop_ro(
      "rows", [=](const scaling& s) { return size_or_none(s.tile_rows); }, "Rows of a tile; None if it is none.");
  c.def_prop_ro(
      "cols", [=](const scaling& s) { return size_or_none(s.tile_cols); },
      "Columns of a tile, the size of a block; None if it is neither.");
  c.def_prop_ro(
      "format", [](const scaling& s) { return number_format(s.format); }, "The format that a scale is stored in.");
  c.def_prop_ro(
      "power_of_two", [](const scaling& s) { return s.power_of_two; },
      "True for `pow2`: a power of two that is stored in float32.");
  c.def_prop_ro(
      "rule",
      [](const scaling& s) {
        return s.rule == scale_rule::static_scale ? "static" : detail::word_of(detail::rule_words, s.rule);
      },
      "How a scale follows from the largest magnitude of its group, as the text form calls it.");
  c.def_prop_ro(
      "static_value",
      [](const scaling& s) {
        return s.rule == scale_rule::static_scale ? std::optional<float>(s.static_value) : std::nullopt;
      },
      "The scale of the rule 'static'; None for the others.");
}

void bind_quantizer(nb::module_& m) {
  nb::class_<quantizer> c(
      m, "quantizer",
      "How an array gets into a format: transforms, element format, policies and up to two levels of scales.\n"
      "binade.quantizer('mxfp4'), any quantizer of the text form (docs/text_form.md); a format is the quantizer\n"
      "without scales.  Immutable; equal if they mean the same, hashable, picklable.\n\n"
      "str() is the canonical text: the name of a named one, else the shortest text.");
  c.def(
      "__init__", [](quantizer* self, nb::handle text) { new (self) quantizer(quantizer_from(text)); }, "text"_a.none(),
      nb::sig("def __init__(self, text: str | format | quantizer) -> None"));
  bind_text(c, "quantizer");
  const auto level = [](const quantizer& q, int k) {
    return k < q.levels ? std::optional<scaling>(q.scalings[std::size_t(k)]) : std::nullopt;
  };
  c.def_prop_ro(
      "expanded", [](const quantizer& q) { return expanded(q); }, "The text with every choice spelled out.");
  c.def_prop_ro(
      "format", [](const quantizer& q) { return q.elem.format; }, "The format of the elements.");
  c.def_prop_ro(
      "rounding", [](const quantizer& q) { return detail::word_of(detail::rounding_words, q.elem.rounding); },
      "'rne', 'rna', 'rtz', 'rup', 'rdn', 'rto', 'sr', 'srb' or 'src'.");
  c.def_prop_ro(
      "noise_bits",
      [](const quantizer& q) {
        return is_stochastic(q.elem.rounding) ? std::optional<int>(q.elem.noise_bits) : std::nullopt;
      },
      "Noise bits of the stochastic modes, 1 to 32; None for the others.");
  c.def_prop_ro(
      "overflow", [](const quantizer& q) { return detail::word_of(detail::overflow_words, q.elem.overflow); },
      "'saturate', 'propagate', 'infinity', 'nan' or 'spec'.");
  c.def_prop_ro(
      "subnormals", [](const quantizer& q) { return detail::word_of(detail::subnormal_words, q.elem.subnormals); },
      "'gradual', 'ftz' or 'daz'.");
  c.def_prop_ro(
      "scaling", [=](const quantizer& q) { return level(q, 0); },
      "The scaling, of two levels the inner one; None if there is none.");
  c.def_prop_ro(
      "outer_scaling", [=](const quantizer& q) { return level(q, 1); }, "The outer one of two levels; None else.");
  c.def_prop_ro(
      "transforms",
      [](const quantizer& q) {
        const std::string text = detail::split_transforms(q, false).first;
        return text.empty() ? text : text.substr(0, text.size() - 1);  // without the last '+'
      },
      "The transforms before the element, as they are written; '' if there are none.");
  c.def_prop_ro(
      "keeps_records",
      [](const quantizer& q) {
        for (int k = 0; k < q.transform_count; ++k) {
          const transform_kind kind = q.transforms[std::size_t(k)].kind;
          if (kind == transform_kind::expand || kind == transform_kind::clamp) return true;
        }
        return false;
      },
      "True if a transform must remember something of each array to be undone: quantize does, codes cannot.");
}

}  // namespace

void bind_values(nb::module_& m) {
  bind_format(m);
  bind_scaling(m);
  bind_quantizer(m);
  m.def(
      "same_values",
      [](number_format a, number_format b) {
        // What a NaN is encoded to changes no value of a code.
        a.floating.nan = b.floating.nan = nan_code::refuse;
        return a == b;
      },
      "a"_a, "b"_a, "True if each code means the same in both formats.");
}

}  // namespace binade::python
