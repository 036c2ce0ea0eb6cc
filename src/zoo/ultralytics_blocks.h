// The blocks that Ultralytics models are made of, by the names that their yaml gives them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "zoo/net.h"
#include "zoo/ultralytics_spec.h"

namespace pte::zoo {

// A feature map on its way: its value (null while weights are only noted), its channels, and how
// many pixels of the picture one of its pixels covers.
struct Flow {
  ir::Value* value = nullptr;
  int64_t channels = 0;
  double stride = 1;
};

// Height and width of a value [N,C,H,W]; 1 and 1 while weights are only noted.
std::pair<int64_t, int64_t> picture_sizes(const ir::Value* x);

class YoloBlocks {
 public:
  YoloBlocks(Net& net, const YoloSpec& spec) : net_(net), spec_(spec) {}

  struct ConvOptions {
    int64_t kernel = 1;
    int64_t stride = 1;
    int64_t padding = -1;  // half the kernel
    int64_t groups = 1;
    bool activate = true;
  };
  // Convolution `name`.conv, batch norm `name`.bn unless it is folded in, activation.
  Flow conv(Flow x, const std::string& name, int64_t out, const ConvOptions& options);
  // A 1×1 convolution with bias and nothing after it: the last of a head.
  Flow plain_conv(Flow x, const std::string& name, int64_t out);
  Flow bottleneck(Flow x, const std::string& name, int64_t out, bool shortcut, int64_t groups,
                  int64_t first_kernel, int64_t second_kernel, double share);

  // One layer of the list, read from `inputs`. An unknown type fails the net with kUnsupported.
  Flow layer(const YoloLayer& layer, const std::string& name, const std::vector<Flow>& inputs);

 private:
  struct Call {
    const YoloLayer& layer;
    const std::string& name;
    const std::vector<Flow>& inputs;
  };
  using Builder = Flow (YoloBlocks::*)(const Call&);
  static Builder builder_of(std::string_view type);

  Flow build_conv(const Call& call);
  Flow build_depthwise(const Call& call);
  Flow build_c2f(const Call& call);
  Flow build_c3k2(const Call& call);
  Flow build_c3(const Call& call);
  Flow build_bottleneck(const Call& call);
  Flow build_sppf(const Call& call);
  Flow build_c2psa(const Call& call);
  Flow build_concat(const Call& call);
  Flow build_upsample(const Call& call);
  Flow build_identity(const Call& call);

  Flow c3(Flow x, const std::string& name, int64_t out, int64_t repeats, bool shortcut,
          int64_t groups, double share, int64_t first_kernel);
  Flow psa_block(Flow x, const std::string& name);
  Flow attention(Flow x, const std::string& name, int64_t heads);
  // cv1, then `item` again and again on its second half, and cv2 over all that came out.
  template <typename Item>
  Flow cross_stage(Flow x, const std::string& name, int64_t out, int64_t repeats, double share,
                   const Item& item);

  Flow activate(Flow x);
  Flow concat(const std::vector<Flow>& parts);
  Flow fail(Error error);
  int64_t repeats(const Call& call) const { return spec_.scaled_repeats(call.layer.repeats); }
  // Arguments of the yaml, counted from 0 (the channels); what is absent has its default.
  int64_t integer(const Call& call, size_t index, int64_t otherwise);
  bool boolean(const Call& call, size_t index, bool otherwise);
  double number(const Call& call, size_t index, double otherwise);
  // Argument 0, scaled.
  int64_t out_channels(const Call& call);

  Net& net_;
  const YoloSpec& spec_;
};

}  // namespace pte::zoo
