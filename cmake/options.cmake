# Compiler settings shared by every target of the project.
add_library(pte_options INTERFACE)
target_include_directories(pte_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(pte_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
  -fno-math-errno -ffp-contract=off
  # gcc 12 sees overflows inside fmt's list formatting at -O3 that are not there.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports overlaps inside std::string::insert that cannot happen (its bug 105651).
  target_compile_options(pte_options INTERFACE -Wno-restrict)
endif()
if(PTE_SANITIZE)
  target_compile_options(pte_options INTERFACE -fsanitize=${PTE_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pte_options INTERFACE -fsanitize=${PTE_SANITIZE})
endif()
if(PTE_FUZZ)
  target_compile_options(pte_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
