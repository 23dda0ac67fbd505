// `binade matmul`: the product of two matrices under an accumulator.
#include "binade/matmul.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "binade/accumulator_text.hpp"
#include "binade/text.hpp"
#include "cli/commands.hpp"
#include "cli/number_view.hpp"
#include "cli/whole_number.hpp"
#include "kernels/parallel.hpp"
#include "util/npy.hpp"

namespace binade::cli {
namespace {

using json = nlohmann::ordered_json;

struct matmul_options {
  std::filesystem::path a, b, out;
  std::string a_spec, b_spec, sum = "f32";
  std::uint64_t seed = 0, stream = 0;
  std::uint32_t step = 0;
  bool compares = false, as_json = false;
};

struct matrix {
  std::uint64_t rows = 0, columns = 0;
  std::vector<float> values;
};
matrix read_matrix(const std::filesystem::path& file) {
  const npy_file npy(file);
  const npy_header& header = npy.header();
  if (!is_floating(header.type))
    throw std::invalid_argument("matmul: " + file.string() + " is of " + std::string(name_of(header.type)) +
                                "; give float32, float64, float16 or bfloat16, such as x.astype(numpy.float32)");
  if (header.shape.size() != 2)
    throw std::invalid_argument("matmul: " + file.string() + " has shape " + shape_text(header.shape) +
                                "; give a matrix, such as x.reshape(-1, x.shape[-1])");
  matrix m{header.shape[0], header.shape[1], std::vector<float>(header.count())};
  npy.read(0, m.values);
  return m;
}

/// How far a result is from another one, over the elements that are numbers in both.
struct deviation {
  double largest = 0, sum_sq = 0, sum_sq_error = 0;
  std::uint64_t equal = 0, others = 0;  ///< others: a NaN or an infinity in either, not the same bits

  deviation(const std::vector<float>& got, const std::vector<float>& want) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double x = got[i], y = want[i];
      const bool is_equal = std::bit_cast<std::uint32_t>(got[i]) == std::bit_cast<std::uint32_t>(want[i]);
      equal += std::uint64_t(is_equal);
      if (!std::isfinite(x) || !std::isfinite(y)) {
        others += std::uint64_t(!is_equal);
        continue;
      }
      largest = std::max(largest, std::fabs(x - y));
      sum_sq += y * y;
      sum_sq_error += (x - y) * (x - y);
    }
  }
  /// Root mean square of the error over that of the result; none where that is zero.
  std::optional<double> relative() const {
    return sum_sq > 0 ? std::optional(std::sqrt(sum_sq_error / sum_sq)) : std::nullopt;
  }
};

