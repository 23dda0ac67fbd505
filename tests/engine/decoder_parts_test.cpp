// Decoders with other parts than those of GPT-2 and Llama, and the vision transformer: names and counts, gradients of
// the whole model, causality, the same bits for any number of threads.  (Values: tests/torch.)

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/random_values.hpp"
#include "engine/training.hpp"
#include "model/model_kinds.hpp"
#include "model/transformer.hpp"
#include "model/vit.hpp"

namespace binade {
namespace {

using test::random_rows;
using test::random_values;
using test::token_rows;

struct named_parts {
  std::string name;
  std::function<void(model_config&)> choose;
};
const named_parts decoders[] = {
    {"grouped",
     [](model_config& c) {
       c.kv_heads = 2;
       c.qk_norm = true;
     }},
    {"alibi",
     [](model_config& c) {
       c.kind = "gpt2";
       c.positions = position_encoding::alibi;
       c.qk_norm = true;
     }},
    {"no_positions",
     [](model_config& c) {
       c.positions = position_encoding::none;
       c.residual_scale = 0.5;
     }},
    {"latent", [](model_config& c) { c.attention = attention_kind::latent; }},
    {"latent_query",
     [](model_config& c) {
       c.attention = attention_kind::latent;
       c.kv_latent = 7;
       c.query_latent = 5;
       c.rotary_width = 4;
       c.smooth_swiglu = {smoothing::channel, false};
     }},
    {"latent_alibi",
     [](model_config& c) {
       c.kind = "gpt2";
       c.attention = attention_kind::latent;
       c.positions = position_encoding::alibi;
     }},
    {"mixture", [](model_config& c) { c.kind = "moe"; }},
    {"mixture_shared",
     [](model_config& c) {
       c.kind = "moe";
       c.experts = 5;
       c.top_k = 3;
       c.shared_experts = 2;
       c.gate = router_gate::sigmoid;
       c.balance_loss = 0.1;
       c.smooth_swiglu = {smoothing::token, true};
     }},
    {"mixture_gelu",
     [](model_config& c) {
       c.kind = "gpt2";
       c.experts = 3;
       c.top_k = 1;
     }},
};

class decoder_with : public testing::TestWithParam<named_parts> {
 protected:
  static model_config small() {
    model_config c{
        .kind = "llama", .layers = 2, .width = 32, .heads = 4, .context = 11, .vocabulary = 29, .hidden = 13};
    GetParam().choose(c);
    return c;
  }
};
INSTANTIATE_TEST_SUITE_P(parts, decoder_with, testing::ValuesIn(decoders),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(decoder_with, sites_are_the_linear_layers_and_the_two_products_of_attention) {
  test::expect_sites_of_all_matrices(small());
}

TEST_P(decoder_with, gradients_of_the_whole_model_match_central_differences) {
  const transformer<double> model(small(), 5);
  const token_rows data = random_rows(2, 9, 29);
  test::expect_model_gradients_match(
      model, [&](graph<double>& pass) { return model.loss(pass, data.tokens, data.targets, 2).mean; });
}

TEST_P(decoder_with, a_position_sees_no_later_token) {
  // Smooth-SwiGLU may have one factor per channel over all tokens: there the others change in their last bits.
  test::expect_no_position_sees_a_later_token(small(), small().smooth_swiglu ? 1e-6 : 0);
}

TEST_P(decoder_with, training_has_the_same_bits_for_any_number_of_threads) {
  model_config config = small();
  config.width = 48;
  config.context = 65;
  config.vocabulary = 100;
  for (const std::string recipe_text : {"f32", "mxfp4"}) {
    const std::string expected = test::digest_of_training(config, recipe_text, 1);
    for (const std::size_t threads : {2u, 3u})
      EXPECT_EQ(test::digest_of_training(config, recipe_text, threads), expected) << recipe_text << " " << threads;
  }
}

TEST(decoder_parts, training_of_a_mixture_has_the_bits_that_other_compilers_and_machines_gave) {
  // Found with g++ 12 on an x86-64 machine; nothing but a deliberate change of bits (CHANGELOG) changes them.
  const model_config mixture{.kind = "moe", .layers = 2, .width = 48, .heads = 4, .context = 65, .vocabulary = 100};
  model_config latent = mixture;
  latent.attention = attention_kind::latent;
  EXPECT_EQ(test::digest_of_training(mixture, "f32", 1), "4bfa422587bdcac2");
  EXPECT_EQ(test::digest_of_training(mixture, "mxfp4", 1), "45dc3eb45f007a7d");
  EXPECT_EQ(test::digest_of_training(latent, "e4m3fn/sr@tensor", 1), "e35f790a9ff3c3fd");
}

TEST(decoder_parts, the_parts_that_change_nothing_leave_every_bit) {
  const model_config plain{.kind = "llama", .layers = 2, .width = 48, .heads = 4, .context = 65, .vocabulary = 100};
  model_config spelled = plain;
  spelled.kv_heads = 4;
  spelled.positions = position_encoding::rotary;
  spelled.experts = 0;
  spelled.smooth_swiglu = {smoothing::channel, true};  // powers of two change no significand
  EXPECT_EQ(test::digest_of_training(spelled, "f32", 1), test::digest_of_training(plain, "f32", 1));
}

TEST(decoder_parts, published_sizes_come_out) {
  // Mistral 7B: 7,241,732,096 parameters.  (Jiang et al. 2023)
  model_config mistral{
      .kind = "llama", .layers = 32, .width = 4096, .heads = 32, .context = 8192, .vocabulary = 32000, .hidden = 14336};
  mistral.kv_heads = 8;
  EXPECT_EQ(count_parameters(mistral).total, 7241732096u);
  // Mixtral 8x7B: 46,702,792,704 parameters.  (Jiang et al. 2024)
  model_config mixtral = mistral;
  mixtral.kind = "moe";
  EXPECT_EQ(count_parameters(mixtral).total, 46702792704u);
  // A token meets two of eight experts.
  const double experts = 32.0 * 3 * 4096 * 14336;
  EXPECT_EQ(flops_per_token(mixtral) - flops_per_token(mistral), 6 * (experts + 32.0 * 8 * 4096));
}

TEST(decoder_parts, impossible_models_are_refused_and_the_message_names_the_field) {
  const auto refusal = [](const std::function<void(model_config&)>& change) -> std::string {
    model_config c{.kind = "llama", .width = 24, .heads = 4};
    change(c);
    try {
      c.validate();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_NE(refusal([](auto& c) { c.kv_heads = 3; }).find("kv_heads is 3; it must divide heads 4"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.kv_latent = 3; }).find("kv_latent"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) {
              c.attention = attention_kind::latent;
              c.rotary_width = 3;
            }).find("rotary_width"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& c) {
              c.attention = attention_kind::latent;
              c.qk_norm = true;
            }).find("qk_norm"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.top_k = 2; }).find("say experts"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) {
              c.experts = 2;
              c.top_k = 3;
            }).find("top_k is 3; there are 2 experts"),
            std::string::npos);
  EXPECT_NE(refusal([](auto& c) { c.residual_scale = 0; }).find("residual_scale"), std::string::npos);
  EXPECT_NE(refusal([](auto& c) {
              c.kind = "gpt2";
              c.smooth_swiglu = smooth_swiglu_settings{};
            }).find("smooth_swiglu"),
            std::string::npos);
}

