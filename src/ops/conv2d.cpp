#include "ops/conv2d.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binade/reduction.hpp"
#include "kernels/convolution.hpp"
#include "kernels/depthwise.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/reduce.hpp"
#include "kernels/unfold.hpp"
#include "measurement.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {
namespace {

/// Elements that the images of a piece unfold to, unless a single image has more: of products whose sums or noise go on
/// from piece to piece, and of those where every output is of one piece, which stays in the cache.
constexpr std::size_t piece_elements = std::size_t(1) << 22, cached_elements = std::size_t(1) << 17;

/// The products of one convolution.  Matrices per group: weight (outputs, inner), unfolded input (inner, columns),
/// result (outputs, columns), where a column is (image, oy, ox).
struct conv_shape {
  kernels::window_geometry windows;
  std::size_t images, out_channels, groups;

  std::size_t outputs() const { return out_channels / groups; }
  std::size_t inner() const { return windows.rows() / groups; }
  std::size_t positions() const { return windows.positions(); }
  std::size_t columns() const { return images * positions(); }
  std::size_t image_elements() const { return windows.channels * windows.pixels(); }
  std::size_t piece_images(std::size_t elements) const {
    return std::clamp<std::size_t>(elements / (windows.rows() * positions()), 1, images);
  }
  axis_view along_windows() const { return {groups, inner(), columns()}; }  ///< of the unfolded input
  /// True if no pixel lies beyond the last window or between two of them.
  bool sees_all_pixels() const {
    const kernels::window_geometry& w = windows;
    const auto along = [&](std::size_t size, std::size_t kernel, std::size_t count) {
      return w.stride <= kernel && (count - 1) * w.stride + kernel >= size + w.padding;
    };
    return along(w.height, w.kernel_height, w.out_height) && along(w.width, w.kernel_width, w.out_width);
  }
  bool is_depthwise() const { return groups == windows.channels && out_channels == groups; }
  kernels::convolution_geometry geometry(std::size_t count) const { return {windows, count, out_channels, groups}; }
  extents saved() const { return {images, image_elements()}; }  ///< of the input as it is kept: an image is a row
  extents result() const { return {images, out_channels, windows.out_height, windows.out_width}; }
};

/// Neighbouring images of the batch.
struct image_range {
  std::size_t first, count;
};

/// @param elements  that the images of a piece unfold to
template <class Body>
void for_each_piece(const conv_shape& s, std::size_t elements, const Body& body) {
  const std::size_t step = s.piece_images(elements);
  for (std::size_t first = 0; first < s.images; first += step)
    body(image_range{first, std::min(step, s.images - first)});
}

/// The unfolded images of one piece: rows of (channel, ky, kx), `stride` apart, from element `first` of an operand on.
template <class T>
struct unfolded_piece {
  gemm_operand<T> operand;
  std::size_t first, stride;
};

template <class T>
tensor<T> unfold(const conv_shape& s, const tensor<T>& x, image_range images, thread_pool& pool) {
  const work_scope scope(work_kind::rest);  // also where a product asks for the next images
  tensor<T> result = tensor<T>::uninitialized({s.windows.rows(), images.count * s.positions()});
  kernels::unfold(pool, s.windows, images.count, x.data() + images.first * s.image_elements(), result.data());
  return result;
}

/// The unfolded input as one operand takes it.  Where its scales and noise may reach over all of it, it is unfolded and
/// quantized whole; otherwise each piece when it is wanted.
template <class T>
class unfolded_input {
 public:
  unfolded_input(const conv_shape& s, const tensor<T>& x, const site_quantization<T>& site, site_operand operand,
                 axis_view view, thread_pool& pool)
      : shape_(s),
        x_(x),
        site_(site),
        pool_(pool),
        is_along_windows_(operand == site_operand::forward_input),
        is_plain_(!site.changes(operand)) {
    if (is_plain_) return;
    const std::size_t step = s.piece_images(piece_elements);
    const std::size_t cut = is_along_windows_ || step == s.images ? 0 : step * s.positions();
    if (s.sees_all_pixels()) parts_ = site.in_parts(operand, x, view.length, cut);
    if (parts_ && parts_->together == 1 && keeps_zero()) {
      x_ = site.quantize_part(*parts_, x, {1, x.size(), 1});
      is_plain_ = true;
      return;
    }
    if (!parts_) whole_ = site.quantize(operand, unfold(s, x, {0, s.images}, pool), view);
  }
  /// True if the products take windows of images(), so that they need not be copies.
  bool is_plain() const { return is_plain_; }
  const tensor<T>& images() const { return x_; }
  bool comes_in_pieces() const { return whole_.values.empty(); }
  /// @pre comes_in_pieces().  A piece begins at a multiple of this many images.
  std::size_t unit() const {
    return is_plain_ || is_along_windows_ ? 1 : parts_->together / std::gcd(parts_->together, shape_.positions());
  }
  unfolded_piece<T> piece(image_range images) const {
    const std::size_t columns = images.count * shape_.positions();
    if (!comes_in_pieces()) return {whole_, images.first * shape_.positions(), shape_.columns()};
    tensor<T> unfolded = unfold(shape_, x_, images, pool_);
    if (!is_plain_)
      unfolded = site_.quantize_part(*parts_, unfolded,
                                     is_along_windows_ ? axis_view{shape_.groups, shape_.inner(), columns}
                                                       : axis_view{shape_.windows.rows(), columns, 1});
    return {{std::move(unfolded), {}}, 0, columns};
  }

