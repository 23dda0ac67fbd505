// Number types as Eigen's scalars.

#include <gtest/gtest.h>

#if __has_include(<Eigen/Core>)

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <random>

#include "binade/catalogue.hpp"
#include "binade/interop/eigen.hpp"

namespace {

using binade::float_format;
using binade::minifloat;
namespace formats = binade::formats;

template <class Scalar>
using square = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

template <float_format F>
square<minifloat<F>> random_matrix(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  square<minifloat<F>> m(rows, cols);
  for (Eigen::Index i = 0; i < m.size(); ++i) m.data()[i] = minifloat<F>(static_cast<int>(random() % 17) - 8);
  return m;
}

TEST(eigen, products_of_two_columns_are_the_rounded_operations) {
  using number = minifloat<formats::e4m3fn>;
  const auto a = random_matrix<formats::e4m3fn>(7, 2, 1), b = random_matrix<formats::e4m3fn>(2, 5, 2);
  const square<number> c = a * b;
  for (Eigen::Index i = 0; i < 7; ++i)
    for (Eigen::Index j = 0; j < 5; ++j) ASSERT_EQ(c(i, j).code, (a(i, 0) * b(0, j) + a(i, 1) * b(1, j)).code);
}

TEST(eigen, a_product_that_the_format_holds_is_exact) {
  using number = minifloat<formats::e5m10>;  // integers up to 2048
  const auto a = random_matrix<formats::e5m10>(20, 20, 3), b = random_matrix<formats::e5m10>(20, 20, 4);
  const square<double> want = a.cast<double>() * b.cast<double>();
  const square<number> got = a * b;
  EXPECT_EQ(got.cast<double>(), want);
  EXPECT_EQ((a.transpose() + b).sum().code, number((a.transpose() + b).cast<double>().sum()).code);
}

TEST(eigen, linear_systems_are_solved_to_the_precision_of_the_format) {
  const auto residual = []<float_format F>(minifloat<F>) {
    square<minifloat<F>> a = random_matrix<F>(6, 6, 5);
    for (Eigen::Index i = 0; i < 6; ++i) a(i, i) = minifloat<F>(32);  // far from singular
    const square<minifloat<F>> b = random_matrix<F>(6, 1, 6);
    const square<minifloat<F>> x = a.partialPivLu().solve(b), y = a.householderQr().solve(b);
    const square<double> exact = a.template cast<double>().partialPivLu().solve(b.template cast<double>());
    return std::max((x.template cast<double>() - exact).norm(), (y.template cast<double>() - exact).norm()) /
           exact.norm();
  };
  EXPECT_LT(residual(minifloat<formats::e8m23>{}), 1e-6);
  EXPECT_LT(residual(minifloat<formats::e5m10>{}), 1e-2);
  EXPECT_LT(residual(minifloat<formats::e4m3fn>{}), 1);
  // A triangular system of powers of two has its exact answer in four bits of significand.
  using number = minifloat<formats::e4m3fn>;
  Eigen::Matrix<number, 3, 3> l;
  l << number(2), number(0), number(0), number(1), number(4), number(0), number(-1), number(2), number(8);
  const Eigen::Matrix<number, 3, 1> right(number(2), number(5), number(9));
  const Eigen::Matrix<number, 3, 1> x = l.triangularView<Eigen::Lower>().solve(right);
  EXPECT_EQ(x.cast<double>(), Eigen::Vector3d(1, 1, 1));
  Eigen::Matrix<number, 2, 2> spd;
  spd << number(4), number(2), number(2), number(5);
  const Eigen::Matrix<number, 2, 2> root = spd.llt().matrixL();
  EXPECT_EQ(root.cast<double>(), (Eigen::Matrix2d() << 2, 0, 1, 2).finished());
}

TEST(eigen, cwise_functions_and_reductions_work) {
  using number = minifloat<formats::e5m10>;
  const auto a = random_matrix<formats::e5m10>(4, 4, 7);
  EXPECT_EQ(static_cast<double>(a.cwiseAbs().maxCoeff()), a.cast<double>().cwiseAbs().maxCoeff());
  EXPECT_EQ(static_cast<double>(a.cwiseAbs().cwiseSqrt()(1, 2)),
            static_cast<double>(number(std::sqrt(std::abs(static_cast<double>(a(1, 2)))))));
  EXPECT_TRUE(a.allFinite());
  EXPECT_TRUE(a.isApprox(a));
}

TEST(eigen, number_types_of_every_kind_are_scalars) {
  const auto product_is_exact = []<class Number>(Number) {
    Eigen::Matrix<Number, 2, 2> a, b;
    a << Number(1), Number(2), Number(-1), Number(4);
    b << Number(2), Number(0), Number(1), Number(-1);
    const Eigen::Matrix<Number, 2, 2> c = a * b;
    const Eigen::Matrix2d want = (Eigen::Matrix2d() << 4, -2, 2, -4).finished();
    EXPECT_EQ(c.template cast<double>(), want);
    EXPECT_EQ(static_cast<double>(c.cwiseAbs().maxCoeff()), 4);
    EXPECT_TRUE(c.allFinite());
  };
  product_is_exact(binade::fixed<binade::int_format(8)>{});
  product_is_exact(binade::fixed<binade::fixed_format{.width = 16, .fraction_bits = 8}>{});
  product_is_exact(binade::posit<binade::posit_format(16)>{});
  product_is_exact(binade::takum<binade::takum_format(16)>{});
  product_is_exact(binade::lns<binade::lns_format{.width = 12, .gamma_log2 = 4, .bias = 1024, .has_zero = true}>{});
  Eigen::Matrix<binade::posit<binade::posit_format(16)>, 2, 2> spd;
  using posit16 = binade::posit<binade::posit_format(16)>;
  spd << posit16(4), posit16(2), posit16(2), posit16(5);
  const Eigen::Matrix<posit16, 2, 2> root = spd.llt().matrixL();
  EXPECT_EQ(root.cast<double>(), (Eigen::Matrix2d() << 2, 0, 1, 2).finished());
}

}  // namespace

#else

TEST(eigen, minifloat_is_a_scalar) {
  GTEST_SKIP() << "needs Eigen: install libeigen3-dev, then configure again";
}

#endif
