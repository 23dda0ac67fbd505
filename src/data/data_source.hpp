#pragma once
/// Where a model's training and validation examples come from, whatever they are: sequences of tokens, images or
/// vectors.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace binade {

/// Sequences as a language model reads them.
struct token_batch {
  static constexpr std::int32_t no_target = -1;

  std::size_t rows = 0, length = 0;
  std::vector<std::int32_t> inputs;   ///< (rows, length), ids below the vocabulary
  std::vector<std::int32_t> targets;  ///< (rows, length): the id that follows; no_target where nothing follows
  std::size_t predicted = 0;          ///< targets that are not no_target
  std::optional<double> floor;  ///< true entropy of the predicted tokens, nat per token, where the corpus knows it
};

/// Images with the class of each.
struct image_batch {
  std::size_t rows = 0, channels = 0, height = 0, width = 0;
  std::vector<float> pixels;         ///< (rows, channels, height, width), normalised as the source says
  std::vector<std::int32_t> labels;  ///< (rows), below the number of classes
  std::optional<double> floor;       ///< true entropy of these labels given the pixels, nat per image, where known
};

/// Inputs of a regression whose targets come from a teacher that the model brings along: target = teacher(input) +
/// noise.
struct regression_batch {
  std::size_t rows = 0, width = 0;
  std::vector<float> inputs;  ///< (rows, width)
  std::vector<float> noise;   ///< (rows, width), to be added to the teacher's output; empty where the data have none
};

using data_batch = std::variant<token_batch, image_batch, regression_batch>;

/// Rows of a batch of any kind.
inline std::size_t rows_of(const data_batch& b) {
  return std::visit([](const auto& some) { return some.rows; }, b);
}
/// Predictions that a batch asks for, which its mean loss is over: tokens, images or samples.
inline std::size_t predictions_of(const data_batch& b) {
  const auto* tokens = std::get_if<token_batch>(&b);
  return tokens ? tokens->predicted : rows_of(b);
}
/// The loss that no model can beat on average over batches like this one, nat per unit; empty where nobody knows it.
inline std::optional<double> floor_of(const data_batch& b) {
  if (const auto* tokens = std::get_if<token_batch>(&b)) return tokens->floor;
  if (const auto* images = std::get_if<image_batch>(&b)) return images->floor;
  return std::nullopt;
}

/// What a model must fit: one alternative for each kind of batch.
struct token_shape {
  std::size_t vocabulary, length;  ///< ids are below the vocabulary; positions of a row
};
struct image_shape {
  std::size_t channels, height, width, classes;
};
struct regression_shape {
  std::size_t width;
};
using data_shape = std::variant<token_shape, image_shape, regression_shape>;

/// Training and validation examples.  Every example is a function of its number: reading changes nothing, so that one
/// source serves any number of threads, and any order gives the same examples.
class data_source {
 public:
  virtual ~data_source() = default;

  virtual data_shape shape() const = 0;

  /// Rows step * rows .. step * rows + rows - 1 of the training order that data_seed selects: a function of the
  /// arguments alone.
  virtual data_batch training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const = 0;

  /// Size of the validation set; the same examples in the same order for everybody.
  virtual std::size_t validation_rows() const = 0;
  /// @throws std::invalid_argument if first + rows > validation_rows()
  virtual data_batch validation_batch(std::size_t first, std::size_t rows) const = 0;
  /// The loss on the whole validation set that no model can beat on average, nat per unit; empty where nobody knows it.
  virtual std::optional<double> validation_floor() const = 0;

  /// What a model reaches that ignores its input, nat per unit: the entropy of the frequencies of single targets in
  /// training data.  Empty where the data alone do not settle it: the targets of a regression are the teacher's.
  virtual std::optional<double> trivial_loss() const = 0;

  /// What one prediction is: "token", "byte", "image" or "sample".
  virtual std::string unit() const = 0;
  /// One line for people.
  virtual std::string description() const = 0;
  /// Lines `key = value` that settle every bit of the data, without paths: part of a study's identity.
  virtual std::string canonical_text() const = 0;
};

}  // namespace binade
