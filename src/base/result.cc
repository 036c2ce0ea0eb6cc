#include "base/result.h"

namespace pte {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "invalid argument";
    case Code::kInvalidData:
      return "invalid data";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kNotFound:
      return "not found";
    case Code::kIo:
      return "input/output";
    case Code::kResourceLimit:
      return "limit exceeded";
    case Code::kMismatch:
      return "mismatch";
    case Code::kInternal:
      return "internal error";
  }
  return "unknown";
}

}  // namespace pte
