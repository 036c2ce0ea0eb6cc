#!/usr/bin/env bash
# Configures a CMake preset when it needs it and builds targets, quietly unless something fails.
#
#   scripts/build.sh PRESET [TARGET…]      JOBS=N limits the parallel jobs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
shift
folder=build/$preset
jobs=${JOBS:-$(nproc)}
mkdir -p "$folder"
if [ ! -f "$folder/build.ninja" ]; then
  launcher=()
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  if ! cmake --preset "$preset" "${launcher[@]}" >"$folder/configure.log" 2>&1; then
    cat "$folder/configure.log" >&2
    exit 1
  fi
fi
# Paths in compiler output and debug data do not keep two checkouts from sharing a cache.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
if [ -t 1 ]; then
  exec ninja -j "$jobs" -C "$folder" "$@"
fi
if ! ninja -j "$jobs" -C "$folder" "$@" >"$folder/build.log" 2>&1; then
  grep -v '^\[[0-9]*/[0-9]*\]' "$folder/build.log" | head -200 >&2
  exit 1
fi
