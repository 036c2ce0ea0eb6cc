#include "program/reader.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "base/checked.h"
#include "program/bundle.h"
#include "program/faults.h"
#include "program/header.h"
#include "program/quote.h"
#include "program/verify.h"
#include "schema/program_generated.h"

namespace pte::program {
namespace {

namespace fb = pte::schema::program;

template <typename T>
using FbVector = flatbuffers::Vector<T>;
template <typename T>
using FbTables = flatbuffers::Vector<flatbuffers::Offset<T>>;

template <typename T>
size_t length(const FbVector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// Turns a flatbuffer that the flatbuffers verifier has passed into the in-memory form. The verifier
// vouches for offsets and lengths; that tables and lists are present, and unions known, is seen to
// here; what the numbers mean is left to verify().
class Decoder {
 public:
  // With `faults` it notes what is wrong and goes on, as far as that can be.
  Decoder(const MappedFile& file, const FileHeader& header, Faults* faults = nullptr)
      : file_(file), header_(header), faults_(faults) {}

  Result<Program> decode(const fb::Program& root);
  // Methods of which parts are missing because of faults.
  const std::vector<bool>& damaged() const { return damaged_; }

 private:
  // Copies a vector of numbers. Many tables may share one vector, so what is copied is counted.
  template <typename T>
  Result<std::vector<T>> numbers(const FbVector<T>* vector);
  Result<std::string> text(const flatbuffers::String* string);
  Status count(uint64_t bytes);
  // The error, or none when all faults are looked for and more may follow.
  Status note(Error error, const std::string& where);

  Result<Value> value(const fb::EValue& in);
  Result<TensorValue> tensor(const fb::Tensor& in);
  Result<Instruction> instruction(const fb::Instruction& in);
  using Lost = std::function<Status(Error, const std::string&)>;
  Result<Chain> chain(const fb::Chain& in, const Lost& lost);
  Result<Delegate> delegate(const fb::Program& root, const fb::BackendDelegate& in);
  Result<Method> method(const fb::Program& root, const fb::ExecutionPlan& in);

  Result<Bytes> segment(const fb::Program& root, uint64_t index);
  Result<std::vector<Blob>> pieces(const fb::Program& root, const fb::SubsegmentOffsets& in,
                                   const std::vector<uint64_t>& wanted);
  Status constants(const fb::Program& root, const std::vector<uint64_t>& wanted);
  Status mutable_data(const fb::Program& root, const std::vector<uint64_t>& wanted);
  Status named_data(const fb::Program& root);

  Blob view(Bytes bytes) const {
    Blob blob;
    blob.bytes = bytes;
    blob.owner = file_.owner();
    return blob;
  }

  const MappedFile& file_;
  const FileHeader& header_;
  Program program_;
  Faults* faults_;
  std::vector<bool> damaged_;
  uint64_t counted_ = 0;
};

Status Decoder::note(Error error, const std::string& where) {
  if (faults_ == nullptr || error.code == Code::kResourceLimit) return std::move(error).at(where);
  if (faults_->add(where, error)) return make_error(Code::kResourceLimit, "too many faults");
  return {};
}

Status Decoder::count(uint64_t bytes) {
  // No writer shares vectors, so an honest file stays below its own size.
  constexpr uint64_t kFactor = 8;
  counted_ += bytes;
  if (counted_ / kFactor > header_.program_size) {
    return make_error(Code::kResourceLimit,
                      "its lists unfold to more than {} times the flatbuffer's {} bytes", kFactor,
                      header_.program_size);
  }
  return {};
}

template <typename T>
Result<std::vector<T>> Decoder::numbers(const FbVector<T>* vector) {
  std::vector<T> out;
  if (length(vector) == 0) return out;
  PTE_CHECK(count(uint64_t{vector->size()} * sizeof(T)));
  out.resize(vector->size());
  // Not element by element: eight-byte elements of a damaged file may lie at odd places.
  std::memcpy(out.data(), vector->Data(), out.size() * sizeof(T));
  return out;
}

Result<std::string> Decoder::text(const flatbuffers::String* string) {
  if (string == nullptr) return std::string();
  PTE_CHECK(count(string->size()));
  return string->str();
}

Result<TensorValue> Decoder::tensor(const fb::Tensor& in) {
  TensorValue out;
  const auto dtype = dtype_from_code(in.scalar_type());
  if (!dtype) return invalid_data("unknown scalar type {}", in.scalar_type());
  out.dtype = *dtype;
  if (in.storage_offset() != 0) {
    return unsupported("storage offset {}; only 0 is known", in.storage_offset());
  }
  if (in.layout() != 0) return unsupported("layout {}; only 0 (strided) is known", in.layout());
  if (in.sizes() == nullptr) return invalid_data("a tensor without sizes");
  PTE_TRY(const std::vector<int32_t> sizes, numbers(in.sizes()));
  out.sizes.assign(sizes.begin(), sizes.end());
  PTE_TRY(out.dim_order, numbers(in.dim_order()));
  out.requires_grad = in.requires_grad();
  const auto dynamism = static_cast<int8_t>(in.shape_dynamism());
  if (dynamism < 0 || dynamism > static_cast<int8_t>(Dynamism::kDynamicUnbound)) {
    return invalid_data("unknown shape dynamism {}", dynamism);
  }
  out.dynamism = static_cast<Dynamism>(dynamism);
  out.constant = in.data_buffer_idx();
  if (const auto* place = in.allocation_info()) {
    out.allocation = Allocation{place->memory_id(), uint64_t{place->memory_offset_high()} << 32 |
                                                        place->memory_offset_low()};
  }
  if (const auto* extra = in.extra_tensor_info()) {
    PTE_TRY(out.name, text(extra->fully_qualified_name()));
    if (extra->location() != fb::TensorDataLocation::SEGMENT &&
        extra->location() != fb::TensorDataLocation::EXTERNAL) {
      return invalid_data("unknown data location {}", static_cast<int>(extra->location()));
    }
    out.external = extra->location() == fb::TensorDataLocation::EXTERNAL;
    out.device_type = static_cast<int8_t>(extra->device_type());
    out.device_index = extra->device_index();
  }
  // An external tensor's index means nothing; its name says where the bytes are.
  if (out.external) out.constant = 0;
  return out;
}

Result<Value> Decoder::value(const fb::EValue& in) {
  if (in.val() == nullptr) {
    return invalid_data("an empty value of kind code {}", static_cast<int>(in.val_type()));
  }
  switch (in.val_type()) {
    case fb::KernelTypes::Null:
      return Value(Null{});
    case fb::KernelTypes::Int:
      return Value(in.val_as_Int()->int_val());
    case fb::KernelTypes::Bool:
      return Value(in.val_as_Bool()->bool_val());
    case fb::KernelTypes::Double:
      return Value(in.val_as_Double()->double_val());
    case fb::KernelTypes::Tensor: {
      PTE_TRY(TensorValue out, tensor(*in.val_as_Tensor()));
      return Value(std::move(out));
    }
    case fb::KernelTypes::String: {
      PTE_TRY(std::string out, text(in.val_as_String()->string_val()));
      return Value(std::move(out));
    }
    case fb::KernelTypes::IntList: {
      PTE_TRY(const std::vector<int64_t> items, numbers(in.val_as_IntList()->items()));
      IntList out;
      out.items.reserve(items.size());
      for (const int64_t item : items) {
        if (item < 0 || item > std::numeric_limits<int32_t>::max()) {
          return invalid_data("IntList item {} is no value index", item);
        }
        out.items.push_back(static_cast<int32_t>(item));
      }
      return Value(std::move(out));
    }
    case fb::KernelTypes::DoubleList: {
      PTE_TRY(std::vector<double> out, numbers(in.val_as_DoubleList()->items()));
      return Value(std::move(out));
    }
    case fb::KernelTypes::BoolList: {
      PTE_TRY(const std::vector<uint8_t> items, numbers(in.val_as_BoolList()->items()));
      std::vector<bool> out;
      out.reserve(items.size());
      for (const uint8_t item : items) out.push_back(item != 0);
      return Value(std::move(out));
    }
    case fb::KernelTypes::TensorList: {
      TensorList out;
      PTE_TRY(out.items, numbers(in.val_as_TensorList()->items()));
      return Value(std::move(out));
    }
    case fb::KernelTypes::OptionalTensorList: {
      OptionalTensorList out;
      PTE_TRY(out.items, numbers(in.val_as_OptionalTensorList()->items()));
      return Value(std::move(out));
    }
    case fb::KernelTypes::NONE:
      break;
  }
  return unsupported("value kind code {}; known are 1 to {}", static_cast<int>(in.val_type()),
                     static_cast<int>(fb::KernelTypes::MAX));
}

Result<Instruction> Decoder::instruction(const fb::Instruction& in) {
  if (in.instr_args() == nullptr) {
    return invalid_data("an empty instruction of code {}", static_cast<int>(in.instr_args_type()));
  }
  switch (in.instr_args_type()) {
    case fb::InstructionArguments::KernelCall: {
      const auto& call = *in.instr_args_as_KernelCall();
      KernelCall out;
      out.op = call.op_index();
      PTE_TRY(out.args, numbers(call.args()));
      return Instruction(std::move(out));
    }
    case fb::InstructionArguments::DelegateCall: {
      const auto& call = *in.instr_args_as_DelegateCall();
      DelegateCall out;
      out.delegate = call.delegate_index();
      PTE_TRY(out.args, numbers(call.args()));
      return Instruction(std::move(out));
    }
    case fb::InstructionArguments::MoveCall: {
      const auto& call = *in.instr_args_as_MoveCall();
      return Instruction(MoveCall{call.move_from(), call.move_to()});
    }
    case fb::InstructionArguments::JumpFalseCall: {
      const auto& call = *in.instr_args_as_JumpFalseCall();
      return Instruction(JumpFalseCall{call.cond_value_index(), call.destination_instruction()});
    }
    case fb::InstructionArguments::FreeCall:
      return Instruction(FreeCall{in.instr_args_as_FreeCall()->value_index()});
    case fb::InstructionArguments::NONE:
      break;
  }
  return unsupported("instruction code {}; known are 1 to {}",
                     static_cast<int>(in.instr_args_type()),
                     static_cast<int>(fb::InstructionArguments::MAX));
}

Result<Chain> Decoder::chain(const fb::Chain& in, const Lost& lost) {
  Chain out;
  if (in.instructions() == nullptr) return invalid_data("a chain without instructions");
  // Inputs and outputs of a chain are read by nobody, the official runtime included.
  out.instructions.reserve(in.instructions()->size());
  for (const auto* item : *in.instructions()) {
    auto decoded = instruction(*item);
    if (!decoded) {
      PTE_CHECK(
          lost(std::move(decoded.error()), fmt::format("instruction {}", out.instructions.size())));
      decoded = Instruction(FreeCall{});
    }
    out.instructions.push_back(std::move(*decoded));
  }
  if (in.stacktrace() == nullptr) return out;
  for (const auto* list : *in.stacktrace()) {
    std::vector<Frame>& frames = out.stack_traces.emplace_back();
    if (list->items() == nullptr) continue;
    for (const auto* item : *list->items()) {
      Frame frame;
      PTE_TRY(frame.file, text(item->filename()));
      PTE_TRY(frame.name, text(item->name()));
      PTE_TRY(frame.context, text(item->context()));
      frame.line = item->lineno();
      frames.push_back(std::move(frame));
    }
  }
  return out;
}

Result<Bytes> Decoder::segment(const fb::Program& root, uint64_t index) {
  if (index >= length(root.segments())) {
    return invalid_data("segment {} is asked for, the file has {}", index, length(root.segments()));
  }
  const auto* entry = root.segments()->Get(static_cast<flatbuffers::uoffset_t>(index));
  if (entry->size() == 0) return Bytes{};
  if (header_.segment_base == 0) {
    return invalid_data("segment {} has {} bytes but the file has no place for segments", index,
                        entry->size());
  }
  const uint64_t room = header_.segment_bytes != 0 ? header_.segment_bytes
                                                   : file_.bytes().size() - header_.segment_base;
  if (!in_range(entry->offset(), entry->size(), room)) {
    return invalid_data("segment {} lies at {} + {}, outside the {} bytes of segments", index,
                        entry->offset(), entry->size(), room);
  }
  return file_.bytes().subspan(header_.segment_base + entry->offset(), entry->size());
}

Result<Delegate> Decoder::delegate(const fb::Program& root, const fb::BackendDelegate& in) {
  Delegate out;
  PTE_TRY(out.id, text(in.id()));
  const auto* reference = in.processed();
  if (reference == nullptr) return invalid_data("no payload is named");
  if (reference->location() == fb::DataLocation::SEGMENT) {
    PTE_TRY(const Bytes bytes, segment(root, reference->index()));
    out.payload = view(bytes);
  } else if (reference->location() == fb::DataLocation::INLINE) {
    if (reference->index() >= length(root.backend_delegate_data())) {
      return invalid_data("inline payload {} is asked for, the file has {}", reference->index(),
                          length(root.backend_delegate_data()));
    }
    out.is_inline = true;
    if (const auto* data = root.backend_delegate_data()->Get(reference->index())->data()) {
      out.payload = view(std::as_bytes(std::span(data->data(), data->size())));
    }
  } else {
    return invalid_data("unknown payload location {}", static_cast<int>(reference->location()));
  }
  if (in.compile_specs() == nullptr) return out;
  for (const auto* item : *in.compile_specs()) {
    CompileSpec spec;
    PTE_TRY(spec.key, text(item->key()));
    if (const auto* bytes = item->value()) {
      spec.value = view(std::as_bytes(std::span(bytes->data(), bytes->size())));
    }
    out.compile_specs.push_back(std::move(spec));
  }
  return out;
}

Result<Method> Decoder::method(const fb::Program& root, const fb::ExecutionPlan& in) {
  Method out;
  PTE_TRY(out.name, text(in.name()));
  const std::string here = fmt::format("method {}", quote(out.name));
  damaged_.push_back(false);
  // What cannot be read leaves a hole; without a search for all faults it ends the reading.
  const auto lost = [&](Error error, const std::string& where) -> Status {
    if (faults_ == nullptr) return std::move(error).at(where);
    damaged_.back() = true;
    return note(std::move(error), here + ": " + where);
  };
  const auto decode = [&]() -> Status {
    if (in.values() == nullptr || in.inputs() == nullptr || in.outputs() == nullptr ||
        in.chains() == nullptr || in.non_const_buffer_sizes() == nullptr) {
      return invalid_data("one of values, inputs, outputs, chains and arena sizes is absent");
    }
    if (const auto* meta = in.container_meta_type()) {
      PTE_TRY(out.input_tree, text(meta->encoded_inp_str()));
      PTE_TRY(out.output_tree, text(meta->encoded_out_str()));
    }
    out.values.reserve(in.values()->size());
    for (const auto* item : *in.values()) {
      auto decoded = value(*item);
      if (!decoded) {
        PTE_CHECK(lost(std::move(decoded.error()), fmt::format("value {}", out.values.size())));
        decoded = Value(Null{});
      }
      out.values.push_back(std::move(*decoded));
    }
    PTE_TRY(out.inputs, numbers(in.inputs()));
    PTE_TRY(out.outputs, numbers(in.outputs()));
    for (const auto* item : *in.chains()) {
      auto decoded = chain(*item, lost);
      const std::string where = fmt::format("chain {}", out.chains.size());
      if (!decoded) PTE_CHECK(lost(std::move(decoded.error()), where));
      out.chains.push_back(decoded ? std::move(*decoded) : Chain{});
    }
    if (in.operators() != nullptr) {
      for (const auto* item : *in.operators()) {
        Operator& op = out.operators.emplace_back();
        PTE_TRY(op.name, text(item->name()));
        PTE_TRY(op.overload, text(item->overload()));
      }
    }
    if (in.delegates() != nullptr) {
      for (const auto* item : *in.delegates()) {
        auto decoded = delegate(root, *item);
        const std::string where = fmt::format("delegate {}", out.delegates.size());
        if (!decoded) PTE_CHECK(lost(std::move(decoded.error()), where));
        out.delegates.push_back(decoded ? std::move(*decoded) : Delegate{});
      }
    }
    PTE_TRY(out.arena_sizes, numbers(in.non_const_buffer_sizes()));
    if (in.non_const_buffer_device() != nullptr) {
      for (const auto* item : *in.non_const_buffer_device()) {
        out.arena_devices.push_back(
            {item->buffer_idx(), static_cast<int8_t>(item->device_type()), item->device_index()});
      }
    }
    return {};
  };
  if (Status status = decode(); !status) {
    if (faults_ == nullptr) return std::move(status.error()).at(here);
    damaged_.back() = true;
    PTE_CHECK(note(std::move(status.error()), here));
  }
  return out;
}

// The pieces of one segment. Their lengths are not stored: a piece ends where the tensors that use
// it end (`wanted`, 0 for a piece that none uses) or else where the next one begins.
Result<std::vector<Blob>> Decoder::pieces(const fb::Program& root, const fb::SubsegmentOffsets& in,
                                          const std::vector<uint64_t>& wanted) {
  PTE_TRY(const std::vector<uint64_t> offsets, numbers(in.offsets()));
  PTE_TRY(const Bytes bytes, segment(root, in.segment_index()));
  std::vector<uint64_t> sorted = offsets;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Blob> out(std::max<size_t>(offsets.size(), 1));
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] > bytes.size()) {
      return invalid_data("entry {} begins at byte {} of a segment of {} bytes", i, offsets[i],
                          bytes.size());
    }
    const auto next = std::upper_bound(sorted.begin(), sorted.end(), offsets[i]);
    const uint64_t end =
        next == sorted.end() ? bytes.size() : std::min<uint64_t>(*next, bytes.size());
    uint64_t size = end - offsets[i];
    if (i < wanted.size() && wanted[i] != 0) {
      size = std::min<uint64_t>(wanted[i], bytes.size() - offsets[i]);
    }
    out[i] = view(bytes.subspan(offsets[i], size));
  }
  return out;
}

