#include "ops/conv2d.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "binade/reduction.hpp"
#include "kernels/depthwise.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/unfold.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {
namespace {

/// Elements that the images of a piece unfold to, unless a single image has more.
constexpr std::size_t piece_elements = std::size_t(1) << 22;

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
  std::size_t piece_images() const {
    return std::clamp<std::size_t>(piece_elements / (windows.rows() * positions()), 1, images);
  }
  bool is_depthwise() const { return groups == windows.channels && out_channels == groups; }
  extents result() const { return {images, out_channels, windows.out_height, windows.out_width}; }
};

/// Neighbouring images of the batch.
struct image_range {
  std::size_t first, count;
};

template <class Body>
void for_each_piece(const conv_shape& s, const Body& body) {
  const std::size_t step = s.piece_images();
  for (std::size_t first = 0; first < s.images; first += step)
    body(image_range{first, std::min(step, s.images - first)});
}

/// The unfolded images of one piece: rows of (channel, ky, kx), `stride` apart.
template <class T>
struct unfolded_piece {
  tensor<T> storage;
  const T* data;
  std::size_t stride;
};

/// The unfolded input as one operand takes it.  A quantized one is whole, since its scales and noise may reach over all
/// of it; otherwise each piece is unfolded when it is wanted.
template <class T>
class unfolded_input {
 public:
  unfolded_input(const conv_shape& s, const tensor<T>& x, const site_quantization<T>& quantization,
                 site_operand operand, axis_view view, thread_pool& pool)
      : shape_(s), x_(x), pool_(pool) {
    if (quantization.quantizes(operand)) whole_ = quantization.quantize(operand, unfold({0, s.images}), view).values;
  }
  /// True if the products take the input as it is, so that windows need not be copies.
  bool is_plain() const { return whole_.empty(); }
  const T* images() const { return x_.data(); }
  unfolded_piece<T> piece(image_range images) const {
    if (!whole_.empty()) return {whole_, whole_.data() + images.first * shape_.positions(), shape_.columns()};
    const tensor<T> here = unfold(images);
    return {here, here.data(), images.count * shape_.positions()};
  }

 private:
  tensor<T> unfold(image_range images) const {
    tensor<T> result = tensor<T>::uninitialized({shape_.windows.rows(), images.count * shape_.positions()});
    kernels::unfold(pool_, shape_.windows, images.count, x_.data() + images.first * shape_.image_elements(),
                    result.data());
    return result;
  }

  conv_shape shape_;
  tensor<T> x_, whole_;
  thread_pool& pool_;
};

