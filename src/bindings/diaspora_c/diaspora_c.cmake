# SPDX-License-Identifier: BSD-3-Clause
# libdiaspora-c: the C interface of the Diaspora Streaming API, under the name that its users link.
option(MOFKA_DIASPORA_C "Build libdiaspora-c, the C interface of the Diaspora Streaming API" ${MOFKA_TOP_LEVEL})
if(NOT MOFKA_DIASPORA_C)
  return()
endif()
add_library(mofka_diaspora_c_objects OBJECT src/bindings/diaspora_c/diaspora_c.c)
target_include_directories(mofka_diaspora_c_objects PRIVATE include)
target_link_libraries(mofka_diaspora_c_objects PRIVATE MPI::MPI_C PkgConfig::CJSON mofka_flags)
mofka_library(mofka_diaspora_c mofka_diaspora_c_objects)
target_include_directories(mofka_diaspora_c INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(mofka_diaspora_c PRIVATE mofka_mpi mofka PkgConfig::CJSON)
set_target_properties(mofka_diaspora_c PROPERTIES OUTPUT_NAME diaspora-c EXPORT_NAME diaspora_c
                      INSTALL_RPATH "$ORIGIN")
add_library(mofka::diaspora_c ALIAS mofka_diaspora_c)
install(DIRECTORY include/diaspora DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS mofka_diaspora_c EXPORT mofkaTargets)
configure_file(src/bindings/diaspora_c/diaspora-c.pc.in diaspora-c.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/diaspora-c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
