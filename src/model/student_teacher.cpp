#include "model/student_teacher.hpp"

#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>
#include <variant>

#include "binade/reduction.hpp"
#include "kernels/elementwise.hpp"
#include "ops/add.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/mse.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

constexpr double epsilon = 1e-5;
constexpr const char* teacher_prefix = "teacher.";

std::string block_name(std::size_t layer) {
  return "blocks." + std::to_string(layer);
}

std::size_t hidden_width(const student_teacher_config& c) {
  return c.hidden.value_or(4 * c.width);
}

void add_blocks(std::vector<parameter_plan>& plans, const student_teacher_config& c, const std::string& prefix,
                bool has_norms) {
  const std::size_t hidden = hidden_width(c);
  const auto matrix = [&](const std::string& name, std::size_t outputs, std::size_t inputs) {
    plans.push_back({name + ".weight", {outputs, inputs}, 0, 1 / std::sqrt(double(inputs))});
    plans.push_back({name + ".bias", {outputs}, 0, 0});
  };
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    const std::string block = prefix + block_name(layer);
    if (has_norms) {
      plans.push_back({block + ".norm.weight", {c.width}, 1, 0});
      plans.push_back({block + ".norm.bias", {c.width}, 0, 0});
    }
    matrix(block + ".mlp.up", hidden, c.width);
    matrix(block + ".mlp.down", c.width, hidden);
  }
}

std::vector<parameter_plan> student_plans(const student_teacher_config& c) {
  std::vector<parameter_plan> plans;
  add_blocks(plans, c, "", c.student_has_norms);
  return plans;
}
std::vector<parameter_plan> teacher_plans(const student_teacher_config& c) {
  std::vector<parameter_plan> plans;
  add_blocks(plans, c, teacher_prefix, false);
  return plans;
}

class student_teacher_plan final : public model_plan {
 public:
  explicit student_teacher_plan(const student_teacher_config& config) : config_(config) {}

  std::string kind() const override { return "student_teacher"; }
  std::string canonical_text() const override {
    return "kind = \"student_teacher\"\nlayers = " + std::to_string(config_.layers) + "\n" +
           (config_.hidden ? "hidden = " + std::to_string(*config_.hidden) + "\n" : "") + "activation = \"" +
           std::string(to_string(config_.function)) + "\"\nnorm = " + (config_.student_has_norms ? "true" : "false") +
           "\n";
  }
  std::size_t positions() const override { return 1; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    const auto* samples = std::get_if<regression_shape>(&data);
    if (samples == nullptr)
      throw std::invalid_argument(
          "model: student_teacher reads vectors, and the data are none; choose corpus = \"gaussian\"");
    student_teacher_config fitted = config_;
    fitted.width = samples->width;
    return std::make_shared<student_teacher_plan>(fitted);
  }
  std::vector<parameter_plan> parameters() const override { return student_plans(config_); }
  std::vector<std::string> gemm_sites() const override {
    std::vector<std::string> sites;
    for (std::size_t layer = 0; layer < config_.layers; ++layer)
      for (const char* site : {".mlp.up", ".mlp.down"}) sites.push_back(block_name(layer) + site);
    return sites;
  }
  std::vector<parameter_plan> buffers() const override { return teacher_plans(config_); }
  std::vector<output_kind> outputs() const override {
    using enum output_kind;
    return config_.student_has_norms ? std::vector{norm, residual, activation} : std::vector{residual, activation};
  }
  double flops_per_example() const override { return 6 * double(count_matrix_elements(parameters())); }
  std::unique_ptr<model<float>> make(std::uint64_t seed) const override {
    return std::make_unique<student_teacher<float>>(config_, seed);
  }

 private:
  student_teacher_config config_;
};

}  // namespace

