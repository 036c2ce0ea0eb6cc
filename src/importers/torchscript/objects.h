// The module object of an archive, from its pickles: objects with their attributes, tensors as
// constants of the IR that view the file. No code of the pickle is run; a class's own __setstate__,
// which is TorchScript, is executed as any method.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/zip.h"
#include "importers/checkpoint/tensors.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

class ObjectReader {
 public:
  ObjectReader(Evaluator& evaluator, std::shared_ptr<const ZipArchive> zip)
      : evaluator_(evaluator), zip_(std::move(zip)) {}

  // `entry` is a pickle below the top folder ("data.pkl"); its storages lie in `folder`. `path`
  // comes before the names of the tensors.
  Result<Value> read(const std::string& entry, const std::string& folder, const std::string& path);

  // What every tensor attribute of a module was before anything ran.
  struct State {
    std::shared_ptr<Object> object;
    std::string name;
    Value value;
    std::string key;  // of the constant, when it is a tensor
  };
  const std::vector<State>& states() const { return states_; }
  // The key of the constant that a tensor of the archive is; "" for others.
  std::string key_of(const TensorPtr& cell) const {
    const auto found = keys_.find(cell.get());
    return found == keys_.end() ? std::string() : found->second;
  }

 private:
  Result<Value> convert(const PickleValue& value, const std::string& path, ir::Constant::Kind kind,
                        int depth);
  Result<Value> convert_object(const PickleValue& value, const std::string& path,
                               ir::Constant::Kind kind, int depth);
  Result<Value> make_object(const PickleValue& value, const std::string& name,
                            const std::string& path, int depth);
  Result<Value> tensor(const PickleValue& value, const std::string& path, ir::Constant::Kind kind);
  Result<Value> quantized_tensor(const PickleValue& value, const std::string& path);

  Evaluator& evaluator_;
  std::shared_ptr<const ZipArchive> zip_;
  std::shared_ptr<const Pickle> pickle_;
  std::unique_ptr<TensorReader> tensors_;
  std::unordered_map<uint32_t, Value> made_;            // by pickle value
  std::vector<std::shared_ptr<const Pickle>> pickles_;  // kept while tensors view their names
  struct Seen {
    Tensor data;
    TensorPtr cell;
  };
  std::multimap<const std::byte*, Seen> seen_;
  std::unordered_map<const TensorCell*, std::string> keys_;
  std::vector<State> states_;
  std::vector<ZipData> held_;
};

}  // namespace pte::importers::script