Status Decoder::constants(const fb::Program& root, const std::vector<uint64_t>& wanted) {
  const auto* in_segment = root.constant_segment();
  const bool has_segment = in_segment != nullptr && length(in_segment->offsets()) > 1;
  const size_t inline_count = length(root.constant_buffer());
  if (has_segment && inline_count > 0) {
    return invalid_data("constants lie both in a segment and in the flatbuffer");
  }
  if (has_segment) {
    PTE_TRY(program_.constants, pieces(root, *in_segment, wanted).at("constant segment"));
  } else if (inline_count > 0) {
    program_.constants.resize(inline_count);
    for (size_t i = 1; i < inline_count; ++i) {
      const auto* data =
          root.constant_buffer()->Get(static_cast<flatbuffers::uoffset_t>(i))->storage();
      if (data == nullptr) continue;
      program_.constants[i] = view(std::as_bytes(std::span(data->data(), data->size())));
    }
  }
  return {};
}

Status Decoder::mutable_data(const fb::Program& root, const std::vector<uint64_t>& wanted) {
  const size_t entries = length(root.mutable_data_segments());
  if (entries == 0) return {};
  // The official runtime reads the first one, whatever a tensor's index says.
  PTE_TRY(program_.mutable_data,
          pieces(root, *root.mutable_data_segments()->Get(0), wanted).at("mutable data segment"));
  return {};
}

