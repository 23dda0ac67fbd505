// The matrix product against a scalar chain of std::fma, bit for bit.
#include "kernels/gemm.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cpu.hpp"
#include "kernels/processor.hpp"

namespace binade {
namespace {

using kernels::isa;

std::vector<isa> levels() {
  std::vector<isa> all;
  for (const isa level : {isa::portable, isa::x86_64_v3, isa::x86_64_v4})
    if (level <= kernels::detected_isa()) all.push_back(level);
  return all;
}

/// The same bits, or both NaN.
template <class T>
bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

/// One product: operands with room between the rows (filled with NaN, which must not leak into any result).
template <class T>
struct problem {
  transpose a_form, b_form;
  std::size_t m, n, k, lda, ldb, ldc;
  bool accumulate;
  std::vector<T> a, b, c;

  problem(transpose a_form_, transpose b_form_, std::size_t m_, std::size_t n_, std::size_t k_, bool accumulate_,
          std::size_t gap, std::mt19937& random)
      : a_form(a_form_), b_form(b_form_), m(m_), n(n_), k(k_), accumulate(accumulate_) {
    const std::size_t a_length = a_form == transpose::no ? k : m, b_length = b_form == transpose::no ? n : k;
    lda = a_length + gap, ldb = b_length + gap, ldc = n + gap;
    a = matrix((a_form == transpose::no ? m : k), a_length, lda, random);
    b = matrix((b_form == transpose::no ? k : n), b_length, ldb, random);
    c = matrix(m, n, ldc, random);
  }

  static std::vector<T> matrix(std::size_t rows, std::size_t columns, std::size_t stride, std::mt19937& random) {
    std::normal_distribution<T> normal;
    std::vector<T> result(rows * stride, std::numeric_limits<T>::quiet_NaN());
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) result[i * stride + j] = normal(random);
    return result;
  }

  T a_at(std::size_t i, std::size_t p) const { return a[a_form == transpose::no ? i * lda + p : p * lda + i]; }
  T b_at(std::size_t p, std::size_t j) const { return b[b_form == transpose::no ? p * ldb + j : j * ldb + p]; }

  std::vector<T> expected() const {
    std::vector<T> result = c;
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        T chain = 0;
        for (std::size_t p = 0; p < k; ++p) chain = std::fma(a_at(i, p), b_at(p, j), chain);
        result[i * ldc + j] = accumulate ? result[i * ldc + j] + chain : chain;
      }
    return result;
  }

  std::vector<T> computed(thread_pool& pool) const {
    std::vector<T> result = c;
    gemm(a_form, b_form, m, n, k, a.data(), lda, b.data(), ldb, result.data(), ldc, accumulate, pool);
    return result;
  }

  std::string description() const {
    return std::string(a_form == transpose::no ? "N" : "T") + (b_form == transpose::no ? "N" : "T") + " " +
           std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
           (accumulate ? " accumulated" : "");
  }
};

template <class T>
void expect_same(const std::vector<T>& got, const std::vector<T>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_TRUE(same(got[i], want[i])) << what << ": element " << i << " is " << got[i] << ", not " << want[i];
}

struct shape {
  std::size_t m, n, k;
};
// Around the edges of tiles (rows of 4, 6, 14; columns of 1, 8, 16, 32) and of blocks of k (256 or 512) and columns
// (256).
constexpr shape shapes[] = {{1, 1, 1},      {1, 1, 300},   {2, 3, 5},     {7, 8, 9},      {14, 32, 256},
                            {15, 33, 257},  {13, 31, 511}, {14, 64, 512}, {29, 130, 513}, {29, 17, 64},
                            {128, 128, 32}, {128, 16, 7},  {64, 1, 128},  {1, 64, 1025},  {6, 16, 1},
                            {43, 100, 77},  {30, 530, 19}, {85, 9, 700},  {5, 48, 2}};

template <class T>
void judge_all_shapes() {
  std::mt19937 random(2024);
  std::vector<std::unique_ptr<thread_pool>> pools;
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) pools.push_back(std::make_unique<thread_pool>(threads));
  for (const shape& s : shapes)
    for (const transpose a_form : {transpose::no, transpose::yes})
      for (const transpose b_form : {transpose::no, transpose::yes})
        for (const bool accumulate : {false, true}) {
          const problem<T> p(a_form, b_form, s.m, s.n, s.k, accumulate, s.m % 3, random);
          const std::vector<T> want = p.expected();
          for (const isa level : levels()) {
            const kernels::isa_scope scope(level);
            for (const auto& pool : pools)
              expect_same(p.computed(*pool), want,
                          p.description() + ", " + std::string(to_string(level)) + ", " + std::to_string(pool->size()) +
                              " threads");
            if (testing::Test::HasFatalFailure()) return;
          }
        }
}

