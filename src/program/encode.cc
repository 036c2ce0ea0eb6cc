#include "program/encode.h"

#include "schema/program_generated.h"

namespace pte::program {
namespace {

namespace fb = pte::schema::program;

template <typename T>
using Offset = flatbuffers::Offset<T>;
template <typename T>
using VectorOffset = Offset<flatbuffers::Vector<T>>;
template <typename T>
using TablesOffset = VectorOffset<Offset<T>>;

// Writes what official files hold: empty lists are stored, numbers equal to their default are not.
class Encoder {
 public:
  Encoder(const Program& program, const Layout& layout) : program_(program), layout_(layout) {}

  std::vector<std::byte> run();

 private:
  struct Union {
    fb::KernelTypes type;
    Offset<void> value;
  };
  Union value(const Value& value);
  Offset<fb::Tensor> tensor(const TensorValue& tensor);
  Offset<fb::Instruction> instruction(const Instruction& instruction);
  Offset<fb::Chain> chain(const Chain& chain);
  Offset<fb::FrameList> frames(const std::vector<Frame>& frames);
  Offset<fb::BackendDelegate> delegate(const Delegate& delegate, uint32_t payload);
  Offset<fb::ExecutionPlan> method(size_t index);
  TablesOffset<fb::BackendDelegateInlineData> inline_payloads();
  TablesOffset<fb::NamedData> named_data();

