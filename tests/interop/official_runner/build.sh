#!/usr/bin/env bash
# Builds the runner over the official C++ runtime, whose libraries and headers the executorch wheel
# carries:
#
#   tests/interop/official_runner/build.sh VENV OUTPUT
#
# Rebuilds only when the source or the runtime has changed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$(cd "$1" && pwd)
output=$2
package=$(echo "$venv"/lib/python3*/site-packages/executorch)
libraries=$package/lib
if [ ! -e "$libraries/libexecutorch.so" ]; then
  echo "error: $libraries has no libexecutorch.so; run tests/interop/setup_oracle.sh" >&2
  exit 1
fi
stamp="$libraries $(sha256sum <"$here/main.cc") $(sha256sum <"$libraries/libexecutorch.so")"
if [ -x "$output" ] && [ "$(cat "$output.stamp" 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
mkdir -p "$(dirname "$output")"
# The kernels and backends register themselves on load and export nothing that the program names, so
# the linker must be told to keep them.
g++ -std=c++17 -O1 -w \
  -DC10_USING_CUSTOM_GENERATED_MACROS -DET_EVENT_TRACER_ENABLED -DET_USE_THREADPOOL \
  -isystem "$package/include" -isystem "$package/include/executorch/runtime/core/portable_type/c10" \
  "$here/main.cc" -o "$output" -L"$libraries" -Wl,-rpath,"$libraries" -Wl,--no-as-needed \
  -lexecutorch -lexecutorch_kernels_optimized -lexecutorch_kernels_quantized \
  -lexecutorch_backend_xnnpack -lexecutorch_threadpool -lexecutorch_etdump -pthread
echo "$stamp" >"$output.stamp"
