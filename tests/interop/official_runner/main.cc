// Runs a .pte in the official ExecuTorch C++ runtime: the judge of the files that ptekit writes.
//
//   official_runner MODEL.pte [--method forward] [--input a.npy]… [--output-dir DIR]
//                   [--repeat N] [--threads N] [--list] [--peak]
//   official_runner --kernels      the names of the operators that the official kernels implement
//
// Writes out0.npy, out1.npy, … and prints one JSON object: shapes, load and run times, and with
// --list what the program asks for (inputs, planned buffers, backends).
#include <executorch/extension/data_loader/file_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/kernel/operator_registry.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

// The wheel ships this library without its header; these are the two entry points used here.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

using executorch::aten::ScalarType;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using executorch::runtime::EValue;

struct DtypeName {
  const char* npy;
  ScalarType type;
  const char* name;
};
constexpr DtypeName kDtypes[] = {
    {"<f4", ScalarType::Float, "float32"}, {"<f8", ScalarType::Double, "float64"},
    {"<f2", ScalarType::Half, "float16"},  {"<i8", ScalarType::Long, "int64"},
    {"<i4", ScalarType::Int, "int32"},     {"<i2", ScalarType::Short, "int16"},
    {"|i1", ScalarType::Char, "int8"},     {"|u1", ScalarType::Byte, "uint8"},
    {"|b1", ScalarType::Bool, "bool"},
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "official_runner: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T check(executorch::runtime::Result<T> result, const char* what) {
  if (!result.ok()) {
    fail(std::string(what) + ": error 0x" + [&] {
      char text[16];
      std::snprintf(text, sizeof text, "%x", static_cast<unsigned>(result.error()));
      return std::string(text);
    }());
  }
  return std::move(result.get());
}

struct Array {
  const DtypeName* dtype = nullptr;
  std::vector<int32_t> shape;
  std::vector<char> bytes;
};

// Reads what numpy.save writes for a little-endian, C-ordered array.
Array read_npy(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> file{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (file.size() < 12 || std::memcmp(file.data(), "\x93NUMPY", 6) != 0) {
    fail(path + ": not a .npy file");
  }
  size_t length = 0;
  size_t start = 0;
  if (file[6] == 1) {
    length = static_cast<unsigned char>(file[8]) | static_cast<unsigned char>(file[9]) << 8;
    start = 10;
  } else {
    uint32_t wide = 0;
    std::memcpy(&wide, file.data() + 8, 4);
    length = wide;
    start = 12;
  }
  if (start + length > file.size()) fail(path + ": cut short");
  const std::string header(file.data() + start, length);
  if (header.find("'fortran_order': False") == std::string::npos) fail(path + ": Fortran order");
  Array array;
  for (const DtypeName& dtype : kDtypes) {
    if (header.find(std::string("'") + dtype.npy + "'") != std::string::npos) array.dtype = &dtype;
  }
  if (array.dtype == nullptr) fail(path + ": dtype not known here: " + header);
  size_t at = header.find('(');
  while (at != std::string::npos && header[at] != ')') {
    ++at;
    if (header[at] >= '0' && header[at] <= '9') {
      array.shape.push_back(static_cast<int32_t>(std::strtol(header.c_str() + at, nullptr, 10)));
      at = header.find_first_of(",)", at);
    }
  }
  array.bytes.assign(file.begin() + static_cast<std::ptrdiff_t>(start + length), file.end());
  return array;
}

std::string shape_text(const executorch::aten::Tensor& tensor, const char* open,
                       const char* close) {
  std::string text = open;
  for (ssize_t i = 0; i < tensor.dim(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(tensor.size(i));
  }
  return text + close;
}

const DtypeName& dtype_of(ScalarType type) {
  for (const DtypeName& dtype : kDtypes) {
    if (dtype.type == type) return dtype;
  }
  fail("an output's dtype is not known here: " + std::to_string(static_cast<int>(type)));
}

// The element at each logical index, row by row, whatever the tensor's dim order.
std::vector<char> contiguous_bytes(const executorch::aten::Tensor& tensor) {
  const size_t item = static_cast<size_t>(tensor.element_size());
  std::vector<char> bytes(tensor.nbytes());
  std::vector<ssize_t> index(static_cast<size_t>(tensor.dim()), 0);
  const char* data = static_cast<const char*>(tensor.const_data_ptr());
  for (size_t i = 0; i < bytes.size() / item; ++i) {
    size_t offset = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      offset += static_cast<size_t>(index[d]) * static_cast<size_t>(tensor.strides()[d]);
    }
    std::memcpy(bytes.data() + i * item, data + offset * item, item);
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < tensor.size(static_cast<ssize_t>(d))) break;
      index[d] = 0;
    }
  }
  return bytes;
}

void write_npy(const std::string& path, const executorch::aten::Tensor& tensor) {
  std::string shape = shape_text(tensor, "(", tensor.dim() == 1 ? ",)" : ")");
  std::string header = std::string("{'descr': '") + dtype_of(tensor.scalar_type()).npy +
                       "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::ofstream stream(path, std::ios::binary);
  stream.write("\x93NUMPY\x01\x00", 8);
  stream.put(static_cast<char>(header.size() & 0xff));
  stream.put(static_cast<char>(header.size() >> 8));
  stream << header;
  const std::vector<char> bytes = contiguous_bytes(tensor);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!stream.flush()) fail(path + ": cannot be written");
}

