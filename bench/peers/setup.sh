#!/usr/bin/env bash
# Installs the runtimes that inference.py measures, in an environment of their own (.venv-peers), and
# what the interop tests need (.venv): the official exporter makes every model's file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts/install_packages.sh python
tests/interop/setup_oracle.sh .venv
mkdir -p build/interop
tests/interop/setup_onnx.sh .venv build/interop
[ -x .venv-peers/bin/python ] || python3 -m venv .venv-peers
export PIP_DISABLE_PIP_VERSION_CHECK=1
# pnnx's package asks for PyTorch, which its converter does not need.
.venv-peers/bin/python -m pip install --quiet --no-deps pnnx==20261020
.venv-peers/bin/python -m pip install --quiet -r bench/peers/requirements.txt
