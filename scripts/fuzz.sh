#!/usr/bin/env bash
# Runs the libFuzzer targets one after another, with sanitizers.
#
#   scripts/fuzz.sh SECONDS [NAME…]      NAME: a folder of fuzz/corpus; default: all of them
#
# New inputs go to build/fuzz/corpus/NAME, findings to build/fuzz/findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=$1
shift
scripts/build.sh fuzz fuzz/all
[ $# -gt 0 ] || set -- $(cd build/fuzz/fuzz && ls -- *_fuzz | sed 's/_fuzz$//')
mkdir -p build/fuzz/findings
failed=()
for name in "$@"; do
  mkdir -p "build/fuzz/corpus/$name"
  log=build/fuzz/$name.log
  if "build/fuzz/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
      -max_len=65536 -artifact_prefix="build/fuzz/findings/$name-" -print_final_stats=1 \
      "build/fuzz/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1; then
    echo "$name: no finding in ${seconds}s, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
  else
    failed+=("$name")
    echo "$name: a finding; see $log"
    tail -n 40 "$log"
  fi
done
[ ${#failed[@]} -eq 0 ]
