#include "importers/checkpoint/metadata.h"

#include <cmath>

#include "importers/checkpoint/numpy.h"
#include "importers/checkpoint/tensors.h"

namespace pte::importers {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::string_view kCut = "…";

// The length of the valid UTF-8 sequence at `at`, or 0.
size_t sequence_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char c = byte(0);
  if (c < 0x80) return 1;
  const size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
  if (c < 0xc2 || c > 0xf4 || text.size() - at < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // No overlong forms, no surrogates, nothing beyond U+10FFFF.
  if ((c == 0xe0 && byte(1) < 0xa0) || (c == 0xed && byte(1) > 0x9f) ||
      (c == 0xf0 && byte(1) < 0x90) || (c == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return length;
}

std::string repaired(std::string_view text, bool keep_control) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = sequence_at(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0 || (!keep_control && (c < 0x20 || c == 0x7f))) {
      out += '?';
      ++i;
    } else {
      out.append(text.substr(i, length));
      i += length;
    }
  }
  return out;
}

// A float as Python would write it in strict JSON: infinities and NaN have no number there.
nlohmann::json float_to_json(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

class Converter {
 public:
  explicit Converter(JsonBudget& budget) : budget_(budget) {}

  nlohmann::json convert(const PickleValue& value, int depth) {
    if (budget_.values == 0 || depth > kMaxDepth) return kCut;
    --budget_.values;
    switch (value.kind()) {
      case PickleKind::kNone:
        return nullptr;
      case PickleKind::kBool:
        return *value.as_bool();
      case PickleKind::kInt:
        return *value.as_int();
      case PickleKind::kFloat:
        return float_to_json(*value.as_float());
      case PickleKind::kBigInt:
        return fmt::format("<integer of {} bytes>", value.text().size());
      case PickleKind::kString:
        return text(value.text());
      case PickleKind::kBytes:
        return fmt::format("<{} bytes>", value.text().size());
      case PickleKind::kGlobal:
        return bracketed(value.text());
      case PickleKind::kPersistentId:
        return "<storage>";
      case PickleKind::kList:
      case PickleKind::kTuple:
      case PickleKind::kSet:
        return list(value, depth);
      case PickleKind::kDict:
        return dict(value, depth);
      case PickleKind::kObject:
        return object(value, depth);
    }
    return nullptr;
  }

 private:
  nlohmann::json text(std::string_view in) {
    if (in.size() > budget_.text) return kCut;
    budget_.text -= in.size();
    return repaired(in, true);
  }

  static std::string bracketed(std::string_view in) { return fmt::format("<{}>", printable(in)); }

  nlohmann::json list(const PickleValue& value, int depth) {
    auto out = nlohmann::json::array();
    for (size_t i = 0; i < value.size(); ++i) {
      out.push_back(convert(value.item(i), depth + 1));
      if (budget_.values == 0) break;
    }
    return out;
  }

  nlohmann::json dict(const PickleValue& value, int depth) {
    auto out = nlohmann::json::object();
    for (size_t i = 0; i < value.entry_count() && budget_.values > 0; ++i) {
      const PickleValue key = value.key(i);
      --budget_.values;
      if (value.value(i).id() == budget_.omit) continue;
      std::string name;
      if (key.is(PickleKind::kString)) {
        name = printable(key.text());
      } else if (const auto integer = key.as_int()) {
        name = std::to_string(*integer);
      } else {
        continue;
      }
      out[name] = convert(value.value(i), depth + 1);
    }
    return out;
  }

  nlohmann::json object(const PickleValue& value, int depth) {
    if (const auto scalar = read_numpy_scalar(value)) {
      if (const auto* real = std::get_if<double>(&*scalar)) return float_to_json(*real);
      if (const auto* truth = std::get_if<bool>(&*scalar)) return *truth;
      return std::get<int64_t>(*scalar);
    }
    if (TensorReader::is_tensor(value)) {
      const std::string shape = TensorReader::describe(value);
      return bracketed(shape.empty() ? "tensor" : shape);
    }
    const std::string_view callable = value.callable().text();
    if (callable == "torch.Size" || callable == "builtins.set" || callable == "builtins.list" ||
        callable == "builtins.tuple" || callable == "builtins.frozenset") {
      return list(value.args().item(0), depth);
    }
    if (callable == "torch.device") return text(value.args().item(0).text());
    if (value.entry_count() > 0 || callable == "collections.OrderedDict") return dict(value, depth);
    // A namespace (argparse.Namespace and the like) is its attributes.
    if (callable.ends_with("Namespace")) {
      if (const auto state = value.state()) return dict(*state, depth);
    }
    return bracketed(callable.empty() ? "object" : callable);
  }

  JsonBudget& budget_;
};

void flatten(const nlohmann::json& tree, const std::string& path,
             std::map<std::string, StateDict::Scalar, std::less<>>& out) {
  if (tree.is_object()) {
    for (const auto& [key, value] : tree.items()) {
      flatten(value, path.empty() ? key : path + "." + key, out);
    }
  } else if (tree.is_boolean()) {
    out[path] = tree.get<bool>();
  } else if (tree.is_number_integer()) {
    out[path] = tree.get<int64_t>();
  } else if (tree.is_number_float()) {
    out[path] = tree.get<double>();
  } else if (tree.is_string()) {
    out[path] = tree.get<std::string>();
  }
}

}  // namespace

nlohmann::json to_json(const PickleValue& value, JsonBudget& budget) {
  return Converter(budget).convert(value, 0);
}

std::map<std::string, StateDict::Scalar, std::less<>> flatten_scalars(const nlohmann::json& tree) {
  std::map<std::string, StateDict::Scalar, std::less<>> out;
  if (tree.is_object()) flatten(tree, "", out);
  return out;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = sequence_at(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

std::string printable(std::string_view text, size_t limit) {
  if (text.size() <= limit) return repaired(text, false);
  std::string out = repaired(text.substr(0, limit), false);
  return out.append(kCut);
}

}  // namespace pte::importers
