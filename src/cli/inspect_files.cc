// What `pte inspect` shows of the files beside programs: .ptd data, the test cases of a .bpte.
#include <algorithm>

#include "cli/inspect.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

std::string layout_text(const program::DataEntry& entry) {
  if (!entry.layout) return "opaque bytes";
  std::string text = describe(entry.layout->dtype, entry.layout->sizes);
  if (!is_contiguous(entry.layout->dim_order)) {
    text += fmt::format(" order {}", fmt::join(entry.layout->dim_order, ","));
  }
  return text;
}

std::string values_text(const std::vector<EValue>& values) {
  std::string text;
  for (const EValue& value : values) {
    const auto* tensor = value.get<Tensor>();
    text += (text.empty() ? "" : ", ") +
            (tensor != nullptr ? tensor->describe() : std::string(value.kind()));
  }
  return text.empty() ? "nothing" : text;
}

nlohmann::json values_json(const std::vector<EValue>& values) {
  nlohmann::json rows = nlohmann::json::array();
  for (const EValue& value : values) {
    const auto* tensor = value.get<Tensor>();
    nlohmann::json row = {{"type", value.kind()}};
    if (tensor != nullptr) {
      row["dtype"] = dtype_name(tensor->dtype());
      row["shape"] = tensor->sizes();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

void print_suites(const program::Bundle& bundle) {
  for (const program::TestSuite& suite : bundle.suites) {
    print("  {}{}: {} case{}\n", pad_right("tests", 12), printable(suite.method),
          suite.cases.size(), suite.cases.size() == 1 ? "" : "s");
    if (suite.cases.empty()) continue;
    print("  {}{}\n", pad_right("", 12),
          dim(shortened(fmt::format("{} -> {}", values_text(suite.cases[0].inputs),
                                    values_text(suite.cases[0].expected)),
                        66)));
  }
}

nlohmann::json suites_json(const program::Bundle& bundle) {
  nlohmann::json rows = nlohmann::json::array();
  for (const program::TestSuite& suite : bundle.suites) {
    nlohmann::json cases = nlohmann::json::array();
    for (const program::TestCase& test : suite.cases) {
      cases.push_back(
          {{"inputs", values_json(test.inputs)}, {"expected", values_json(test.expected)}});
    }
    rows.push_back({{"method", suite.method}, {"cases", std::move(cases)}});
  }
  return rows;
}

void print_data(const program::DataFile& data, uint64_t bytes) {
  print("{}   {}   data for programs, {} entr{}\n", data.path, human_bytes(bytes),
        data.entries.size(), data.entries.size() == 1 ? "y" : "ies");
  std::vector<const program::DataEntry*> rows;
  for (const program::DataEntry& entry : data.entries) rows.push_back(&entry);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->data.size() > b->data.size(); });
  for (const program::DataEntry* entry : rows) {
    print("  {}{}  {}\n", pad_right(shortened(printable(entry->key), 42), 42),
          pad_left(human_bytes(entry->data.size()), 9), layout_text(*entry));
  }
}

nlohmann::json data_json(const program::DataFile& data, uint64_t bytes) {
  nlohmann::json object = {{"file", data.path},
                           {"format", "ptd"},
                           {"bytes", bytes},
                           {"version", data.version},
                           {"entries", nlohmann::json::array()}};
  for (const program::DataEntry& entry : data.entries) {
    nlohmann::json row = {{"key", entry.key}, {"bytes", entry.data.size()}};
    if (entry.layout) {
      row["dtype"] = dtype_name(entry.layout->dtype);
      row["shape"] = entry.layout->sizes;
      row["dim_order"] = entry.layout->dim_order;
    }
    object["entries"].push_back(std::move(row));
  }
  return object;
}

}  // namespace pte::cli