 private:
  /// True if what is beside the images stays +0.
  bool keeps_zero() const {
    const tensor<T> zero = site_.quantize_part(*parts_, tensor<T>::zeros({1}), {1, 1, 1});
    return zero[0] == T(0) && !std::signbit(zero[0]);
  }

  conv_shape shape_;
  tensor<T> x_;
  const site_quantization<T>& site_;
  gemm_operand<T> whole_;
  std::optional<part_quantizer> parts_;
  thread_pool& pool_;
  bool is_along_windows_, is_plain_;
};

/// One product per group: the matrices of a group begin at these distances from those of the one before.
pooled_vector<gemm_place> group_places(std::size_t groups, const gemm_place& first, const gemm_place& distance) {
  pooled_vector<gemm_place> places(groups);
  for (std::size_t group = 0; group < groups; ++group)
    places[group] = {first.a + group * distance.a, first.b + group * distance.b, first.c + group * distance.c};
  return places;
}

template <class T>
conv_shape checked_shape(const variable<T>& x, const variable<T>& weight, const variable<T>& bias,
                         const conv2d_settings& settings) {
  require_rank("conv2d", "x", x.shape(), 4);
  require_rank("conv2d", "weight", weight.shape(), 4);
  const extents &image = x.shape(), &kernel = weight.shape();
  const std::size_t groups = settings.groups, channels = image[1];
  if (settings.stride == 0) throw std::invalid_argument("conv2d: stride is 0; it must be at least 1");
  if (groups == 0 || channels % groups != 0 || kernel[0] % groups != 0)
    throw std::invalid_argument("conv2d: groups is " + std::to_string(groups) + "; it must divide the " +
                                std::to_string(channels) + " channels of x and the " + std::to_string(kernel[0]) +
                                " of the result");
  if (kernel[1] != channels / groups)
    throw std::invalid_argument("conv2d: weight has shape " + to_string(kernel) + "; its second size must be " +
                                std::to_string(channels / groups) + ", the channels of a group of x, which has shape " +
                                to_string(image));
  const auto windows = [&](std::size_t axis) {
    const std::size_t padded = image[axis] + 2 * settings.padding;
    if (kernel[axis] > padded)
      throw std::invalid_argument("conv2d: weight has shape " + to_string(kernel) + ", and x of shape " +
                                  to_string(image) + " with padding " + std::to_string(settings.padding) +
                                  " is smaller; a window must fit");
    return (padded - kernel[axis]) / settings.stride + 1;
  };
  const conv_shape s{
      {channels, image[2], image[3], kernel[2], kernel[3], settings.stride, settings.padding, windows(2), windows(3)},
      image[0],
      kernel[0],
      groups};
  if (bias) require_shape("conv2d", "bias", bias.shape(), {s.out_channels});
  return s;
}

/// weight unfolded + bias.
template <class T>
tensor<T> convolve(const conv_shape& s, const site_quantization<T>& site, const unfolded_input<T>& input,
                   const gemm_operand<T>& weight, const variable<T>& bias, thread_pool& pool) {
  tensor<T> y = tensor<T>::uninitialized(s.result());
  const bool are_apart = input.is_plain() && site.multiplies_plainly(site_gemm::forward);
  if (const auto g = s.geometry(s.images); are_apart && (s.is_depthwise() || kernels::suits_convolve<T>(g))) {
    const work_scope scope(work_kind::forward_products);
    const T *const x = input.images().data(), *const shift = bias ? std::as_const(bias.value()).data() : nullptr;
    if (s.is_depthwise())
      kernels::depthwise<T>(pool, s.windows, s.images, x, weight.values.data(), shift, y.data());
    else
      kernels::convolve<T>(pool, g, x, weight.values.data(), shift, y.data());
    return y;
  }
  std::uint64_t noise = 0;
  const bool is_cached = input.comes_in_pieces() && site.multiplies_plainly(site_gemm::forward);
  for_each_piece(s, is_cached ? cached_elements : piece_elements, [&](image_range images) {
    const unfolded_piece<T> unfolded = input.piece(images);
    const std::size_t columns = images.count * s.positions();
    T* const to = y.data() + images.first * s.out_channels * s.positions();
    if (const auto g = s.geometry(images.count); is_cached && kernels::suits_convolve_unfolded<T>(g)) {
      const work_scope scope(work_kind::forward_products);
      kernels::convolve_unfolded<T>(pool, g, std::as_const(unfolded.operand.values).data(), weight.values.data(),
                                    bias ? std::as_const(bias.value()).data() : nullptr, to);
      return;
    }
    // The product has all images of a channel together: of one image that is the result.
    tensor<T> several = images.count == 1 ? tensor<T>() : tensor<T>::uninitialized({s.out_channels, columns});
    T* const product = images.count == 1 ? to : several.data();
    if (bias)
      pool.parallel_for(s.out_channels, [&](std::size_t channel) {
        std::fill_n(product + channel * columns, columns, bias.value()[channel]);
      });
    noise = site.multiply(
        site_gemm::forward,
        {transpose::no, transpose::no, s.outputs(), columns, s.inner(), s.inner(), unfolded.stride, columns}, weight,
        unfolded.operand, product, bool(bias),
        group_places(s.groups, {0, unfolded.first, 0},
                     {s.outputs() * s.inner(), s.inner() * unfolded.stride, s.outputs() * columns}),
        noise);
    if (product != to) kernels::swap_leading_axes<T>(pool, s.out_channels, images.count, s.positions(), product, to);
  });
  return y;
}

/// The gradient of the result.
template <class T>
class arrived_gradient {
 public:
  arrived_gradient(const conv_shape& s, const tensor<T>& gradient, thread_pool& pool)
      : shape_(s), gradient_(gradient), pool_(pool) {}

