#!/usr/bin/env bash
# Installs the build, builds the examples against what was installed, and runs them on programs that
# the official exporter wrote.
#
#   tests/install/check.sh BUILD_FOLDER WORK_FOLDER
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$1
work=$2
golden=$source_dir/tests/golden
rm -rf "$work"
mkdir -p "$work"
fail() {
  echo "error: $*" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log" || {
  cat "$work/install.log"
  fail "cmake --install"
}
lib=$(dirname "$(find "$work/prefix" -name 'libpte.so' | head -n 1)")
[ -e "$lib/libpte.a" ] || fail "libpte.a was not installed"
[ "$("$work/prefix/bin/pte" --version)" = "pte $(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --modversion pte)" ] ||
  fail "pte --version and pte.pc differ"

# The library exports the C API and asks for nothing but the system's libraries.
others=$(nm -D --defined-only "$lib/libpte.so" | awk '{print $NF}' | grep -v '^pte_' || true)
[ -z "$others" ] || fail "libpte.so exports $others"
needed=$(objdump -p "$lib/libpte.so" | awk '/NEEDED/ {print $2}' |
  grep -Ev '^(libstdc\+\+|libm|libgcc_s|libc|ld-linux[^.]*|libpthread|libdl)\.so' || true)
[ -z "$needed" ] || fail "libpte.so needs $needed"

# Every header stands alone, without a warning, in the oldest standard that it is for.
for header in "$work"/prefix/include/pte/*.h; do
  printf '#include <pte/%s>\nint main() { return 0; }\n' "$(basename "$header")" >"$work/header.cc"
  "${CXX:-c++}" -std=c++17 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror \
    -I "$work/prefix/include" "$work/header.cc" || fail "$header"
done

# The CMake package.
cmake -S "$source_dir/examples" -B "$work/examples" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=None >"$work/configure.log" 2>&1 || {
  cat "$work/configure.log"
  fail "find_package(pte)"
}
cmake --build "$work/examples" >"$work/build.log" 2>&1 || {
  cat "$work/build.log"
  fail "the examples do not build"
}

# pkg-config: the C example, strictly C99; then statically, with the archive alone.
export PKG_CONFIG_PATH=$lib/pkgconfig
"${CC:-cc}" -std=c99 -pedantic-errors -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror \
  "$source_dir/examples/run_model.c" $(pkg-config --cflags --libs pte) -Wl,-rpath,"$lib" \
  -o "$work/run_model_pc"
"${CC:-cc}" -std=c99 "$source_dir/examples/run_model.c" $(pkg-config --cflags pte) "$lib/libpte.a" \
  $(pkg-config --static --libs-only-l pte | sed 's/-lpte//') -pthread -o "$work/run_model_archive"

# elements FILE.npy: what follows the header.
elements() {
  local length
  length=$(od -An -tu2 -j8 -N2 "$1" | tr -d ' ')
  tail -c "+$((length + 11))" "$1"
}

# run NAME GOLDEN PROGRAM [ARGUMENT…]: its first output must equal the golden one.
run() {
  local name=$1 model=$golden/$2 inputs=() i
  shift 2
  mkdir -p "$work/run/$name"
  cd "$work/run/$name"
  for i in 0 1; do
    if [ -e "$model.in$i.npy" ]; then
      elements "$model.in$i.npy" >"in$i.bin"
      inputs+=("in$i.bin")
    fi
  done
  elements "$model.out0.npy" >expected.bin
  "$1" "$model.pte" "${@:2}" "${inputs[@]}" >log || fail "$name failed"
  cmp out0.bin expected.bin || fail "$name: other outputs than eager PyTorch's"
}
run cc program/add "$work/examples/run_model_cc"
run c program/add "$work/examples/run_model_c"
run static program/add "$work/examples/run_model_static"
run pkg_config program/add "$work/run_model_pc"
run archive program/add "$work/run_model_archive"
run delegate program/add_xnnpack "$work/examples/run_model_c"
for language in c cc; do
  plugin=$work/examples/libscale_$language.so
  run "plugin_$language" api/scale "$work/examples/run_model_cc" --plugin "$plugin"
  run "plugin_${language}_static" api/scale "$work/examples/run_model_static" --plugin "$plugin"
  # The same file in the command line.
  "$work/prefix/bin/pte" run "$golden/api/scale.pte" --plugin "$plugin" --format raw -q \
    --input "$golden/api/scale.in0.npy" --output-dir "$work/run/command_$language" >/dev/null
  elements "$golden/api/scale.out0.npy" | cmp - "$work/run/command_$language/out0.bin"
done

# Errors reach the user: what is missing, and what is no plugin.
cd "$work"
says() {
  local words=$1
  shift
  if "$@" >says.log 2>&1; then fail "$* should fail"; fi
  grep -q -- "$words" says.log || fail "$* does not say '$words': $(cat says.log)"
}
pte=$work/prefix/bin/pte
input=(--input "$golden/api/scale.in0.npy")
says "'mylib::scale.out'" "$pte" run "$golden/api/scale.pte" "${input[@]}"
says "--plugin" "$pte" run "$golden/api/scale.pte" "${input[@]}"
says "pte_plugin_register" "$pte" run "$golden/api/scale.pte" "${input[@]}" --plugin "$lib/libpte.so"
says "cannot be loaded" "$pte" run "$golden/api/scale.pte" "${input[@]}" --plugin says.log
says "registered twice" "$pte" run "$golden/api/scale.pte" "${input[@]}" \
  --plugin "$work/examples/libscale_c.so" --plugin "$work/examples/libscale_cc.so"
"${CC:-cc}" -shared -fPIC -I "$work/prefix/include" -o libold.so -x c - <<'C'
#include <pte/pte.h>
extern const uint32_t pte_plugin_abi_version;
const uint32_t pte_plugin_abi_version = PTE_ABI_VERSION + 1;
pte_status pte_plugin_register(pte_plugin_registry* registry) { (void)registry; return PTE_OK; }
C
says "version 2 of the plugin interface, expected 1" \
  "$pte" run "$golden/api/scale.pte" "${input[@]}" --plugin libold.so
"${CC:-cc}" -shared -fPIC -I "$work/prefix/include" -o libempty.so -x c - <<'C'
#include <pte/pte.h>
PTE_PLUGIN
pte_status pte_plugin_register(pte_plugin_registry* registry) { (void)registry; return PTE_OK; }
C
says "registers no operator" "$pte" run "$golden/api/scale.pte" "${input[@]}" --plugin libempty.so
echo "installed, built and run"