Status Decoder::named_data(const fb::Program& root) {
  if (root.named_data() == nullptr) return {};
  for (const auto* item : *root.named_data()) {
    NamedData entry;
    PTE_TRY(entry.key, text(item->key()));
    auto bytes = segment(root, item->segment_index());
    if (!bytes) {
      PTE_CHECK(note(std::move(bytes.error()), fmt::format("named data {}", quote(entry.key))));
      continue;
    }
    entry.data = view(*bytes);
    program_.named_data.push_back(std::move(entry));
  }
  return {};
}

Result<Program> Decoder::decode(const fb::Program& root) {
  program_.version = root.version();
  if (root.execution_plan() == nullptr) return invalid_data("the program has no methods");
  for (const auto* plan : *root.execution_plan()) {
    PTE_TRY(Method decoded, method(root, *plan));
    program_.methods.push_back(std::move(decoded));
  }
  std::vector<uint64_t> constants_wanted;
  std::vector<uint64_t> mutable_wanted;
  const size_t constant_count =
      root.constant_segment() == nullptr ? 0 : length(root.constant_segment()->offsets());
  constants_wanted.resize(constant_count);
  if (length(root.mutable_data_segments()) > 0) {
    mutable_wanted.resize(length(root.mutable_data_segments()->Get(0)->offsets()));
  }
  for (const Method& method : program_.methods) {
    for (const Value& value : method.values) {
      const auto* tensor = std::get_if<TensorValue>(&value);
      if (tensor == nullptr) continue;
      auto& wanted = tensor->allocation ? mutable_wanted : constants_wanted;
      if (tensor->constant >= wanted.size()) continue;
      wanted[tensor->constant] = std::max<uint64_t>(wanted[tensor->constant], tensor->nbytes());
    }
  }
  // Without these every tensor that uses them is at fault too, which says nothing more.
  for (Status status : {constants(root, constants_wanted), mutable_data(root, mutable_wanted)}) {
    if (status) continue;
    if (faults_ == nullptr) return std::move(status.error());
    damaged_.assign(damaged_.size(), true);
    PTE_CHECK(note(std::move(status.error()), "program"));
  }
  PTE_CHECK(named_data(root));
  // A segment that nothing uses must lie in the file too.
  for (size_t i = 0; i < length(root.segments()); ++i) {
    auto bytes = segment(root, i);
    if (bytes) continue;
    if (faults_ == nullptr) return std::move(bytes.error());
    PTE_CHECK(note(std::move(bytes.error()), "program"));
  }
  return std::move(program_);
}