template <class T>
student_teacher<T>::student_teacher(const student_teacher_config& config, std::uint64_t seed)
    : model<T>(student_plans(config), teacher_plans(config), seed), config_(config) {
  const auto frozen = [&](const std::string& name) {
    return linear_parameters<T>{name, this->at(name + ".weight"), this->at(name + ".bias")};
  };
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    const std::string name = block_name(layer), teacher = teacher_prefix + name;
    student_.push_back({.norm = config.student_has_norms ? this->find_norm(name + ".norm") : norm_parameters<T>{},
                        .up = this->find_linear(name + ".mlp.up"),
                        .down = this->find_linear(name + ".mlp.down")});
    teacher_.push_back({.norm = {}, .up = frozen(teacher + ".mlp.up"), .down = frozen(teacher + ".mlp.down")});
  }
}

template <class T>
variable<T> student_teacher<T>::run(graph<T>& pass, variable<T> x, const std::vector<block>& blocks) const {
  for (const block& b : blocks) {
    const variable<T> in = b.norm.weight ? layer_norm(pass, x, b.norm.weight, b.norm.bias, epsilon) : x;
    const variable<T> up = linear(pass, b.up.site, in, b.up.weight, b.up.bias);
    const variable<T> active = apply(pass, config_.function, up);
    x = add_to_stream(pass, x, linear(pass, b.down.site, active, b.down.weight, b.down.bias));
  }
  return x;
}

template <class T>
variable<T> student_teacher<T>::student(graph<T>& pass, const variable<T>& x) const {
  return run(pass, x, student_);
}

template <class T>
tensor<T> student_teacher<T>::teacher(graph<T>& pass, const tensor<T>& x) const {
  graph<T> plain(pass.pool(), {}, false);  // nothing is quantized, nothing is saved
  return run(plain, variable<T>(x), teacher_).value();
}

template <class T>
model_loss<T> student_teacher<T>::loss(graph<T>& pass, const data_batch& examples) const {
  const auto* samples = std::get_if<regression_batch>(&examples);
  if (samples == nullptr || samples->width != config_.width)
    throw std::invalid_argument("student_teacher: the batch must hold vectors of width " +
                                std::to_string(config_.width));
  const extents shape{samples->rows, samples->width};
  tensor<T> x = tensor<T>::uninitialized(shape);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(samples->inputs[i]);
  tensor<T> target = teacher(pass, x);
  if (!samples->noise.empty())
    for (std::size_t i = 0; i < target.size(); ++i) target[i] += T(samples->noise[i]);
  const variable<T> given = student(pass, variable<T>(std::move(x)));

  tensor<T> rows = tensor<T>::uninitialized({shape[0]});
  kernels::for_each_row(
      pass.pool(), shape[0], shape[1],
      [y = given.value().data(), t = std::as_const(target).data(), out = rows.data(), width = shape[1]](std::size_t row)
          BINADE_KERNEL_BODY {
            const T* const a = y + row * width;
            const T* const b = t + row * width;
            const auto square = [a, b](std::size_t i) BINADE_KERNEL_BODY { return (a[i] - b[i]) * (a[i] - b[i]); };
            out[row] = reduction::sum_terms<T>(width, square) / T(width);
          });
  const variable<T> mean = mse(pass, given, variable<T>(std::move(target)));
  return {.mean = mean, .positions = std::move(rows), .predicted = shape[0], .plain = mean.value()[0]};
}

template class student_teacher<float>;
template class student_teacher<double>;

std::shared_ptr<const model_plan> read_student_teacher(const toml_section& table) {
  student_teacher_config c;
  table.text("kind", "student_teacher");
  c.layers = read_size(table, "layers", 1, 256);
  if (table.has("hidden")) c.hidden = read_size(table, "hidden", 1, 1 << 20);
  try {
    c.function = find_activation(table.text("activation", std::string(to_string(c.function))));
  } catch (const std::invalid_argument& e) {
    table.fail("activation", e.what());
  }
  c.student_has_norms = table.flag("norm", true);
  return std::make_shared<student_teacher_plan>(c);
}

}  // namespace binade
