# SPDX-License-Identifier: BSD-3-Clause
# libmofka-fortran: the Fortran module mofka. A .mod file is for one compiler and MPI, so the sources are installed, too.
include(CheckLanguage)
include(CheckIncludeFile)
set(MOFKA_FORTRAN_DEFAULT OFF)
string(REPLACE "mpicc" "mpifort" fortran "${MPI_C_COMPILER}")
if(MOFKA_TOP_LEVEL)
  check_language(Fortran)
  find_program(MOFKA_MPIFORT ${fortran})
  check_include_file(ISO_Fortran_binding.h MOFKA_HAS_FORTRAN_BINDING_H)
  if(CMAKE_Fortran_COMPILER AND MOFKA_MPIFORT AND MOFKA_HAS_FORTRAN_BINDING_H AND NOT MOFKA_SANITIZE)
    set(MOFKA_FORTRAN_DEFAULT ON)
  else()
    message(STATUS "No module for Fortran: it needs a Fortran compiler, '${fortran}', ISO_Fortran_binding.h, "
                   "and a build without sanitizers")
  endif()
endif()
option(MOFKA_FORTRAN "Build the Fortran module mofka" ${MOFKA_FORTRAN_DEFAULT})
if(NOT MOFKA_FORTRAN)
  return()
endif()
enable_language(Fortran)
if(NOT MPI_Fortran_COMPILER)
  set(MPI_Fortran_COMPILER ${fortran} CACHE FILEPATH "The Fortran compiler of the MPI")
endif()
find_package(MPI REQUIRED COMPONENTS Fortran)

set(MOFKA_FORTRAN_SOURCES mofka_c.f90 mofka_base.f90 mofka_callbacks.f90 mofka_topics.F90
    mofka_producers.f90 mofka_claims.f90 mofka_consumers.f90 mofka.f90 shim.c)
list(TRANSFORM MOFKA_FORTRAN_SOURCES PREPEND src/bindings/fortran/)
set(MOFKA_FORTRAN_MODULES ${PROJECT_BINARY_DIR}/fortran)
if(MOFKA_SHARED)
  add_library(mofka_fortran SHARED ${MOFKA_FORTRAN_SOURCES})
  set_target_properties(mofka_fortran PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
else()
  add_library(mofka_fortran STATIC ${MOFKA_FORTRAN_SOURCES})
endif()
set_target_properties(mofka_fortran PROPERTIES OUTPUT_NAME mofka-fortran EXPORT_NAME fortran INSTALL_RPATH "$ORIGIN"
                      LINKER_LANGUAGE Fortran Fortran_MODULE_DIRECTORY ${MOFKA_FORTRAN_MODULES})
# Of MPI's Fortran only a type is used, so its modules are needed and its libraries are not.
target_include_directories(mofka_fortran PRIVATE include
  $<TARGET_PROPERTY:MPI::MPI_Fortran,INTERFACE_INCLUDE_DIRECTORIES>
  INTERFACE $<BUILD_INTERFACE:${MOFKA_FORTRAN_MODULES}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mofka/fortran>)
if(NOT MPI_Fortran_HAVE_F08_MODULE)
  target_compile_definitions(mofka_fortran PRIVATE MOFKA_NO_MPI_F08)
endif()
# -frecursive: several threads are in one procedure, and gfortran would else share its local arrays.
target_compile_options(mofka_fortran PRIVATE
  $<$<COMPILE_LANGUAGE:C>:$<TARGET_PROPERTY:mofka_flags,INTERFACE_COMPILE_OPTIONS>>
  $<$<AND:$<COMPILE_LANGUAGE:Fortran>,$<Fortran_COMPILER_ID:GNU>>:-std=f2018;-frecursive;-Wall;-Wextra>)
target_link_libraries(mofka_fortran PUBLIC mofka_mpi PRIVATE mofka)
add_library(mofka::fortran ALIAS mofka_fortran)
install(TARGETS mofka_fortran EXPORT mofkaTargets)
install(DIRECTORY ${MOFKA_FORTRAN_MODULES}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mofka/fortran
        FILES_MATCHING PATTERN "*.mod")
install(FILES ${MOFKA_FORTRAN_SOURCES} DESTINATION ${CMAKE_INSTALL_DATADIR}/mofka/fortran)
install(DIRECTORY src/bindings/fortran/bodies DESTINATION ${CMAKE_INSTALL_DATADIR}/mofka/fortran)
configure_file(src/bindings/fortran/mofka-fortran.pc.in mofka-fortran.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/mofka-fortran.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
