#!/usr/bin/env bash
# Makes the Python environment of the oracle: the official exporter and eager PyTorch (CPU).
#
#   tests/interop/setup_oracle.sh [FOLDER]      default: .venv in the repository root
#
# Does nothing when FOLDER already holds exactly what requirements.txt asks for.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:-$root/.venv}
wanted=$(sha256sum "$here/requirements.txt" | cut -d' ' -f1)
stamp=$venv/.ptekit-oracle

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

"$root/scripts/install_packages.sh" python
rm -f "$stamp"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --no-deps --no-compile -r "$here/requirements.txt"
if ! "$venv/bin/python" -c 'import torch' 2>"$venv/import.log"; then
  cat "$venv/import.log" >&2
  echo "error: this torch wheel does not load. The oracle needs the CPU build of the version in" >&2
  echo "tests/interop/requirements.txt; point pip at it (PIP_FIND_LINKS or PIP_INDEX_URL)." >&2
  exit 1
fi
"$venv/bin/python" - <<'PYTHON' 2>/dev/null
import executorch.exir
import executorch.backends.xnnpack.partition.xnnpack_partitioner
PYTHON
echo "$wanted" > "$stamp"
echo "oracle ready: $venv"
