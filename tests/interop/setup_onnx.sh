#!/usr/bin/env bash
# Puts what test_onnx.py needs beside the oracle: the packages of requirements-onnx.txt, out of the
# oracle's way, and the models that generate_onnx.py makes with both.
#
#   tests/interop/setup_onnx.sh ORACLE FOLDER
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
oracle=$1
packages=$2/onnx_packages
models=$2/onnx
wanted=$(cat "$here/requirements-onnx.txt" "$here"/generate_onnx*.py | sha256sum)
if [ -f "$models/stamp" ] && [ "$(cat "$models/stamp")" = "$wanted" ]; then
  exit 0
fi
rm -rf "$packages" "$models"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$oracle/bin/python" -m pip install --quiet --no-deps --no-compile --target "$packages" \
  -r "$here/requirements-onnx.txt"
mkdir -p "$models"
"$oracle/bin/python" -W ignore "$here/generate_onnx.py" "$packages" "$models" >"$2/onnx.log" 2>&1 || {
  tail -20 "$2/onnx.log" >&2
  exit 1
}
echo "$wanted" >"$models/stamp"