  /// (output channels, columns)
  const tensor<T>& turned() {
    if (turned_.empty()) {
      turned_ = tensor<T>::uninitialized({shape_.out_channels, shape_.columns()});
      kernels::swap_leading_axes<T>(pool_, shape_.images, shape_.out_channels, shape_.positions(), gradient_.data(),
                                    turned_.data());
    }
    return turned_;
  }
  kernels::planes_view<T> planes() const {
    return {gradient_.data(), shape_.out_channels * shape_.positions(), shape_.positions()};
  }

 private:
  conv_shape shape_;
  tensor<T> gradient_, turned_;
  thread_pool& pool_;
};

/// The gradient as an operand: quantized, or as it arrived.
template <class T>
class gradient_operand {
 public:
  /// @param quantized  (output channels, columns); of no values: the gradient as it is
  gradient_operand(const conv_shape& s, arrived_gradient<T>& arrived, gemm_operand<T> quantized)
      : arrived_(arrived), matrix_(std::move(quantized)), planes_(arrived.planes()) {
    if (!matrix_.values.empty()) planes_ = {std::as_const(matrix_.values).data(), s.positions(), s.columns()};
  }
  const gemm_operand<T>& matrix() {
    if (matrix_.values.empty()) matrix_.values = arrived_.turned();
    return matrix_;
  }
  /// Of the images from that one on.
  kernels::planes_view<T> planes(std::size_t image) const {
    return {planes_.data + image * planes_.image_stride, planes_.image_stride, planes_.channel_stride};
  }