std::string canonical(const std::string& text) {
  const toml_section table = toml_section::parse(text, "file");
  const std::string result = read_model(table)->canonical_text();
  table.finish();
  return result;
}

TEST(decoder_parts, canonical_text_says_what_is_not_the_default_and_reads_back) {
  const std::string sizes = "layers = 2\nwidth = 24\nheads = 4\ncontext = 8\n";
  const std::string plain = "kind = \"llama\"\n" + sizes + "hidden = 64\ntied_head = false\n";
  EXPECT_EQ(canonical("kind = \"llama\"\n" + sizes), plain);
  EXPECT_EQ(canonical("kind = \"llama\"\n" + sizes + "kv_heads = 4\npositions = \"rotary\"\nresidual_scale = 1\n" +
                      "smooth_swiglu = \"none\"\nexperts = 0\nattention = \"multi_head\"\nqk_norm = false\n"),
            plain);
  const std::string parts =
      plain + "positions = \"alibi\"\nkv_heads = 2\nqk_norm = true\nresidual_scale = 0.5\nsmooth_swiglu = \"token\"\n" +
      "smooth_power_of_two = true\nexperts = 4\ntop_k = 1\nshared_experts = 1\ngate = \"sigmoid\"\nbalance_loss = "
      "0.5\n";
  EXPECT_EQ(canonical(parts), parts);
  const std::string latent = plain + "attention = \"latent\"\nkv_latent = 24\nquery_latent = 0\nrotary_width = 2\n";
  EXPECT_EQ(canonical("kind = \"llama\"\n" + sizes + "attention = \"latent\"\nrotary_width = 2\n"), latent);
  EXPECT_EQ(canonical(latent), latent);
  EXPECT_THROW(canonical(plain + "kv_latent = 24\n"), std::invalid_argument);
  EXPECT_THROW(canonical(plain + "positions = \"nowhere\"\n"), std::invalid_argument);
  const std::string vit = "kind = \"vit\"\nlayers = 2\nwidth = 24\nheads = 4\nhidden = 96\npatch = 4\n";
  EXPECT_EQ(canonical(vit), vit + "pooling = \"class_token\"\nqk_norm = false\n");
}

// ---- vision transformer
// ------------------------------------------------------------------------------------------------