/// One product per group: the matrices of a group follow those of the one before at these distances.
template <class T>
std::vector<gemm_operands<T>> group_operands(std::size_t groups, const T* a, std::size_t a_distance, const T* b,
                                             std::size_t b_distance, T* c, std::size_t c_distance) {
  std::vector<gemm_operands<T>> batch(groups);
  for (std::size_t group = 0; group < groups; ++group)
    batch[group] = {a + group * a_distance, b + group * b_distance, c + group * c_distance};
  return batch;
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
tensor<T> convolve(const conv_shape& s, const unfolded_input<T>& input, const tensor<T>& weight,
                   const variable<T>& bias, thread_pool& pool) {
  tensor<T> y = tensor<T>::uninitialized(s.result());
  if (s.is_depthwise() && input.is_plain()) {
    kernels::depthwise<T>(pool, s.windows, s.images, input.images(), weight.data(),
                          bias ? std::as_const(bias.value()).data() : nullptr, y.data());
    return y;
  }
  for_each_piece(s, [&](image_range images) {
    const unfolded_piece<T> unfolded = input.piece(images);
    const std::size_t columns = images.count * s.positions();
    tensor<T> product = tensor<T>::uninitialized({s.out_channels, columns});
    if (bias)
      pool.parallel_for(s.out_channels, [&, out = product.data()](std::size_t channel) {
        std::fill_n(out + channel * columns, columns, bias.value()[channel]);
      });
    const auto batch = group_operands<T>(s.groups, weight.data(), s.outputs() * s.inner(), unfolded.data,
                                         s.inner() * unfolded.stride, product.data(), s.outputs() * columns);
    gemm_batched(transpose::no, transpose::no, s.outputs(), columns, s.inner(), batch, s.inner(), unfolded.stride,
                 columns, bool(bias), pool);
    kernels::swap_leading_axes<T>(pool, s.out_channels, images.count, s.positions(), product.data(),
                                  y.data() + images.first * s.out_channels * s.positions());
  });
  return y;
}

/// weight^T gradient, folded.  @param gradient  (output channels, columns)
template <class T>
tensor<T> input_gradient(const conv_shape& s, const tensor<T>& weight, const tensor<T>& gradient, thread_pool& pool) {
  tensor<T> result = tensor<T>::uninitialized({s.images, s.windows.channels, s.windows.height, s.windows.width});
  if (s.is_depthwise()) {
    kernels::depthwise_input_gradient<T>(pool, s.windows, s.images, weight.data(), gradient.data(), result.data());
    return result;
  }
  for_each_piece(s, [&](image_range images) {
    const std::size_t columns = images.count * s.positions();
    tensor<T> unfolded = tensor<T>::uninitialized({s.windows.rows(), columns});
    const auto batch = group_operands<T>(s.groups, weight.data(), s.outputs() * s.inner(),
                                         gradient.data() + images.first * s.positions(), s.outputs() * s.columns(),
                                         unfolded.data(), s.inner() * columns);
    gemm_batched(transpose::yes, transpose::no, s.inner(), columns, s.outputs(), batch, s.inner(), s.columns(), columns,
                 false, pool);
    kernels::fold<T>(pool, s.windows, images.count, unfolded.data(), result.data() + images.first * s.image_elements());
  });
  return result;
}

/// gradient unfolded^T, added to the target.  @param gradient  (output channels, columns)
template <class T>
void weight_gradient(const conv_shape& s, const unfolded_input<T>& input, const tensor<T>& gradient,
                     const variable<T>& weight, thread_pool& pool) {
  const auto target = weight.target();
  bool accumulate = target.accumulate;
  for_each_piece(s, [&](image_range images) {
    const T* const arrived = gradient.data() + images.first * s.positions();
    if (s.is_depthwise() && input.is_plain()) {
      kernels::depthwise_weight_gradient<T>(pool, s.windows, images.count,
                                            input.images() + images.first * s.image_elements(), arrived, s.columns(),
                                            target.sum.data(), std::exchange(accumulate, true));
      return;
    }
    const unfolded_piece<T> unfolded = input.piece(images);
    const auto batch = group_operands<T>(s.groups, arrived, s.outputs() * s.columns(), unfolded.data,
                                         s.inner() * unfolded.stride, target.sum.data(), s.outputs() * s.inner());
    gemm_batched(transpose::no, transpose::yes, s.outputs(), s.inner(), images.count * s.positions(), batch,
                 s.columns(), unfolded.stride, s.inner(), std::exchange(accumulate, true), pool);
  });
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

  using enum site_operand;
  const site_quantization<T> quantization(pass, site);
  const unfolded_input<T> input(s, x.value(), quantization, forward_input, {s.groups, s.inner(), s.columns()}, pool);
  gemm_operand<T> matrix = quantization.quantize(forward_weight, weight.value(), {s.out_channels, s.inner(), 1});
  tensor<T> y = convolve(s, input, matrix.values, bias, pool);

  if (!quantization.interchangeable(forward_weight, input_gradient_weight)) matrix = {};
  return pass.result(
      std::move(y), {&x, &weight, &bias},
      [&pool, quantization, x, weight, bias, matrix = std::move(matrix), s](const tensor<T>& gradient) {
        tensor<T> turned = tensor<T>::uninitialized({s.out_channels, s.columns()});
        kernels::swap_leading_axes<T>(pool, s.images, s.out_channels, s.positions(), gradient.data(), turned.data());
        gemm_operand<T> arrived;
        if (x.requires_gradient()) {
          arrived = quantization.quantize(input_gradient_grad_output, turned, {s.groups, s.outputs(), s.columns()});
          const gemm_operand<T> w = quantization.quantize_again(
              input_gradient_weight, weight.value(), {s.groups, s.outputs(), s.inner()}, forward_weight, matrix);
          x.add_gradient(input_gradient(s, w.values, arrived.values, pool), pool);
        }
        if (weight.requires_gradient()) {
          const gemm_operand<T> g =
              quantization.quantize_again(weight_gradient_grad_output, turned, {s.out_channels, s.columns(), 1},
                                          input_gradient_grad_output, arrived);
          const unfolded_input<T> again(s, x.value(), quantization, weight_gradient_input,
                                        {s.windows.rows(), s.columns(), 1}, pool);
          weight_gradient(s, again, g.values, weight, pool);
        }
        if (bias.requires_gradient()) bias.add_gradient(row_sums(turned, pool), pool);
      });
}

template variable<float> conv2d(graph<float>&, std::string_view, const variable<float>&, const variable<float>&,
                                const variable<float>&, const conv2d_settings&);
template variable<double> conv2d(graph<double>&, std::string_view, const variable<double>&, const variable<double>&,
                                 const variable<double>&, const conv2d_settings&);

}  // namespace binade
