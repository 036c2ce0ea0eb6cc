#!/usr/bin/env bash
# Installs the Debian packages that a part of the project needs, and only those that are missing.
#
#   scripts/install_packages.sh PART…      PART: build test bench fuzz format python
set -euo pipefail

packages=()
for part in "$@"; do
  case $part in
    build) packages+=(g++ cmake ninja-build make pkg-config flatbuffers-compiler libflatbuffers-dev libfmt-dev
                      libcli11-dev nlohmann-json3-dev libhwy-dev libexpected-dev
                      libjpeg62-turbo-dev libspng-dev libssl-dev zlib1g-dev) ;;
    # ccache: the scalar preset differs from dev in the vector code alone and takes the rest from it.
    test) packages+=(libgtest-dev libgmock-dev ccache) ;;
    bench) packages+=(libbenchmark-dev) ;;
    fuzz) packages+=(clang-14 libclang-rt-14-dev) ;;
    format) packages+=(clang-format-14) ;;
    python) packages+=(python3 python3-venv python3-pip unzip ca-certificates) ;;
    *) echo "install_packages.sh: unknown part '$part'" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $status == ii* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "error: these packages are missing and apt-get is not here: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${as_root[@]}" apt-get -q update >"$log" 2>&1 ||
   ! "${as_root[@]}" apt-get -q -y install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