image_batch random_images(const vit_config& c, std::size_t rows) {
  random_values random(23);
  image_batch images{.rows = rows,
                     .channels = c.channels,
                     .height = c.image_height,
                     .width = c.image_width,
                     .pixels = {},
                     .labels = random.ids(rows, c.classes),
                     .floor = {}};
  images.pixels.resize(rows * c.channels * c.image_height * c.image_width);
  for (float& pixel : images.pixels) pixel = float(random.next());
  return images;
}

vit_config small_vit(vit_pooling pooling) {
  return {.layers = 2,
          .width = 12,
          .heads = 3,
          .hidden = 10,
          .patch = 2,
          .pooling = pooling,
          .qk_norm = pooling == vit_pooling::mean,
          .channels = 3,
          .image_height = 4,
          .image_width = 6,
          .classes = 5};
}

class vit : public testing::TestWithParam<vit_pooling> {};
INSTANTIATE_TEST_SUITE_P(poolings, vit, testing::Values(vit_pooling::class_token, vit_pooling::mean));

TEST_P(vit, gradients_of_the_whole_model_match_central_differences) {
  const vit_config config = small_vit(GetParam());
  const vision_transformer<double> model(config, 3);
  const image_batch images = random_images(config, 3);
  test::expect_model_gradients_match(model, [&](graph<double>& pass) { return model.loss(pass, images).mean; });
}

TEST_P(vit, training_has_the_same_bits_for_any_number_of_threads) {
  const vit_config config{.layers = 2, .width = 48, .heads = 4, .patch = 4, .pooling = GetParam()};
  const image_batch images = random_images(config, 6);
  const auto digest = [&](std::size_t threads) {
    const vision_transformer<float> model(config, 3);
    return test::digest_of_training(model, gemm_sites(config), "mxfp8", threads,
                                    [&](graph<float>& pass) { return model.loss(pass, images).mean; });
  };
  const std::string expected = digest(1);
  for (const std::size_t threads : {2u, 3u}) EXPECT_EQ(digest(threads), expected) << threads;
}

TEST(vit, patches_go_through_the_first_linear_layer_row_by_row) {
  vit_config config = small_vit(vit_pooling::mean);
  config.classes = 12;
  const vision_transformer<double> model(config, 3);
  image_batch images = random_images(config, 1);
  thread_pool pool(1);
  graph<double> pass(pool, {}, false);
  // A pixel that its patch's weights ignore changes nothing; patch 4 (second row, second column) begins at (2, 2).
  const tensor<double> before = model.logits(pass, images).value().clone();
  const std::size_t inside = (1 * 2 + 0) * 2 + 1;  // channel 1, row 0, column 1 of a patch
  tensor<double>& weight = model.at("patches.weight").mutable_value();
  for (std::size_t output = 0; output < config.width; ++output) weight[output * config.patch_size() + inside] = 0;
  const tensor<double> ignored = model.logits(pass, images).value().clone();
  EXPECT_NE(before[0], ignored[0]);
  for (const std::size_t row : {0u, 2u})
    for (const std::size_t column : {1u, 3u, 5u}) images.pixels[(1 * 4 + row) * 6 + column] += 9;
  EXPECT_EQ(model.logits(pass, images).value()[0], ignored[0]);
  images.pixels[(1 * 4 + 2) * 6 + 2] += 9;
  EXPECT_NE(model.logits(pass, images).value()[0], ignored[0]);
}

TEST(vit, sizes_come_from_the_data_and_impossible_ones_are_refused) {
  const auto plan =
      read_model(toml_section::parse("kind = \"vit\"\nlayers = 1\nwidth = 16\nheads = 2\npatch = 4", "f"));
  const auto fitted = plan->fitted_to(image_shape{3, 32, 32, 10});
  EXPECT_EQ(fitted->parameters()[0].sizes, (std::vector<std::size_t>{16, 48}));
  EXPECT_EQ(fitted->positions(), 1u);
  EXPECT_EQ(fitted->canonical_text(), plan->canonical_text());
  EXPECT_EQ(fitted->gemm_sites().front(), "patches");
  // 64 patches and a token: 48 x 16 weights per patch, 12 x 16 x 16 per position, the head and 65 x 65 products.
  EXPECT_EQ(fitted->flops_per_example(), 6.0 * (48 * 16 * 64 + 12 * 16 * 16 * 65 + 160) + 12.0 * 16 * 65 * 65);
  EXPECT_THROW(plan->fitted_to(image_shape{1, 30, 32, 10}), std::invalid_argument);
  EXPECT_THROW(plan->fitted_to(token_shape{260, 16}), std::invalid_argument);
  const vision_transformer<float> model(small_vit(vit_pooling::mean), 1);
  thread_pool pool(1);
  graph<float> pass(pool);
  EXPECT_THROW(model.loss(pass, random_images(small_vit(vit_pooling::mean), 0)), std::invalid_argument);
  EXPECT_THROW(model.loss(pass, token_batch{}), std::invalid_argument);
}

}  // namespace
}  // namespace binade
