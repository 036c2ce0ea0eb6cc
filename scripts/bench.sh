#!/usr/bin/env bash
# Runs every benchmark program of the release build. Results: build/bench/<program>.json.
#
#   scripts/bench.sh DEMO_FOLDER      the folder that scripts/fetch_demo.sh filled
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
demo=$1
mkdir -p build/bench
shopt -s nullglob
programs=(build/release/bench/*_bench)
if [ ${#programs[@]} -eq 0 ]; then
  echo "error: build/release/bench holds no benchmark program" >&2
  exit 1
fi
failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program")
  PTE_DEMO=$PWD/$demo "$program" --benchmark_out="build/bench/$name.json" \
    --benchmark_out_format=json
  # A benchmark that cannot run reports that and carries on.
  if grep -q '"error_occurred": true' "build/bench/$name.json"; then
    failed=1
  fi
done
exit "$failed"
