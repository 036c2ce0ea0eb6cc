# Proves that cmake/check_layers.cmake refuses what it must: a small tree with one wrong edge each.
#   cmake -DROOT=<repository> -DWORK=<scratch folder> -P tests/cmake/check_layers_test.cmake
cmake_minimum_required(VERSION 3.25)

function(check name expected)
  file(REMOVE_RECURSE ${WORK})
  file(MAKE_DIRECTORY ${WORK}/docs)
  file(COPY ${ROOT}/docs/architecture.md DESTINATION ${WORK}/docs)
  file(WRITE ${WORK}/src/base/result.h "#pragma once\n#include <string>\n")
  list(LENGTH ARGN count)
  math(EXPR last "${count} - 1")
  foreach(i RANGE 0 ${last} 2)
    math(EXPR j "${i} + 1")
    list(GET ARGN ${i} path)
    list(GET ARGN ${j} text)
    file(WRITE ${WORK}/src/${path} "${text}\n")
  endforeach()
  execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${ROOT}/cmake/check_layers.cmake
                  RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE err)
  string(REGEX REPLACE "[ \n]+" " " output "${out}${err}")
  if(expected STREQUAL "" AND NOT result EQUAL 0)
    message(SEND_ERROR "${name}: expected to pass, got: ${output}")
  elseif(NOT expected STREQUAL "")
    string(FIND "${output}" "${expected}" at)
    if(result EQUAL 0 OR at EQUAL -1)
      message(SEND_ERROR "${name}: expected '${expected}', got: ${output}")
    endif()
  endif()
endfunction()

check("left to right" "" passes/a.cc "#include \"ir/graph.h\"")
check("own folder" "" passes/a.cc "#include \"passes/a.h\"")
check("upwards" "'base' may not include \"ir/graph.h\"" base/a.h "#include \"ir/graph.h\"")
check("indented" "'base' may not include \"ir/graph.h\"" base/a.h "  #  include \"ir/graph.h\"")
check("sideways" "'passes' may not include \"kernels/k.h\"" passes/a.cc "#include \"kernels/k.h\"")
check("program without ir" "'program' may not include \"ir/graph.h\"" program/a.cc
      "#include \"ir/graph.h\"")
check("kernels without ir" "'kernels' may not include \"ir/graph.h\"" kernels/conv/a.cc
      "#include \"ir/graph.h\"")
check("two backends" "backend 'vulkan' includes \"backends/xnnpack/lower.h\""
      backends/vulkan/a.cc "#include \"backends/xnnpack/lower.h\"")
check("shared by backends" "" backends/vulkan/a.cc "#include \"backends/backend.h\"")
check("no folder" "does not begin with a layer's folder" ir/a.cc "#include \"graph.h\"")
check("unknown layer" "folder 'misc' is not in docs/architecture.md" misc/a.cc "#pragma once")
check("tests are free" "" passes/a_test.cc "#include \"runtime/interpreter.h\"")
check("build edge" "'passes' may not depend on 'runtime'" passes/CMakeLists.txt
      "pte_layer(passes DEPENDS ir runtime LINK fmt::fmt)")
check("build edge for tests" "" passes/CMakeLists.txt
      "pte_layer(passes DEPENDS ir TEST_DEPENDS runtime)")
