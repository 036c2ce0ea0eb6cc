// DeepEpiCnn of the OpenSeizureDatabase project (after Spahr et al. 2025, doi 10.1111/epi.18406): a
// 1-d convolutional net over 30 s of acceleration magnitude at 25 Hz, in g. It gives logits; class
// 1 is a seizure.
//
// Dropout layers do nothing at inference, but where they were trained in, they shift the numbers of
// the layers in conv_stack, so the keys say whether they were there.
#include <algorithm>
#include <charconv>

#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-5;
constexpr double kMomentum = 0.1;
constexpr int64_t kDefaultLength = 750;
// Fourteen unpadded convolutions leave nothing of a shorter input.
constexpr int64_t kShortest = 125;
constexpr int64_t kKernel = 5;
constexpr int kConvolutions = 14;

constexpr int64_t channels_after(int convolution) {
  if (convolution < 0) return 1;
  if (convolution == 0) return 16;
  return convolution < 12 ? 32 : 64;
}
constexpr int64_t stride_of(int convolution) {
  return convolution == 4 || convolution == 9 ? 2 : 1;
}

// Layers a convolution takes in conv_stack: convolution, norm, ReLU and, where trained with it,
// dropout. With dropout the last norm is number 53, without it number 40.
int layers_each(const StateDict& state) {
  constexpr std::string_view kPrefix = "conv_stack.";
  constexpr int kLastWithoutDropout = 3 * (kConvolutions - 1) + 2;
  int last = 0;
  for (const StateDict::Entry& entry : state.entries()) {
    const std::string_view name = entry.name;
    if (!name.starts_with(kPrefix)) continue;
    int number = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
    last = std::max(last, number);
  }
  return last > kLastWithoutDropout ? 4 : 3;
}

// Inputs come as [N,1,L], [N,L,1] or [N,L].
ir::Value* to_channels_first(Net& net, ir::Value* x) {
  if (!x) return x;
  const ir::SymSizes& sizes = x->tensor().sizes;
  if (sizes.size() == 2) return net.call(Op::aten_unsqueeze, {x, 1});
  if (!sizes[1].is_constant(1)) return net.call(Op::aten_permute, {x, ir::Arg::ints({0, 2, 1})});
  return x;
}

std::vector<ir::Value*> define(Net& net, const std::vector<ir::Value*>& inputs) {
  const int step = layers_each(net.state());
  ir::Value* x = to_channels_first(net, inputs[0]);
  for (int i = 0; i < kConvolutions; ++i) {
    const int64_t out = channels_after(i);
    x = net.convolution(x, fmt::format("conv_stack.{}", step * i),
                        {.in = channels_after(i - 1),
                         .out = out,
                         .kernel = {kKernel},
                         .stride = stride_of(i),
                         .bias = true});
    x = net.batch_norm(x, fmt::format("conv_stack.{}", step * i + 1), out, kEps, kMomentum);
    x = net.relu(x);
  }
  x = net.call(Op::aten_adaptive_avg_pool1d, {x, ir::Arg::ints({1})});
  x = net.call(Op::aten_squeeze_dim, {x, -1});

  constexpr int64_t kDense[] = {64, 64, 64, 32, 16};
  for (int i = 1; i <= 4; ++i) {
    x = net.linear(x, fmt::format("fc{}", i), kDense[i - 1], kDense[i]);
    x = net.relu(net.batch_norm(x, fmt::format("bn{}", i), kDense[i], kEps, kMomentum));
  }
  return {net.linear(x, "fc_out", 16, net.size_in_state("fc_out.bias", 0, 2))};
}

std::vector<Input> default_inputs(const Source& source) {
  const auto length = source.state.metadata_int("config.dataProcessing.rawDataLength");
  return {{"x", {1, 1, length && *length > 0 ? *length : kDefaultLength}}};
}

Status check_inputs(const Source&, const std::vector<Sizes>& inputs) {
  const auto wrong = [&](std::string_view found) {
    return invalid_argument(
        "takes one input [N,1,L] (or [N,L,1], [N,L]) with L of {} or more, got {}", kShortest,
        found);
  };
  if (inputs.size() != 1) return wrong(fmt::format("{} inputs", inputs.size()));
  const Sizes& sizes = inputs[0];
  const std::string shape = describe(DType::kFloat32, sizes);
  if (sizes.size() != 2 && sizes.size() != 3) return wrong(shape);
  if (sizes.size() == 3 && sizes[1] != 1 && sizes[2] != 1) return wrong(shape);
  const int64_t length = sizes.size() == 2 || sizes[1] != 1 ? sizes[1] : sizes[2];
  if (length < kShortest) return wrong(shape);
  return {};
}

}  // namespace

std::vector<Architecture> deep_epi_cnn() {
  Architecture row;
  row.name = "deep_epi_cnn";
  row.description = "seizure detector on wrist acceleration, 97 k parameters";
  row.input = "float32[1,1,750]";
  row.source = "OpenSeizureDetector/OpenSeizureDatabase, user_tools/nnTraining2";
  row.licence = "that of the checkpoint";
  row.methods = {
      {.name = "forward", .inputs = default_inputs, .check = check_inputs, .define = define}};
  return {row};
}

}  // namespace pte::zoo