TEST(gemm, is_one_ascending_chain_in_every_form_shape_instruction_set_and_number_of_threads) {
  judge_all_shapes<float>();
}

TEST(gemm, is_the_same_chain_in_double) {
  judge_all_shapes<double>();
}

TEST(gemm, continues_the_chain_beyond_the_memory_it_packs_at_once) {
  std::mt19937 random(7);
  thread_pool pool(3);
  for (const shape s : {shape{3, 5, 4500}, shape{2060, 3, 9}, shape{4, 2100, 6}, shape{2050, 2, 2100}})
    for (const bool accumulate : {false, true}) {
      const problem<float> p(transpose::no, transpose::yes, s.m, s.n, s.k, accumulate, 0, random);
      expect_same(p.computed(pool), p.expected(), p.description());
    }
}

TEST(gemm, lets_nan_and_infinities_go_the_way_of_the_chain) {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::mt19937 random(5);
  thread_pool pool(2);
  for (const float special : {infinity, -infinity, nan, 0.0f, -0.0f, 3e38f, 1e-40f})
    for (const float factor : {0.0f, -1.0f, 1e30f, 1e-30f, infinity, nan}) {
      problem<float> p(transpose::no, transpose::no, 20, 40, 300, true, 0, random);
      p.a[3 * p.lda + 270] = special;
      p.b[270 * p.ldb + 35] = factor;
      p.b[10 * p.ldb + 8] = special;
      p.c[19 * p.ldc + 39] = special;
      for (const isa level : levels()) {
        const kernels::isa_scope scope(level);
        expect_same(p.computed(pool), p.expected(), "special " + std::to_string(special));
      }
    }
}

TEST(gemm, of_subnormal_products_does_not_flush) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const float a[2] = {tiny, tiny}, b[2] = {1.0f, 2.0f};
  float c = -1;
  thread_pool pool(1);
  gemm(transpose::no, transpose::no, 1, 1, 2, a, 2, b, 1, &c, 1, false, pool);
  EXPECT_EQ(c, 3 * tiny);
}

TEST(gemm, starts_from_plus_zero) {
  const float a = -0.0f, b = 1.0f;
  float c = -1;
  thread_pool pool(1);
  gemm(transpose::no, transpose::no, 1, 1, 1, &a, 1, &b, 1, &c, 1, false, pool);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(c), 0u);
}

TEST(gemm, with_no_k_gives_plus_zero_or_leaves_the_value_of_c) {
  std::vector<float> c{1.0f, -0.0f, -3.0f, 99.0f};
  thread_pool pool(1);
  gemm(transpose::no, transpose::no, 1, 3, 0, static_cast<const float*>(nullptr), 0, nullptr, 3, c.data(), 4, true,
       pool);
  EXPECT_EQ(c, (std::vector<float>{1.0f, 0.0f, -3.0f, 99.0f}));
  EXPECT_FALSE(std::signbit(c[1]));
  gemm(transpose::no, transpose::no, 1, 3, 0, static_cast<const float*>(nullptr), 0, nullptr, 3, c.data(), 4, false,
       pool);
  EXPECT_EQ(c, (std::vector<float>{0.0f, 0.0f, 0.0f, 99.0f}));
}

TEST(gemm, with_no_row_or_no_column_touches_nothing) {
  thread_pool pool(2);
  const float* none = nullptr;
  gemm(transpose::no, transpose::no, 0, 3, 2, none, 2, none, 3, static_cast<float*>(nullptr), 3, false, pool);
  gemm(transpose::no, transpose::no, 3, 0, 2, none, 2, none, 0, static_cast<float*>(nullptr), 0, true, pool);
}