// Header and flatbuffers verifier: behind them every table and vector lies in the file.
Result<const fb::Program*> root_of(const MappedFile& file, FileHeader& header) {
  PTE_TRY(header, read_header(file.bytes()));
  if (header.program_size >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return unsupported("its flatbuffer has {} bytes; the format ends at {}", header.program_size,
                       FLATBUFFERS_MAX_BUFFER_SIZE);
  }
  flatbuffers::Verifier::Options options;
  options.max_depth = 32;
  // An honest table takes at least eight bytes with the reference to it.
  options.max_tables = static_cast<flatbuffers::uoffset_t>(header.program_size / 4 + 64);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(file.bytes().data()),
                                 header.program_size, options);
  if (!fb::VerifyProgramBuffer(verifier)) {
    return invalid_data(
        "the flatbuffer is damaged or cut off: a table, offset or length leaves its {} bytes",
        header.program_size);
  }
  return fb::GetProgram(file.bytes().data());
}

Result<Program> parse(const MappedFile& file) {
  FileHeader header;
  PTE_TRY(const fb::Program* root, root_of(file, header));
  PTE_TRY(Program program, Decoder(file, header).decode(*root));
  PTE_CHECK(verify(program));
  return program;
}

Status search(const MappedFile& file, Faults& faults) {
  FileHeader header;
  PTE_TRY(const fb::Program* root, root_of(file, header));
  Decoder decoder(file, header, &faults);
  PTE_TRY(Program program, decoder.decode(*root));
  // What could not be read would be found at fault again wherever it is used.
  std::vector<Method> whole;
  for (size_t i = 0; i < program.methods.size(); ++i) {
    if (!decoder.damaged()[i]) whole.push_back(std::move(program.methods[i]));
  }
  program.methods = std::move(whole);
  const size_t before = faults.count();
  for (Finding& finding : find_faults(program)) {
    if (faults.add(std::move(finding.where), invalid_data("{}", finding.message))) return {};
  }
  // Live ranges can be followed only where every index is right.
  if (faults.count() != before) return {};
  for (const Method& method : program.methods) {
    for (Finding& finding : find_plan_conflicts(method)) {
      if (faults.add(std::move(finding.where), invalid_data("{}", finding.message))) return {};
    }
  }
  return {};
}

}  // namespace

Result<Program> read_program(const MappedFile& file) {
  if (!is_bundle(file.bytes())) return parse(file).at(file.path());
  const auto open = [&]() -> Result<Program> {
    PTE_TRY(const MappedFile inside, extract_program(file));
    return parse(inside);
  };
  return open().at(file.path());
}

std::vector<Finding> check_program(const MappedFile& file, size_t limit) {
  Faults faults(limit);
  const auto run = [&]() -> Status {
    if (!is_bundle(file.bytes())) return search(file, faults);
    // Its test cases must be readable too.
    PTE_TRY(const Bundle bundle, read_bundle(file));
    return search(bundle.program, faults);
  };
  if (Status status = run(); !status && !faults.full()) {
    faults.add("file", std::move(status.error()));
  }
  std::vector<Finding> findings;
  for (Faults::Fault& fault : faults.all()) {
    findings.push_back({std::move(fault.where), std::move(fault.error.message)});
  }
  return findings;
}

}  // namespace pte::program
