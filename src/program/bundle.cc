#include "program/bundle.h"

#include <cstddef>
#include <limits>

#include "base/checked.h"
#include "program/header.h"
#include "program/quote.h"
#include "schema/bundled_program_generated.h"

namespace pte::program {
namespace {

namespace fb = pte::schema::bundled_program;

// What the official loader asks of a program's address; its own alignments count from there.
constexpr size_t kProgramAlignment = alignof(std::max_align_t);

class Decoder {
 public:
  explicit Decoder(const MappedFile& file) : file_(file), left_(8 * file.bytes().size()) {}

  Result<std::vector<EValue>> values(
      const flatbuffers::Vector<flatbuffers::Offset<fb::Value>>* in) {
    std::vector<EValue> out;
    if (in == nullptr) return out;
    PTE_CHECK(take(uint64_t{in->size()} * 16));
    out.reserve(in->size());
    for (const auto* item : *in) {
      PTE_TRY(EValue made, value(*item).at(fmt::format("value {}", out.size())));
      out.push_back(std::move(made));
    }
    return out;
  }

  // Many tables may share one vector, so what unfolds is counted.
  Status take(uint64_t bytes) {
    if (bytes > left_) {
      return make_error(Code::kResourceLimit, "its lists unfold to many times the file's size");
    }
    left_ -= bytes;
    return {};
  }

 private:
  Result<EValue> value(const fb::Value& in) {
    if (in.val() == nullptr) {
      return invalid_data("empty, of kind code {}", static_cast<int>(in.val_type()));
    }
    switch (in.val_type()) {
      case fb::ValueUnion::Tensor: {
        PTE_TRY(Tensor made, tensor(*in.val_as_Tensor()));
        return EValue(std::move(made));
      }
      case fb::ValueUnion::Int:
        return EValue(in.val_as_Int()->int_val());
      case fb::ValueUnion::Bool: {
        EValue out;
        out.v = in.val_as_Bool()->bool_val();
        return out;
      }
      case fb::ValueUnion::Double:
        return EValue(in.val_as_Double()->double_val());
      case fb::ValueUnion::NONE:
        break;
    }
    return unsupported("kind code {}; known are 1 to {}", static_cast<int>(in.val_type()),
                       static_cast<int>(fb::ValueUnion::MAX));
  }

  Result<Tensor> tensor(const fb::Tensor& in) {
    const auto dtype = dtype_from_code(in.scalar_type());
    if (!dtype) return invalid_data("unknown scalar type {}", in.scalar_type());
    Sizes sizes;
    if (in.sizes() != nullptr) {
      if (in.sizes()->size() > kMaxRank) {
        return invalid_data("a tensor of rank {}, expected at most {}", in.sizes()->size(),
                            kMaxRank);
      }
      PTE_CHECK(take(uint64_t{in.sizes()->size()} * 16));
      sizes.assign(in.sizes()->begin(), in.sizes()->end());
    }
    for (const int64_t size : sizes) {
      if (size < 0) return invalid_data("a tensor of size {}", size);
    }
    DimOrder order = contiguous_dim_order(sizes.size());
    if (in.dim_order() != nullptr && in.dim_order()->size() != 0) {
      if (in.dim_order()->size() == sizes.size()) {
        order.assign(in.dim_order()->begin(), in.dim_order()->end());
      }
      if (in.dim_order()->size() != sizes.size() || !is_permutation(order)) {
        return invalid_data("the dim order of {} is no permutation of its dimensions",
                            describe(*dtype, sizes));
      }
    }
    const auto bytes = byte_count(*dtype, sizes);
    const size_t stored = in.data() == nullptr ? 0 : in.data()->size();
    if (!bytes || *bytes > stored) {
      return invalid_data("{} needs {} bytes, {} are stored", describe(*dtype, sizes),
                          bytes ? std::to_string(*bytes) : "too many", stored);
    }
    const auto* data =
        stored == 0 ? nullptr : reinterpret_cast<const std::byte*>(in.data()->data());
    const size_t element = std::max<size_t>(size_of(*dtype), 1);
    if (*bytes != 0 && reinterpret_cast<uintptr_t>(data) % element != 0) {
      return invalid_data("the data of {} is not aligned to its elements' {} bytes",
                          describe(*dtype, sizes), element);
    }
    Strides strides = strides_of(sizes, order);
    return Tensor::view(*dtype, std::move(sizes), std::move(strides), data, file_.owner());
  }

