#include "tape.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ops/add.hpp"

namespace binade {
namespace {

class tape_of_floats : public testing::Test {
 protected:
  static variable<float> scalar(float value, bool requires_gradient = true) {
    return variable<float>(tensor<float>::full({1}, value), requires_gradient);
  }
  /// factor * x, noting in `order_` when its backward step runs.
  variable<float> scale(const variable<float>& x, float factor, std::string name) {
    return pass_.result(tensor<float>::full({1}, x.value()[0] * factor), {&x},
                        [this, x, factor, name](const tensor<float>& gradient) {
                          order_.push_back(name);
                          x.add_gradient(tensor<float>::full({1}, gradient[0] * factor), pool_);
                        });
  }

  thread_pool pool_{1};
  graph<float> pass_{pool_};
  std::vector<std::string> order_;
};

TEST_F(tape_of_floats, steps_run_from_the_last_to_the_first) {
  const variable<float> x = scalar(3);
  pass_.backward(scale(scale(scale(x, 2, "first"), 5, "second"), 7, "third"));
  EXPECT_EQ(order_, (std::vector<std::string>{"third", "second", "first"}));
  EXPECT_EQ(x.gradient()[0], 70);
}

TEST_F(tape_of_floats, contributions_are_added_in_the_reverse_order_of_use) {
  // 1 + 2^-24 is 1 in float32, so that ((a + b) + c) shows its order.
  const variable<float> x = scalar(1);
  const variable<float> a = scale(x, 0x1p-24f, "a"), b = scale(x, 0x1p-24f, "b"), c = scale(x, 1, "c");
  pass_.backward(add(pass_, add(pass_, a, b), c));
  EXPECT_EQ(order_, (std::vector<std::string>{"c", "b", "a"}));
  EXPECT_EQ(x.gradient()[0], 1);  // (1 + 2^-24) + 2^-24; the other order would give 1 + 2^-23
}

TEST_F(tape_of_floats, gradients_of_two_backward_passes_add_up_until_they_are_cleared) {
  const variable<float> x = scalar(1);
  for (int i = 0; i < 2; ++i) pass_.backward(scale(x, 3, "step"));
  EXPECT_EQ(x.gradient()[0], 6);
  x.clear_gradient();
  EXPECT_TRUE(x.gradient().empty());
}

TEST_F(tape_of_floats, a_gradient_that_two_variables_share_is_not_written) {
  const variable<float> a = scalar(1), b = scalar(2);
  const variable<float> sum = add(pass_, a, b);  // hands one tensor to a and b
  pass_.backward(add(pass_, scale(a, 10, "a"), sum));
  EXPECT_EQ(a.gradient()[0], 11);
  EXPECT_EQ(b.gradient()[0], 1);
}

TEST_F(tape_of_floats, what_a_step_saved_is_freed_before_the_next_one_runs) {
  const variable<float> x = scalar(1);
  const variable<float> first = pass_.result(tensor<float>::full({1}, 1), {&x}, [this](const tensor<float>&) {
    EXPECT_EQ(order_, (std::vector<std::string>{"freed"}));
  });
  std::shared_ptr<int> saved(new int, [this](const int* p) {
    order_.push_back("freed");
    delete p;
  });
  const variable<float> second =
      pass_.result(tensor<float>::full({1}, 1), {&first},
                   [this, first, saved](const tensor<float>& gradient) { first.add_gradient(gradient, pool_); });
  saved.reset();
  pass_.backward(second);
  EXPECT_EQ(order_.size(), 1u);
}

TEST_F(tape_of_floats, a_profile_counts_a_backward_step_as_the_work_of_its_operation) {
  std::vector<work_kind> seen;
  const auto run = [&] {
    const variable<float> x = scalar(1);
    const work_scope outer(work_kind::loss);
    const variable<float> y = [&] {
      const work_scope scope(work_kind::norms);
      return pass_.result(tensor<float>::full({1}, 1), {&x},
                          [&seen](const tensor<float>&) { seen.push_back(work_scope::current()); });
    }();
    seen.push_back(work_scope::current());
    pass_.backward(y);
    seen.push_back(work_scope::current());
  };
  time_shares shares;
  {
    const time_shares::recording recording(shares);
    run();
  }
  EXPECT_EQ(seen, (std::vector{work_kind::loss, work_kind::norms, work_kind::loss}));
  for (std::size_t kind = 0; kind < work_kind_count; ++kind)
    EXPECT_EQ(shares.seconds[kind] > 0, work_kind(kind) == work_kind::rest || work_kind(kind) == work_kind::loss ||
                                            work_kind(kind) == work_kind::norms)
        << to_string(work_kind(kind));
  seen.clear();
  run();  // nothing is recorded any more
  EXPECT_EQ(seen, (std::vector{work_kind::rest, work_kind::rest, work_kind::rest}));
}

TEST_F(tape_of_floats, constants_get_no_gradient_and_record_nothing) {
  const variable<float> x = scalar(1, false), y = scale(x, 2, "never");
  EXPECT_FALSE(y.requires_gradient());
  EXPECT_THROW(pass_.backward(y), std::invalid_argument);
}

TEST_F(tape_of_floats, a_forward_pass_alone_records_nothing) {
  graph<float> forward(pool_, {}, false);
  const variable<float> x = scalar(1);
  EXPECT_FALSE(add(forward, x, x).requires_gradient());
}

TEST_F(tape_of_floats, a_loss_of_several_elements_is_refused) {
  const variable<float> x(tensor<float>::zeros({2}), true);
  EXPECT_THROW(pass_.backward(x), std::invalid_argument);
  EXPECT_THROW(pass_.backward({}), std::invalid_argument);
}

TEST_F(tape_of_floats, a_gradient_of_another_shape_is_refused) {
  EXPECT_THROW(scalar(1).add_gradient(tensor<float>::zeros({2}), pool_), std::invalid_argument);
}

}  // namespace
}  // namespace binade
