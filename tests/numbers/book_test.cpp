// Code books as number types: 4-bit NormalFloat, against its golden table and exact arithmetic.

#include "numbers/number_judged.hpp"

namespace {

constexpr binade::book_format nf4 = judged::forgiving(binade::format_of(binade::books::nf4));
using number = binade::number<nf4>;

static_assert(double(number(0.6f)) == 0.5626170039176941 && double(-number(1)) == -1);
static_assert(std::is_same_v<number, binade::number_of<binade::number_format(nf4)>>);

TEST(book, operations_of_every_pair_are_rounded_once_in_every_mode) {
  judged::operations_are_rounded_once<nf4>("nf4");
}
TEST(book, operators_are_the_operations_of_codes) {
  judged::operators_are_the_operations_of_codes<nf4>();
}
TEST(book, order_signs_and_classes_are_those_of_the_values) {
  judged::order_signs_and_classes_are_those_of_the_values<nf4>("nf4");
}
TEST(book, text_goes_there_and_back) {
  judged::text_goes_there_and_back<nf4>("nf4");
}

constexpr std::array<float, 5> uneven_values{-2.0f, -1.0f, 0.5f, 4.0f, 10.0f};
constexpr binade::code_book uneven_book{"", uneven_values, ""};

TEST(book, codes_beyond_the_last_entry_are_nan_above_all_numbers) {
  using uneven = binade::number<binade::format_of(uneven_book)>;
  const uneven beyond = uneven::from_code(6);
  EXPECT_TRUE(is_nan(beyond) && !sign_bit(beyond) && beyond != beyond);
  EXPECT_TRUE(total_order(uneven(10), beyond) < 0);
  EXPECT_EQ(double(next_up(uneven(10))), 10);
  EXPECT_EQ(double(next_up(uneven(-1))), 0.5);
  EXPECT_EQ(double(next_down(uneven(-2))), -2);
  EXPECT_EQ(double(-uneven(10)), -2);
  EXPECT_EQ(double(maximum_magnitude(uneven(-2), uneven(0.5f))), -2);
  using l = std::numeric_limits<uneven>;
  EXPECT_EQ(double(l::lowest()), -2);
  EXPECT_EQ(double(l::min()), 0.5);
  EXPECT_EQ(l::min_exponent10, 0);
  EXPECT_EQ(l::max_exponent10, 1);
  EXPECT_EQ(l::max_exponent, 4);
}

}  // namespace