  const MappedFile& file_;
  uint64_t left_;
};

Result<const fb::BundledProgram*> root_of(const MappedFile& file) {
  const Bytes bytes = file.bytes();
  if (!is_bundle(bytes)) {
    const std::string guess = guess_format(bytes);
    return invalid_data("not an ExecuTorch bundled program (.bpte){}{}",
                        guess.empty() ? "" : " but ", guess);
  }
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return unsupported("it has {} bytes; the format ends at {}", bytes.size(),
                       FLATBUFFERS_MAX_BUFFER_SIZE);
  }
  flatbuffers::Verifier::Options options;
  options.max_depth = 16;
  options.max_tables = static_cast<flatbuffers::uoffset_t>(bytes.size() / 4 + 64);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                 options);
  if (!fb::VerifyBundledProgramBuffer(verifier)) {
    return invalid_data(
        "the flatbuffer is damaged or cut off: a table, offset or length leaves its {} bytes",
        bytes.size());
  }
  return fb::GetBundledProgram(bytes.data());
}

// Flatbuffers are read where they lie, which takes aligned numbers.
MappedFile aligned(const MappedFile& file) {
  const Bytes bytes = file.bytes();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(std::max_align_t) == 0) return file;
  return MappedFile::from_bytes({bytes.begin(), bytes.end()}, file.path());
}

Result<MappedFile> inner(const MappedFile& file, const fb::BundledProgram& root) {
  if (root.program() == nullptr || root.program()->size() == 0) {
    return invalid_data("the bundle has no program inside");
  }
  const Bytes bytes = std::as_bytes(std::span(root.program()->data(), root.program()->size()));
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kProgramAlignment == 0) {
    return MappedFile::view(bytes, file.owner(), file.path());
  }
  return MappedFile::from_bytes({bytes.begin(), bytes.end()}, file.path());
}

Result<Bundle> parse(const MappedFile& file) {
  PTE_TRY(const fb::BundledProgram* root, root_of(file));
  Bundle out;
  out.version = root->version();
  PTE_TRY(out.program, inner(file, *root));
  if (root->method_test_suites() == nullptr) return out;
  Decoder decoder(file);
  for (const auto* suite : *root->method_test_suites()) {
    TestSuite made;
    if (suite->method_name() == nullptr) {
      return invalid_data("test suite {} names no method", out.suites.size());
    }
    PTE_CHECK(decoder.take(suite->method_name()->size() + uint64_t{16}));
    made.method = suite->method_name()->str();
    if (suite->test_cases() != nullptr) {
      for (const auto* item : *suite->test_cases()) {
        const std::string place =
            fmt::format("method {}: case {}", quote(made.method), made.cases.size());
        PTE_CHECK(decoder.take(16));
        TestCase test;
        PTE_TRY(test.inputs, decoder.values(item->inputs()).at("inputs").at(place));
        PTE_TRY(test.expected, decoder.values(item->expected_outputs()).at("outputs").at(place));
        made.cases.push_back(std::move(test));
      }
    }
    out.suites.push_back(std::move(made));
  }
  return out;
}

}  // namespace

bool is_bundle(Bytes file) { return file.size() >= 8 && as_text(file.subspan(4, 4)) == "BP08"; }

Result<Bundle> read_bundle(const MappedFile& file) { return parse(aligned(file)).at(file.path()); }

Result<MappedFile> extract_program(const MappedFile& file) {
  const MappedFile readable = aligned(file);
  PTE_TRY(const fb::BundledProgram* root, root_of(readable));
  return inner(readable, *root);
}

}  // namespace pte::program
