# The library as others use it: libpte.so (exports the C API alone), libpte.a (all layers in one
# archive), headers, the CMake package `pte` with targets pte::pte and pte::pte_static, pte.pc, and
# the command `pte`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(STRINGS ${CMAKE_SOURCE_DIR}/include/pte/pte.h abi REGEX "^#define PTE_ABI_VERSION [0-9]+$")
string(REGEX MATCH "[0-9]+$" PTE_ABI_VERSION "${abi}")

# pte_closure(<out> <layer>): the layer's library and all of ours that it links, each once.
function(pte_closure out target)
  set(found ${${out}})
  if(target IN_LIST found)
    return()
  endif()
  list(APPEND found ${target})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL INTERFACE_LIBRARY)
    list(REMOVE_ITEM found ${target})
    get_target_property(next ${target} INTERFACE_LINK_LIBRARIES)
  else()
    get_target_property(next ${target} LINK_LIBRARIES)
  endif()
  foreach(item IN LISTS next)
    if(item MATCHES "^pte_" AND NOT item STREQUAL pte_options)
      set(${out} ${found})
      pte_closure(${out} ${item})
      set(found ${${out}})
    endif()
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()
set(PTE_LAYERS)
pte_closure(PTE_LAYERS pte_api)

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/libpte.cc CONTENT "// Everything comes from the archives.\n")
add_library(pte_shared SHARED ${CMAKE_BINARY_DIR}/libpte.cc)
# The archives as files: as targets they would bring the libraries that other uses of them need.
# Whatever of those is missing, the linker names.
foreach(layer IN LISTS PTE_LAYERS)
  add_dependencies(pte_shared ${layer})
  list(APPEND archives $<TARGET_FILE:${layer}>)
endforeach()
set(PTE_EXPORTS ${CMAKE_SOURCE_DIR}/cmake/exports.map)
target_link_libraries(pte_shared PRIVATE
  -Wl,--whole-archive $<TARGET_FILE:pte_api> -Wl,--no-whole-archive
  -Wl,--start-group ${archives} -Wl,--end-group Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(pte_shared PRIVATE
  LINKER:--version-script=${PTE_EXPORTS} LINKER:--no-undefined)
set_target_properties(pte_shared PROPERTIES
  OUTPUT_NAME pte EXPORT_NAME pte SOVERSION ${PTE_ABI_VERSION} LINKER_LANGUAGE CXX
  LINK_DEPENDS "${PTE_EXPORTS};${archives}")
target_include_directories(pte_shared INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# One archive of all layers: `ar` takes the commands from a script.
set(PTE_ARCHIVE ${CMAKE_BINARY_DIR}/libpte.a)
set(script "create ${PTE_ARCHIVE}\n")
foreach(layer IN LISTS PTE_LAYERS)
  string(APPEND script "addlib $<TARGET_FILE:${layer}>\n")
endforeach()
string(APPEND script "save\nend\n")
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/libpte.mri CONTENT "${script}")
add_custom_command(OUTPUT ${PTE_ARCHIVE}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${PTE_ARCHIVE}
  COMMAND ${CMAKE_AR} -M < ${CMAKE_BINARY_DIR}/libpte.mri
  COMMAND ${CMAKE_RANLIB} ${PTE_ARCHIVE}
  DEPENDS ${PTE_LAYERS} ${CMAKE_BINARY_DIR}/libpte.mri
  VERBATIM)
add_custom_target(pte_archive ALL DEPENDS ${PTE_ARCHIVE})

install(TARGETS pte RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS pte_shared EXPORT pte_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PTE_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/pte DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(PTE_STATIC_LIBRARIES "-pthread;${CMAKE_DL_LIBS}")
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pte)
install(EXPORT pte_targets NAMESPACE pte:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/pteConfig.cmake.in
  ${CMAKE_BINARY_DIR}/pteConfig.cmake INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/pteConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/pteConfig.cmake ${CMAKE_BINARY_DIR}/pteConfigVersion.cmake
  DESTINATION ${package_dir})

# From the folder of pte.pc, so that what was installed may be moved.
file(RELATIVE_PATH PTE_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${CMAKE_SOURCE_DIR}/cmake/pte.pc.in ${CMAKE_BINARY_DIR}/pte.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/pte.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