TEST(gemm, rejects_a_leading_dimension_shorter_than_a_row) {
  thread_pool pool(1);
  std::vector<float> x(100), c(100, 5.0f);
  const auto call = [&](transpose a, transpose b, std::size_t lda, std::size_t ldb, std::size_t ldc) {
    gemm(a, b, 4, 5, 6, x.data(), lda, x.data(), ldb, c.data(), ldc, false, pool);
  };
  EXPECT_THROW(call(transpose::no, transpose::no, 5, 5, 5), std::invalid_argument);
  EXPECT_THROW(call(transpose::yes, transpose::no, 3, 5, 5), std::invalid_argument);
  EXPECT_THROW(call(transpose::no, transpose::yes, 6, 5, 5), std::invalid_argument);
  EXPECT_THROW(call(transpose::no, transpose::no, 6, 5, 4), std::invalid_argument);
  EXPECT_EQ(c, std::vector<float>(100, 5.0f));
}

template <class T>
void judge_batches() {
  std::mt19937 random(11);
  for (const std::size_t threads : {1u, 2u, 3u, 7u})
    for (const std::size_t size : {0u, 1u, 2u, 12u}) {
      thread_pool pool(threads);
      std::vector<problem<T>> problems;
      std::vector<std::vector<T>> results;
      for (std::size_t i = 0; i < size; ++i) {
        problems.emplace_back(transpose::no, transpose::yes, 37, 41, 16, i % 2 == 1, 3, random);
        problems.back().accumulate = true;
        results.push_back(problems.back().c);
      }
      std::vector<gemm_operands<T>> batch;
      for (std::size_t i = 0; i < size; ++i)
        batch.push_back({problems[i].a.data(), problems[i].b.data(), results[i].data()});
      gemm_batched(transpose::no, transpose::yes, 37, 41, 16, batch, 19, 19, 44, true, pool);
      for (std::size_t i = 0; i < size; ++i) expect_same(results[i], problems[i].expected(), "batch element");
    }
}

TEST(gemm_batched, equals_one_product_after_the_other) {
  judge_batches<float>();
  judge_batches<double>();
}

TEST(isa, levels_are_named_and_a_level_that_is_missing_is_refused) {
  for (const isa level : levels()) {
    const kernels::isa_scope scope(level);
    EXPECT_EQ(kernels::active_isa(), level);
  }
  if (kernels::detected_isa() < isa::x86_64_v4) {
    EXPECT_THROW(kernels::isa_scope{isa::x86_64_v4}, std::invalid_argument);
  }
  EXPECT_EQ(to_string(isa::x86_64_v3), "v3");
}

TEST(isa, a_processor_without_what_the_engine_needs_is_refused_with_the_names_of_what_it_lacks) {
  const auto answer = [](const kernels::x86_features& has) -> std::string {
    try {
      return std::string(to_string(kernels::best_isa(has)));
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  };
  kernels::x86_features all{};
  std::string names;
  for (const auto& [name, is_there] : kernels::needed_features) {
    names += (names.empty() ? "" : ", ") + std::string(name);
    all.*is_there = true;
  }
  EXPECT_EQ(names,
            "SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT, CMPXCHG16B, LAHF, AVX, AVX2, FMA, F16C, BMI1, BMI2, LZCNT, MOVBE");
  EXPECT_EQ(answer(all), "v3");
  EXPECT_NE(answer({}).find("lacks " + names + ";"), std::string::npos);
  all.avx512 = true;
  EXPECT_EQ(answer(all), "v4");
  for (const auto& [name, is_there] : kernels::needed_features) {
    kernels::x86_features without = all;
    without.*is_there = false;
    EXPECT_NE(answer(without).find("lacks " + std::string(name) + ";"), std::string::npos) << name;
  }
}

// The environment is read once per process, so each setting is tried in a process of its own.
TEST(isa_death_test, the_environment_variable_chooses_a_level) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto exit_with_level = [](const char* value) {
    setenv("BINADE_ISA", value, 1);
    std::exit(kernels::active_isa() == isa::portable ? 42 : 1);
  };
  EXPECT_EXIT(exit_with_level("portable"), testing::ExitedWithCode(42), "");
}

TEST(isa_death_test, an_unknown_level_in_the_environment_is_a_clear_error) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto report = [] {
    setenv("BINADE_ISA", "v5", 1);
    try {
      kernels::active_isa();
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "%s", error.what());
      std::exit(42);
    }
  };
  EXPECT_EXIT(report(), testing::ExitedWithCode(42), "BINADE_ISA: unknown instruction set 'v5'; valid: v3");
}

}  // namespace
}  // namespace binade