 private:
  arrived_gradient<T>& arrived_;
  gemm_operand<T> matrix_;
  kernels::planes_view<T> planes_;
};

/// weight^T gradient for neighbouring images: a gradient of the unfolded input.
/// @param gradient  (output channels, columns)
/// @param noise     where that of the product begins; moves on
template <class T>
tensor<T> unfolded_gradient(const conv_shape& s, const site_quantization<T>& site, const gemm_operand<T>& weight,
                            const gemm_operand<T>& gradient, image_range images, std::uint64_t& noise) {
  const std::size_t columns = images.count * s.positions();
  tensor<T> unfolded = tensor<T>::uninitialized({s.windows.rows(), columns});
  noise =
      site.multiply(site_gemm::input_gradient,
                    {transpose::yes, transpose::no, s.inner(), columns, s.outputs(), s.inner(), s.columns(), columns},
                    weight, gradient, unfolded.data(), false,
                    group_places(s.groups, {0, images.first * s.positions(), 0},
                                 {s.outputs() * s.inner(), s.outputs() * s.columns(), s.inner() * columns}),
                    noise);
  return unfolded;
}

/// weight^T gradient, folded.
template <class T>
tensor<T> input_gradient(const conv_shape& s, const site_quantization<T>& site, const variable<T>& x,
                         const gemm_operand<T>& weight, gradient_operand<T>& gradient, thread_pool& pool) {
  tensor<T> result = tensor<T>::uninitialized(x.shape());
  std::uint64_t noise = 0;
  if (site.changes_gradient(site_operand::forward_input)) {  // it is that of the unfolded input, all of it
    const image_range all{0, s.images};
    tensor<T> unfolded = unfolded_gradient(s, site, weight, gradient.matrix(), all, noise);
    if (site.needs_value(site_operand::forward_input))
      site.finish_gradient(site_operand::forward_input, unfold(s, x.value(), all, pool), s.along_windows(), unfolded);
    else
      site.round_result(site_gemm::input_gradient, unfolded);
    kernels::fold<T>(pool, s.windows, s.images, unfolded.data(), result.data());
    return result;
  }
  const bool are_apart = site.multiplies_plainly(site_gemm::input_gradient);
  if (are_apart && s.is_depthwise()) {
    const tensor<T>& turned = gradient.matrix().values;
    const work_scope scope(work_kind::input_gradient_products);
    kernels::depthwise_input_gradient<T>(pool, s.windows, s.images, weight.values.data(), turned.data(), result.data());
    return result;
  }
  if (const auto g = s.geometry(s.images); are_apart && kernels::suits_convolve_input_gradient<T>(g) &&
                                           std::isfinite(kernels::max_abs<T>(pool, weight.values.values()))) {
    const work_scope scope(work_kind::input_gradient_products);
    kernels::convolve_input_gradient<T>(pool, g, weight.values.data(), gradient.planes(0), result.data());
    return result;
  }
  for_each_piece(s, are_apart ? cached_elements : piece_elements, [&](image_range images) {
    const tensor<T> unfolded = unfolded_gradient(s, site, weight, gradient.matrix(), images, noise);
    kernels::fold<T>(pool, s.windows, images.count, unfolded.data(), result.data() + images.first * s.image_elements());
  });
  return result;
}

/// out = gradient unfolded^T, or out += that, piece by piece.
template <class T>
void multiply_weight_gradient(const conv_shape& s, const site_quantization<T>& site, const unfolded_input<T>& input,
                              gradient_operand<T>& gradient, T* out, bool accumulate, thread_pool& pool) {
  std::uint64_t noise = 0;
  const bool is_summed_plainly = site.multiplies_plainly(site_gemm::weight_gradient),
             is_plain = input.is_plain() && is_summed_plainly;
  for_each_piece(s, piece_elements, [&](image_range images) {
    const std::size_t first = images.first * s.positions();
    const bool adds = std::exchange(accumulate, true);
    if (is_plain && s.is_depthwise()) {
      const tensor<T>& turned = gradient.matrix().values;
      const work_scope scope(work_kind::weight_gradient_products);
      kernels::depthwise_weight_gradient<T>(pool, s.windows, images.count,
                                            input.images().data() + images.first * s.image_elements(),
                                            turned.data() + first, s.columns(), out, adds);
      return;
    }
    if (const auto g = s.geometry(images.count);
        is_summed_plainly && input.comes_in_pieces() && kernels::suits_convolve_weight_gradient<T>(g)) {
      const work_scope scope(work_kind::weight_gradient_products);
      if (is_plain)
        return kernels::convolve_weight_gradient<T>(pool, g, input.images().data() + images.first * s.image_elements(),
                                                    gradient.planes(images.first), out, adds);
      unfolded_piece<T> few;
      const auto unfold_few = [&](std::size_t from, std::size_t count) {
        few = input.piece({images.first + from, count});
        return std::as_const(few.operand.values).data();
      };
      return kernels::convolve_weight_gradient<T>(pool, g, input.unit(), unfold_few, gradient.planes(images.first), out,
                                                  adds);
    }
    const unfolded_piece<T> unfolded = input.piece(images);
    if (s.groups == 1 && s.outputs() < s.inner() && site.multiplies_plainly(site_gemm::weight_gradient)) {
      // Transposed: every output is the same chain, and the smaller matrix is the one that is turned.
      const work_scope scope(work_kind::weight_gradient_products);
      tensor<T> product = tensor<T>::uninitialized({s.inner(), s.outputs()});
      gemm(transpose::no, transpose::yes, s.inner(), s.outputs(), images.count * s.positions(),
           std::as_const(unfolded.operand.values).data() + unfolded.first, unfolded.stride,
           gradient.matrix().values.data() + first, s.columns(), product.data(), s.outputs(), false, pool);
      for (std::size_t o = 0; o < s.outputs(); ++o)
        for (std::size_t i = 0; i < s.inner(); ++i) {
          T& to = out[o * s.inner() + i];
          const T sum = std::as_const(product)[i * s.outputs() + o];
          to = adds ? to + sum : sum;
        }
      return;
    }
    noise =
        site.multiply(site_gemm::weight_gradient,
                      {transpose::no, transpose::yes, s.outputs(), s.inner(), images.count * s.positions(), s.columns(),
                       unfolded.stride, s.inner()},
                      gradient.matrix(), unfolded.operand, out, adds,
                      group_places(s.groups, {first, unfolded.first, 0},
                                   {s.outputs() * s.columns(), s.inner() * unfolded.stride, s.outputs() * s.inner()}),
                      noise);
  });
}

template <class T>
void add_weight_gradient(const conv_shape& s, const site_quantization<T>& site, const unfolded_input<T>& input,
                         gradient_operand<T>& gradient, const variable<T>& weight, thread_pool& pool) {
  if (!site.changes_gradient(site_operand::forward_weight)) {
    const auto target = weight.target();
    return multiply_weight_gradient(s, site, input, gradient, target.sum.data(), target.accumulate, pool);
  }
  const extents matrix{s.out_channels, s.inner()};
  tensor<T> result = tensor<T>::uninitialized(matrix);
  multiply_weight_gradient(s, site, input, gradient, result.data(), false, pool);
  site.finish_gradient(site_operand::forward_weight, weight.value().reshaped(matrix), {s.out_channels, s.inner(), 1},
                       result);
  weight.add_gradient(result.reshaped(weight.shape()), pool);
}

/// Sums of the rows of the gradient in the written order.
template <class T>
tensor<T> row_sums(const tensor<T>& x, thread_pool& pool) {
  const std::size_t rows = x.shape()[0], columns = x.shape()[1];
  tensor<T> sums = tensor<T>::uninitialized({rows});
  kernels::for_each_row(pool, rows, columns,
                        [in = x.data(), out = sums.data(), columns](std::size_t row)
                            BINADE_KERNEL_BODY { out[row] = reduction::sum(in + row * columns, columns); });
  return sums;
}

}  // namespace

