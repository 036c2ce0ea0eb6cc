// SHA-256 of bytes, as the 64 lower-case hex digits by which ExecuTorch names shared data.
#pragma once

#include <string>

#include "base/file.h"

namespace pte {

std::string sha256_hex(Bytes bytes);

}  // namespace pte
