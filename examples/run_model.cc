// Runs a method of a program on raw input files and writes its outputs as raw files.
//
//   run_model MODEL.pte [--plugin libmine.so] [--data WEIGHTS.ptd] INPUT.bin…
//
// An input file holds the elements alone, row-major; out0.bin, out1.bin … are written the same way.
#include <pte/module.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

int fail(const pte::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return 1;
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string text_of(const char* dtype, pte::Span<int64_t> sizes) {
  std::string text = std::string(dtype) + "[";
  for (size_t i = 0; i < sizes.size(); ++i) {
    text += (i == 0 ? "" : ",") + std::to_string(sizes[i]);
  }
  return text + "]";
}

// The elements in row-major order.
std::vector<char> dense_bytes(const pte::TensorView& tensor) {
  const size_t element = size_of(tensor.dtype());
  std::vector<char> bytes(static_cast<size_t>(tensor.numel()) * element);
  std::vector<int64_t> index(tensor.rank());
  for (size_t i = 0; i < bytes.size(); i += element) {
    int64_t offset = 0;
    for (size_t dim = 0; dim < index.size(); ++dim) offset += index[dim] * tensor.strides()[dim];
    const char* from =
        static_cast<const char*>(tensor.data()) + offset * static_cast<int64_t>(element);
    std::copy(from, from + element, bytes.begin() + static_cast<std::ptrdiff_t>(i));
    for (size_t dim = index.size(); dim-- > 0;) {
      if (++index[dim] < tensor.size(dim)) break;
      index[dim] = 0;
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: run_model MODEL.pte [--plugin LIBRARY] [--data FILE] INPUT.bin...\n");
    return 2;
  }
  pte::OperatorRegistry operators;
  pte::ModuleOptions options;
  options.operators = &operators;
  std::vector<std::string> files;
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--plugin" && i + 1 < argc) {
      if (auto loaded = operators.load_plugin(argv[++i]); !loaded) return fail(loaded.error());
    } else if (argument == "--data" && i + 1 < argc) {
      options.data_files.emplace_back(argv[++i]);
    } else {
      files.push_back(argument);
    }
  }

  auto module = pte::Module::load(argv[1], options);
  if (!module) return fail(module.error());
  auto method = module->method("forward");
  if (!method) return fail(method.error());

  const std::vector<pte::ValueInfo> inputs = method->inputs();
  if (files.size() != inputs.size()) {
    std::fprintf(stderr, "error: the program takes %zu inputs, %zu given\n", inputs.size(),
                 files.size());
    return 2;
  }
  // Inputs may be read where they lie, so they stay here until the execution has ended.
  std::vector<std::vector<char>> bytes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    bytes.push_back(read_file(files[i]));
    const pte::TensorView view(inputs[i].dtype, bytes[i].data(), inputs[i].sizes);
    if (bytes[i].size() != static_cast<size_t>(view.numel()) * size_of(view.dtype())) {
      std::fprintf(stderr, "error: %s: %zu bytes, input %zu is %s\n", files[i].c_str(),
                   bytes[i].size(), i, text_of(name_of(view.dtype()), view.sizes()).c_str());
      return 1;
    }
    if (auto set = method->set_input(i, view); !set) return fail(set.error());
  }
  if (auto done = method->execute(); !done) return fail(done.error());

  for (size_t i = 0; i < method->output_count(); ++i) {
    auto tensor = method->output(i);
    if (!tensor) return fail(tensor.error());
    const std::string path = "out" + std::to_string(i) + ".bin";
    const std::vector<char> dense = dense_bytes(*tensor);
    std::ofstream(path, std::ios::binary)
        .write(dense.data(), static_cast<std::streamsize>(dense.size()));
    std::printf("%s  %s\n", path.c_str(),
                text_of(name_of(tensor->dtype()), tensor->sizes()).c_str());
  }
  return 0;
}