  Offset<flatbuffers::String> text(const std::string& string) { return out_.CreateString(string); }
  VectorOffset<uint8_t> bytes(Bytes bytes) {
    return out_.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  template <typename T>
  TablesOffset<T> tables(const std::vector<Offset<T>>& items) {
    return out_.CreateVector(items);
  }

  const Program& program_;
  const Layout& layout_;
  flatbuffers::FlatBufferBuilder out_;
};

Offset<fb::Tensor> Encoder::tensor(const TensorValue& in) {
  const std::vector<int32_t> narrow(in.sizes.begin(), in.sizes.end());
  const auto sizes = out_.CreateVector(narrow);
  const auto dim_order = out_.CreateVector(in.dim_order);
  Offset<fb::AllocationDetails> place;
  if (in.allocation) {
    place = fb::CreateAllocationDetails(out_, in.allocation->memory_id,
                                        static_cast<uint32_t>(in.allocation->offset),
                                        static_cast<uint32_t>(in.allocation->offset >> 32));
  }
  Offset<fb::ExtraTensorInfo> extra;
  if (in.external || !in.name.empty() || in.device_type != 0 || in.device_index != 0) {
    const auto name = in.name.empty() ? Offset<flatbuffers::String>() : text(in.name);
    extra = fb::CreateExtraTensorInfo(
        out_, 0, name,
        in.external ? fb::TensorDataLocation::EXTERNAL : fb::TensorDataLocation::SEGMENT,
        static_cast<fb::DeviceType>(in.device_type), in.device_index);
  }
  return fb::CreateTensor(out_, static_cast<int8_t>(in.dtype), 0, sizes, dim_order,
                          in.requires_grad, in.constant, place, 0,
                          static_cast<fb::TensorShapeDynamism>(in.dynamism), extra);
}

Encoder::Union Encoder::value(const Value& in) {
  using fb::KernelTypes;
  if (const auto* number = std::get_if<int64_t>(&in)) {
    return {KernelTypes::Int, fb::CreateInt(out_, *number).Union()};
  }
  if (const auto* flag = std::get_if<bool>(&in)) {
    return {KernelTypes::Bool, fb::CreateBool(out_, *flag).Union()};
  }
  if (const auto* real = std::get_if<double>(&in)) {
    return {KernelTypes::Double, fb::CreateDouble(out_, *real).Union()};
  }
  if (const auto* tensor_value = std::get_if<TensorValue>(&in)) {
    return {KernelTypes::Tensor, tensor(*tensor_value).Union()};
  }
  if (const auto* string = std::get_if<std::string>(&in)) {
    return {KernelTypes::String, fb::CreateString(out_, text(*string)).Union()};
  }
  if (const auto* ints = std::get_if<IntList>(&in)) {
    const std::vector<int64_t> wide(ints->items.begin(), ints->items.end());
    return {KernelTypes::IntList, fb::CreateIntList(out_, out_.CreateVector(wide)).Union()};
  }
  if (const auto* reals = std::get_if<std::vector<double>>(&in)) {
    return {KernelTypes::DoubleList, fb::CreateDoubleList(out_, out_.CreateVector(*reals)).Union()};
  }
  if (const auto* flags = std::get_if<std::vector<bool>>(&in)) {
    const std::vector<uint8_t> items(flags->begin(), flags->end());
    return {KernelTypes::BoolList, fb::CreateBoolList(out_, out_.CreateVector(items)).Union()};
  }
  if (const auto* tensors = std::get_if<TensorList>(&in)) {
    const auto items = out_.CreateVector(tensors->items);
    return {KernelTypes::TensorList, fb::CreateTensorList(out_, items).Union()};
  }
  if (const auto* tensors = std::get_if<OptionalTensorList>(&in)) {
    const auto items = out_.CreateVector(tensors->items);
    return {KernelTypes::OptionalTensorList, fb::CreateOptionalTensorList(out_, items).Union()};
  }
  return {KernelTypes::Null, fb::CreateNull(out_).Union()};
}

Offset<fb::Instruction> Encoder::instruction(const Instruction& in) {
  using fb::InstructionArguments;
  if (const auto* kernel = std::get_if<KernelCall>(&in)) {
    const auto call = fb::CreateKernelCall(out_, kernel->op, out_.CreateVector(kernel->args));
    return fb::CreateInstruction(out_, InstructionArguments::KernelCall, call.Union());
  }
  if (const auto* call = std::get_if<DelegateCall>(&in)) {
    const auto made = fb::CreateDelegateCall(out_, call->delegate, out_.CreateVector(call->args));
    return fb::CreateInstruction(out_, InstructionArguments::DelegateCall, made.Union());
  }
  if (const auto* move = std::get_if<MoveCall>(&in)) {
    const auto made = fb::CreateMoveCall(out_, move->from, move->to);
    return fb::CreateInstruction(out_, InstructionArguments::MoveCall, made.Union());
  }
  if (const auto* jump = std::get_if<JumpFalseCall>(&in)) {
    const auto made = fb::CreateJumpFalseCall(out_, jump->condition, jump->target);
    return fb::CreateInstruction(out_, InstructionArguments::JumpFalseCall, made.Union());
  }
  const auto made = fb::CreateFreeCall(out_, std::get<FreeCall>(in).value);
  return fb::CreateInstruction(out_, InstructionArguments::FreeCall, made.Union());
}

Offset<fb::FrameList> Encoder::frames(const std::vector<Frame>& in) {
  std::vector<Offset<fb::Frame>> items;
  for (const Frame& frame : in) {
    const auto file = text(frame.file);
    const auto name = text(frame.name);
    items.push_back(fb::CreateFrame(out_, file, frame.line, name, text(frame.context)));
  }
  return fb::CreateFrameList(out_, tables(items));
}

Offset<fb::Chain> Encoder::chain(const Chain& in) {
  std::vector<Offset<fb::Instruction>> instructions;
  for (const Instruction& item : in.instructions) instructions.push_back(instruction(item));
  const auto instruction_tables = tables(instructions);
  TablesOffset<fb::FrameList> traces;
  if (!in.stack_traces.empty()) {
    std::vector<Offset<fb::FrameList>> lists;
    for (const auto& item : in.stack_traces) lists.push_back(frames(item));
    traces = tables(lists);
  }
  const std::vector<int32_t> none;
  const auto outputs = out_.CreateVector(none);
  const auto inputs = out_.CreateVector(none);
  return fb::CreateChain(out_, inputs, outputs, instruction_tables, traces);
}

Offset<fb::BackendDelegate> Encoder::delegate(const Delegate& in, uint32_t payload) {
  std::vector<Offset<fb::CompileSpec>> specs;
  for (const CompileSpec& spec : in.compile_specs) {
    const auto key = text(spec.key);
    specs.push_back(fb::CreateCompileSpec(out_, key, bytes(spec.value.bytes)));
  }
  const auto spec_tables = tables(specs);
  const auto reference = fb::CreateBackendDelegateDataReference(
      out_, in.is_inline ? fb::DataLocation::INLINE : fb::DataLocation::SEGMENT, payload);
  return fb::CreateBackendDelegate(out_, text(in.id), reference, spec_tables);
}

Offset<fb::ExecutionPlan> Encoder::method(size_t index) {
  const Method& in = program_.methods[index];
  std::vector<Offset<fb::EValue>> values;
  values.reserve(in.values.size());
  for (const Value& item : in.values) {
    const Union made = value(item);
    values.push_back(fb::CreateEValue(out_, made.type, made.value));
  }
  std::vector<Offset<fb::Chain>> chains;
  for (const Chain& item : in.chains) chains.push_back(chain(item));
  std::vector<Offset<fb::Operator>> operators;
  for (const Operator& op : in.operators) {
    const auto name = text(op.name);
    operators.push_back(fb::CreateOperator(out_, name, text(op.overload)));
  }
  std::vector<Offset<fb::BackendDelegate>> delegates;
  for (size_t i = 0; i < in.delegates.size(); ++i) {
    delegates.push_back(delegate(in.delegates[i], layout_.payloads[index][i]));
  }
  TablesOffset<fb::NonConstBufferDevice> devices;
  if (!in.arena_devices.empty()) {
    std::vector<Offset<fb::NonConstBufferDevice>> items;
    for (const ArenaDevice& device : in.arena_devices) {
      items.push_back(fb::CreateNonConstBufferDevice(
          out_, device.arena, static_cast<fb::DeviceType>(device.device_type),
          device.device_index));
    }
    devices = tables(items);
  }
  const auto input_tree = text(in.input_tree);
  const auto trees = fb::CreateContainerMetadata(out_, input_tree, text(in.output_tree));
  const auto name = text(in.name);
  const auto value_tables = tables(values);
  const auto inputs = out_.CreateVector(in.inputs);
  const auto outputs = out_.CreateVector(in.outputs);
  const auto chain_tables = tables(chains);
  const auto operator_tables = tables(operators);
  const auto delegate_tables = tables(delegates);
  const auto arenas = out_.CreateVector(in.arena_sizes);
  return fb::CreateExecutionPlan(out_, name, trees, value_tables, inputs, outputs, chain_tables,
                                 operator_tables, delegate_tables, arenas, devices);
}

TablesOffset<fb::BackendDelegateInlineData> Encoder::inline_payloads() {
  constexpr size_t kAlignment = 16;
  std::vector<Offset<fb::BackendDelegateInlineData>> items;
  for (const Bytes payload : layout_.inline_payloads) {
    out_.ForceVectorAlignment(payload.size(), 1, kAlignment);
    items.push_back(fb::CreateBackendDelegateInlineData(out_, bytes(payload)));
  }
  return tables(items);
}

TablesOffset<fb::NamedData> Encoder::named_data() {
  if (program_.named_data.empty()) return {};
  std::vector<Offset<fb::NamedData>> items;
  for (size_t i = 0; i < program_.named_data.size(); ++i) {
    const auto key = text(program_.named_data[i].key);
    items.push_back(fb::CreateNamedData(out_, key, layout_.named_data[i]));
  }
  return tables(items);
}

std::vector<std::byte> Encoder::run() {
  std::vector<Offset<fb::ExecutionPlan>> methods;
  for (size_t i = 0; i < program_.methods.size(); ++i) methods.push_back(method(i));
  const auto method_tables = tables(methods);
  const auto constant_buffer = tables(std::vector<Offset<fb::Buffer>>());
  const auto payloads = inline_payloads();
  std::vector<Offset<fb::DataSegment>> segments;
  for (const Segment& segment : layout_.segments) {
    segments.push_back(fb::CreateDataSegment(out_, segment.offset, segment.size));
  }
  const auto segment_tables = tables(segments);
  const auto constants =
      fb::CreateSubsegmentOffsets(out_, 0, out_.CreateVector(layout_.constant_offsets));
  TablesOffset<fb::SubsegmentOffsets> mutable_data;
  if (!layout_.mutable_offsets.empty()) {
    const auto offsets = out_.CreateVector(layout_.mutable_offsets);
    mutable_data = tables(std::vector{fb::CreateSubsegmentOffsets(out_, 1, offsets)});
  }
  const auto names = named_data();
  fb::FinishProgramBuffer(
      out_, fb::CreateProgram(out_, program_.version, method_tables, constant_buffer, payloads,
                              segment_tables, constants, mutable_data, names));
  const auto* begin = reinterpret_cast<const std::byte*>(out_.GetBufferPointer());
  return {begin, begin + out_.GetSize()};
}

// An upper bound of what the flatbuffer will take; the builder itself ends the process past 2 GiB.
uint64_t estimate(const Program& program, const Layout& layout) {
  uint64_t bytes = 4096 + 32 * (layout.segments.size() + layout.constant_offsets.size() +
                                layout.mutable_offsets.size());
  for (const Bytes payload : layout.inline_payloads) bytes += payload.size() + 64;
  for (const NamedData& entry : program.named_data) bytes += entry.key.size() + 64;
  for (const Method& method : program.methods) {
    bytes += method.name.size() + method.input_tree.size() + method.output_tree.size() + 512;
    bytes += 8 * (method.inputs.size() + method.outputs.size() + method.arena_sizes.size());
    for (const Value& value : method.values) {
      bytes += 256;
      if (const auto* tensor = std::get_if<TensorValue>(&value)) bytes += tensor->name.size();
      if (const auto* string = std::get_if<std::string>(&value)) bytes += string->size();
      if (const auto* list = std::get_if<IntList>(&value)) bytes += 8 * list->items.size();
      if (const auto* list = std::get_if<TensorList>(&value)) bytes += 4 * list->items.size();
      if (const auto* list = std::get_if<OptionalTensorList>(&value))
        bytes += 4 * list->items.size();
      if (const auto* list = std::get_if<std::vector<double>>(&value)) bytes += 8 * list->size();
      if (const auto* list = std::get_if<std::vector<bool>>(&value)) bytes += list->size();
    }
    for (const Chain& chain : method.chains) {
      bytes += 96;
      for (const Instruction& instruction : chain.instructions) {
        bytes += 64;
        if (const auto* call = std::get_if<KernelCall>(&instruction))
          bytes += 4 * call->args.size();
        if (const auto* call = std::get_if<DelegateCall>(&instruction))
          bytes += 4 * call->args.size();
      }
      for (const auto& trace : chain.stack_traces) {
        bytes += 32;
        for (const Frame& frame : trace) {
          bytes += 96 + frame.file.size() + frame.name.size() + frame.context.size();
        }
      }
    }
    for (const Operator& op : method.operators) bytes += op.name.size() + op.overload.size() + 64;
    for (const Delegate& delegate : method.delegates) {
      bytes += delegate.id.size() + 96;
      for (const CompileSpec& spec : delegate.compile_specs) {
        bytes += spec.key.size() + spec.value.size() + 64;
      }
    }
  }
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> encode(const Program& program, const Layout& layout) {
  const uint64_t size = estimate(program, layout);
  if (size >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return make_error(Code::kResourceLimit,
                      "the flatbuffer would need up to {} bytes; the format ends at {}", size,
                      FLATBUFFERS_MAX_BUFFER_SIZE)
        .with_hint("keep delegate payloads in segments instead of inline");
  }
  return Encoder(program, layout).run();
}

}  // namespace pte::program