int run(const matmul_options& given) {
  const accumulator sum = parse_accumulator(given.sum);
  const quantizer a_spec = given.a_spec.empty() ? float_operand : parse_quantizer(given.a_spec),
                  b_spec = given.b_spec.empty() ? float_operand : parse_quantizer(given.b_spec);
  const matrix a = read_matrix(given.a), b = read_matrix(given.b);
  if (a.columns != b.rows)
    throw std::invalid_argument("matmul: A is " + std::to_string(a.rows) + " x " + std::to_string(a.columns) +
                                " and B is " + std::to_string(b.rows) + " x " + std::to_string(b.columns) +
                                "; the columns of A are the rows of B");
  const matmul_shape shape{a.rows, a.columns, b.columns};
  const matmul_noise noise = matmul_streams({.seed = given.seed, .stream = given.stream, .step = given.step});
  std::vector<float> product(shape.m * shape.n);
  thread_pool pool(std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, thread_pool::max_threads));
  const auto in_parallel = [&](std::size_t count, const auto& f) { pool.parallel_for(count, f); };
  matmul(a.values, a_spec, b.values, b_spec, shape, sum, noise, product, in_parallel);

  std::optional<deviation> error;
  if (given.compares) {
    std::vector<float> exact(product.size());
    matmul(a.values, a_spec, b.values, b_spec, shape, summed(summation::exact), noise, exact, in_parallel);
    error.emplace(product, exact);
  }
  if (!given.out.empty()) {
    npy_writer out(given.out, {.type = npy_type::float32, .shape = {shape.m, shape.n}});
    out.write(std::span<const float>(product));
    out.commit();
  }
  if (given.as_json) {
    json document{{"accumulator", to_string(sum)},
                  {"expanded", expanded(sum)},
                  {"a_spec", given.a_spec.empty() ? json(nullptr) : json(to_string(a_spec))},
                  {"b_spec", given.b_spec.empty() ? json(nullptr) : json(to_string(b_spec))},
                  {"m", shape.m},
                  {"k", shape.k},
                  {"n", shape.n}};
    document["out"] = given.out.empty() ? json(nullptr) : json(given.out.string());
    if (error)
      document["from_exact"] = {{"largest_error", error->largest},
                                {"relative_rms_error", error->relative() ? json(*error->relative()) : json(nullptr)},
                                {"equal", error->equal},
                                {"not_finite", error->others}};
    std::cout << document.dump(2) << '\n';
    return exit_code::done;
  }
  std::vector<std::vector<std::string>> rows{{"product", std::to_string(shape.m) + " x " + std::to_string(shape.k) +
                                                             " x " + std::to_string(shape.n) + ", accumulator " +
                                                             to_string(sum)}};
  if (!given.out.empty()) rows.push_back({"written to", given.out.string()});
  if (error) {
    rows.push_back({"equal to exact", std::to_string(error->equal) + " of " + std::to_string(product.size())});
    rows.push_back({"largest error", short_text(error->largest)});
    rows.push_back({"relative RMS error", error->relative() ? short_text(*error->relative()) : "-"});
    if (error->others > 0) rows.push_back({"not finite", std::to_string(error->others)});
  }
  print_columns(rows);
  return exit_code::done;
}

}  // namespace

void add_matmul_command(CLI::App& program, int& result) {
  const auto given = std::make_shared<matmul_options>();
  CLI::App* command = program.add_subcommand("matmul", "Multiply two matrices under an accumulator");
  command->add_option("A", given->a, ".npy file of an m x k matrix")->required();
  command->add_option("B", given->b, ".npy file of a k x n matrix")->required();
  command->add_option("OUT", given->out, ".npy file for the product, m x n float32");
  command->add_option("--accumulator", given->sum, "how products are summed: f32, exact, e8m13/rtz:chunk=128->f32 ...")
      ->capture_default_str();
  command->add_option("--a-spec", given->a_spec, "quantizer of A, along k; if not given, A as it is");
  command->add_option("--b-spec", given->b_spec, "quantizer of B, along k");
  command->add_flag("--compare", given->compares, "say how far the product is from the exact one of the same operands");
  command->add_option("--seed", given->seed, "of stochastic rounding")->check(whole_number())->capture_default_str();
  command->add_option("--stream", given->stream, "A, B and the sums draw from this one and the next two")
      ->check(whole_number())
      ->capture_default_str();
  command->add_option("--step", given->step, "of stochastic rounding")
      ->check(whole_number(0xffffffff))
      ->capture_default_str();
  command->add_flag("--json", given->as_json, "print one JSON document");
  command->footer(
      "Both matrices are held in memory.\n"
      "Examples:\n"
      "  binade matmul x.npy w.npy y.npy --accumulator e8m13/rtz:chunk=128->f32 --a-spec mxfp8_e4m3 --b-spec "
      "mxfp8_e4m3\n"
      "  binade matmul x.npy w.npy --accumulator e5m10 --compare");
  command->callback([given, &result] {
    if (given->out.empty() && !given->compares)
      throw std::invalid_argument("matmul: nothing to do with the product; give OUT, --compare or both");
    result = run(*given);
  });
}

}  // namespace binade::cli