template <class T>
variable<T> conv2d(graph<T>& pass, std::string_view site, const variable<T>& x, const variable<T>& weight,
                   const variable<T>& bias, const conv2d_settings& settings) {
  const conv_shape s = checked_shape(x, weight, bias, settings);
  thread_pool& pool = pass.pool();

  measure_input(pass, site, x.value());
  using enum site_operand;
  const site_quantization<T> quantization(pass, site);
  const unfolded_input<T> input(s, x.value(), quantization, forward_input, s.along_windows(), pool);
  gemm_operand<T> matrix = quantization.quantize(forward_weight, weight.value(), {s.out_channels, s.inner(), 1});
  tensor<T> y = convolve(s, quantization, input, matrix, bias, pool);
  quantization.round_result(site_gemm::forward, y, {s.images, s.out_channels, s.positions()});

  if (!quantization.interchangeable(forward_weight, input_gradient_weight)) matrix = {};
  kept_array<T> kept;
  if (weight.requires_gradient() && pass.differentiates({&x, &weight, &bias}))
    kept = quantization.keep(forward_input, x.value().reshaped(s.saved()));
  return pass.result(std::move(y), {&x, &weight, &bias},
                     [&pool, quantization, x = quantization.needs_value(forward_input) ? x : x.without_value(),
                      kept = std::move(kept), weight, bias, matrix = std::move(matrix), s](const tensor<T>& gradient) {
                       arrived_gradient<T> arrived(s, gradient, pool);
                       gemm_operand<T> quantized;
                       if (x.requires_gradient()) {
                         if (quantization.changes(input_gradient_grad_output))
                           quantized = quantization.quantize(input_gradient_grad_output, arrived.turned(),
                                                             {s.groups, s.outputs(), s.columns()});
                         const gemm_operand<T> w =
                             quantization.quantize_again(input_gradient_weight, weight.value(),
                                                         {s.groups, s.outputs(), s.inner()}, forward_weight, matrix);
                         gradient_operand<T> g(s, arrived, quantized);
                         x.add_gradient(input_gradient(s, quantization, x, w, g, pool), pool);
                       }
                       if (weight.requires_gradient()) {
                         gemm_operand<T> again;
                         if (quantization.changes(weight_gradient_grad_output))
                           again = quantization.quantize_again(weight_gradient_grad_output, arrived.turned(),
                                                               {s.out_channels, s.columns(), 1},
                                                               input_gradient_grad_output, quantized);
                         gradient_operand<T> g(s, arrived, std::move(again));
                         const unfolded_input<T> unfolded(s, kept.restored(pool), quantization, weight_gradient_input,
                                                          {s.windows.rows(), s.columns(), 1}, pool);
                         add_weight_gradient(s, quantization, unfolded, g, weight, pool);
                       }
                       if (bias.requires_gradient()) bias.add_gradient(row_sums(arrived.turned(), pool), pool);
                     });
}

template variable<float> conv2d(graph<float>&, std::string_view, const variable<float>&, const variable<float>&,
                                const variable<float>&, const conv2d_settings&);
template variable<double> conv2d(graph<double>&, std::string_view, const variable<double>&, const variable<double>&,
                                 const variable<double>&, const conv2d_settings&);

}  // namespace binade