// The order in which the method wants the dimensions of its input laid out, outermost first.
std::vector<uint8_t> input_order(const executorch::runtime::MethodMeta& meta, size_t index,
                                 size_t rank) {
  std::vector<uint8_t> order(rank);
  std::iota(order.begin(), order.end(), uint8_t{0});
  if (index >= meta.num_inputs()) return order;
  const auto info = meta.input_tensor_meta(index);
  if (info.ok() && info->dim_order().size() == rank) {
    order.assign(info->dim_order().begin(), info->dim_order().end());
  }
  return order;
}

// Lays the elements, given row by row, out in `order`.
void reorder(Array& array, const std::vector<uint8_t>& order) {
  const size_t rank = order.size();
  if (array.bytes.empty() || std::is_sorted(order.begin(), order.end())) return;
  std::vector<size_t> strides(rank, 1);
  size_t count = 1;
  for (size_t d = rank; d-- > 0;) {
    strides[d] = count;
    count *= static_cast<size_t>(array.shape[d]);
  }
  const size_t item = array.bytes.size() / count;
  auto bytes = array.bytes;
  std::vector<int32_t> at(rank, 0);
  for (size_t i = 0; i < count; ++i) {
    size_t from = 0;
    for (size_t d = 0; d < rank; ++d) from += strides[d] * static_cast<size_t>(at[d]);
    std::memcpy(bytes.data() + i * item, array.bytes.data() + from * item, item);
    for (size_t k = rank; k-- > 0;) {
      if (++at[order[k]] < array.shape[order[k]]) break;
      at[order[k]] = 0;
    }
  }
  array.bytes = std::move(bytes);
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

int main(int argc, char** argv) {
  std::string model;
  std::string method = "forward";
  std::string output_dir;
  std::vector<std::string> inputs;
  int repeat = 1;
  int threads = 0;
  bool list = false;
  bool peak = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    auto value = [&]() -> std::string {
      if (i + 1 >= argc) fail(argument + " needs a value");
      return argv[++i];
    };
    if (argument == "--method") {
      method = value();
    } else if (argument == "--input") {
      inputs.push_back(value());
    } else if (argument == "--output-dir") {
      output_dir = value();
    } else if (argument == "--repeat") {
      repeat = std::atoi(value().c_str());
    } else if (argument == "--threads") {
      threads = std::atoi(value().c_str());
    } else if (argument == "--list") {
      list = true;
    } else if (argument == "--kernels") {
      for (const auto& kernel : executorch::runtime::get_registered_kernels()) {
        std::printf("%s\n", kernel.name_);
      }
      return 0;
    } else if (argument == "--peak") {
      peak = true;
    } else if (model.empty() && argument.rfind("--", 0) != 0) {
      model = argument;
    } else {
      fail("unexpected argument " + argument);
    }
  }
  if (model.empty()) fail("which model?");
  if (threads > 0) {
    executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(
        static_cast<uint32_t>(threads));
  }

  auto start = std::chrono::steady_clock::now();
  Module module(model);
  // The strictest check the runtime has: our files must pass it.
  if (auto error = module.load(executorch::runtime::Program::Verification::InternalConsistency);
      error != executorch::runtime::Error::Ok) {
    fail("load: error " + std::to_string(static_cast<int>(error)));
  }
  const auto meta = check(module.method_meta(method), "method_meta");
  std::string facts;
  if (list) {
    facts += ", \"planned\": [";
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      facts += (i > 0 ? ", " : "") +
               std::to_string(check(meta.memory_planned_buffer_size(i), "buffer size"));
    }
    facts += "], \"backends\": [";
    for (size_t i = 0; i < meta.num_backends(); ++i) {
      facts +=
          std::string(i > 0 ? ", \"" : "\"") + check(meta.get_backend_name(i), "backend") + "\"";
    }
    facts += "]";
  }
  if (auto error = module.load_method(method); error != executorch::runtime::Error::Ok) {
    fail("load_method: error " + std::to_string(static_cast<int>(error)));
  }
  const double load_ms = milliseconds_since(start);

  std::vector<Array> arrays;
  for (const std::string& path : inputs) arrays.push_back(read_npy(path));
  std::vector<TensorPtr> tensors;
  std::vector<EValue> values;
  for (size_t i = 0; i < arrays.size(); ++i) {
    Array& array = arrays[i];
    const std::vector<uint8_t> order = input_order(meta, i, array.shape.size());
    reorder(array, order);
    tensors.push_back(executorch::extension::make_tensor_ptr(array.shape, array.bytes.data(), order,
                                                             {}, array.dtype->type));
    values.emplace_back(tensors.back());
  }

  std::string outputs;
  double best_ms = -1;
  if (!inputs.empty() || meta.num_inputs() == 0) {
    for (int i = 0; i < repeat; ++i) {
      start = std::chrono::steady_clock::now();
      const auto results = check(module.execute(method, values), "execute");
      const double ms = milliseconds_since(start);
      if (best_ms < 0 || ms < best_ms) best_ms = ms;
      if (i + 1 < repeat) continue;
      for (size_t k = 0; k < results.size(); ++k) {
        if (!results[k].isTensor()) continue;
        const auto& tensor = results[k].toTensor();
        outputs += std::string(outputs.empty() ? "" : ", ") + "{\"dtype\": \"" +
                   dtype_of(tensor.scalar_type()).name +
                   "\", \"shape\": " + shape_text(tensor, "[", "]") + "}";
        if (!output_dir.empty()) {
          write_npy(output_dir + "/out" + std::to_string(k) + ".npy", tensor);
        }
      }
    }
  }
  if (peak) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    facts += ", \"peak_kib\": " + std::to_string(usage.ru_maxrss);
  }
  std::printf("{\"load_ms\": %.3f, \"run_ms\": %.3f, \"outputs\": [%s]%s}\n", load_ms, best_ms,
              outputs.c_str(), facts.c_str());
  return 0;
}
