#include "simd/cases.h"

#include <array>

namespace pte::simd {

namespace {

constexpr Conv2dShape square(int64_t size, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                             int64_t groups = 1) {
  Conv2dShape shape;
  shape.h = shape.w = size;
  shape.in_channels = in;
  shape.out_channels = out;
  shape.kernel_h = shape.kernel_w = kernel;
  shape.stride_h = shape.stride_w = stride;
  shape.pad_top = shape.pad_left = shape.pad_bottom = shape.pad_right = (kernel - 1) / 2;
  shape.groups = groups;
  return shape;
}

constexpr Conv2dShape planar(Conv2dShape shape) {
  shape.input_nchw = true;
  return shape;
}

constexpr Conv2dShape patches(int64_t size, int64_t patch, int64_t out) {
  Conv2dShape shape = planar(square(size, 3, out, patch, patch));
  shape.pad_top = shape.pad_left = shape.pad_bottom = shape.pad_right = 0;
  return shape;
}

constexpr Conv2dShape line(int64_t length, int64_t in, int64_t out, int64_t kernel,
                           int64_t stride) {
  Conv2dShape shape;
  shape.h = 1;
  shape.w = length;
  shape.in_channels = in;
  shape.out_channels = out;
  shape.kernel_w = kernel;
  shape.stride_w = stride;
  return shape;
}

constexpr std::array kGemms{
    GemmCase{"pe_t16_qkv", 577, 576, 192},
    GemmCase{"pe_t16_out", 577, 192, 192},
    GemmCase{"pe_t16_fc", 577, 768, 192, Activation::kGelu},
    GemmCase{"pe_t16_proj", 577, 192, 768},
    GemmCase{"pe_s16_fc", 577, 1536, 384, Activation::kGelu},
    GemmCase{"pe_text_fc", 32, 2048, 512, Activation::kGelu},
    GemmCase{"mobilenet_fc1", 1, 1024, 576, Activation::kHardswish},
    GemmCase{"mobilenet_fc2", 1, 1000, 1024},
    GemmCase{"mobilenet_se", 1, 24, 96, Activation::kClamp},
    GemmCase{"resnet50_fc", 1, 1000, 2048},
    GemmCase{"epi_fc", 1, 64, 64, Activation::kClamp},
    GemmCase{"square_1024", 1024, 1024, 1024},
};

constexpr std::array kConvs{
    ConvCase{"yolo11n_0", planar(square(640, 3, 16, 3, 2)), Activation::kSilu},
    ConvCase{"yolo11n_1", square(320, 16, 32, 3, 2), Activation::kSilu},
    ConvCase{"yolo11n_2_cv1", square(160, 32, 32, 1, 1), Activation::kSilu},
    ConvCase{"yolo11n_2_m", square(160, 16, 8, 3, 1), Activation::kSilu},
    ConvCase{"yolo11n_2_cv2", square(160, 48, 64, 1, 1), Activation::kSilu},
    ConvCase{"yolo11n_3", square(160, 64, 64, 3, 2), Activation::kSilu},
    ConvCase{"yolo11n_4_m", square(80, 32, 16, 3, 1), Activation::kSilu},
    ConvCase{"yolo11n_4_cv2", square(80, 96, 128, 1, 1), Activation::kSilu},
    ConvCase{"yolo11n_5", square(80, 128, 128, 3, 2), Activation::kSilu},
    ConvCase{"yolo11n_6_m", square(40, 32, 32, 3, 1), Activation::kSilu},
    ConvCase{"yolo11n_7", square(40, 128, 256, 3, 2), Activation::kSilu},
    ConvCase{"yolo11n_8_cv2", square(20, 384, 256, 1, 1), Activation::kSilu},
    ConvCase{"yolo11n_16_cv2", square(80, 96, 64, 1, 1), Activation::kSilu},
    ConvCase{"yolo11n_23_box0", square(80, 64, 64, 3, 1), Activation::kSilu},
    ConvCase{"yolo11n_23_box2", square(20, 256, 64, 3, 1), Activation::kSilu},
    ConvCase{"yolo11n_23_dw", square(80, 64, 64, 3, 1, 64), Activation::kSilu},
    ConvCase{"yolo11n_23_cls", square(80, 80, 80, 1, 1), Activation::kSilu},
    ConvCase{"yolov8n_cls0", square(80, 64, 80, 3, 1), Activation::kSilu},
    ConvCase{"yolov8n_cls1", square(80, 80, 80, 3, 1), Activation::kSilu},
    ConvCase{"resnet50_stem", planar(square(224, 3, 64, 7, 2)), Activation::kClamp},
    ConvCase{"resnet50_1_1x1", square(56, 256, 64, 1, 1), Activation::kClamp},
    ConvCase{"resnet50_1_3x3", square(56, 64, 64, 3, 1), Activation::kClamp},
    ConvCase{"resnet50_1_up", square(56, 64, 256, 1, 1), Activation::kClamp},
    ConvCase{"resnet50_2_3x3", square(28, 128, 128, 3, 1), Activation::kClamp},
    ConvCase{"resnet50_2_down", square(56, 256, 512, 1, 2), Activation::kClamp},
    ConvCase{"resnet50_3_3x3", square(14, 256, 256, 3, 1), Activation::kClamp},
    ConvCase{"resnet50_3_up", square(14, 256, 1024, 1, 1), Activation::kClamp},
    ConvCase{"resnet50_4_3x3", square(7, 512, 512, 3, 1), Activation::kClamp},
    ConvCase{"resnet50_4_1x1", square(7, 2048, 512, 1, 1), Activation::kClamp},
    ConvCase{"mobilenet_stem", planar(square(224, 3, 16, 3, 2)), Activation::kHardswish},
    ConvCase{"mobilenet_1_dw", square(112, 16, 16, 3, 2, 16), Activation::kClamp},
    ConvCase{"mobilenet_2_expand", square(56, 16, 72, 1, 1), Activation::kClamp},
    ConvCase{"mobilenet_2_dw", square(56, 72, 72, 3, 2, 72), Activation::kClamp},
    ConvCase{"mobilenet_3_project", square(28, 88, 24, 1, 1)},
    ConvCase{"mobilenet_4_dw", square(28, 96, 96, 5, 2, 96), Activation::kHardswish},
    ConvCase{"mobilenet_5_expand", square(14, 40, 240, 1, 1), Activation::kHardswish},
    ConvCase{"mobilenet_5_dw", square(14, 240, 240, 5, 1, 240), Activation::kHardswish},
    ConvCase{"mobilenet_10_dw", square(7, 576, 576, 5, 1, 576), Activation::kHardswish},
    ConvCase{"mobilenet_10_project", square(7, 576, 96, 1, 1)},
    ConvCase{"mobilenet_12", square(7, 96, 576, 1, 1), Activation::kHardswish},
    ConvCase{"pe_t16_patch", patches(384, 16, 192)},
    ConvCase{"epi_1", line(746, 16, 32, 5, 1), Activation::kClamp},
    ConvCase{"epi_4", line(734, 32, 32, 5, 2), Activation::kClamp},
    ConvCase{"epi_8", line(353, 32, 32, 5, 1), Activation::kClamp},
};

}  // namespace

std::span<const GemmCase> model_gemms() { return kGemms; }
std::span<const ConvCase> model_convs() { return kConvs; }

}  // namespace pte::simd
