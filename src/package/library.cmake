# SPDX-License-Identifier: BSD-3-Clause
# mofka_library(NAME OBJECTS): the library of an object library, shared or static.
#
# Types register themselves in constructors, and nothing refers to the files that hold them. A linker
# would drop these from an ordinary static library. A static library is therefore made of one object,
# linked from all of them, in which the hidden symbols are local.
function(mofka_library name objects)
  if(MOFKA_SHARED)
    add_library(${name} SHARED $<TARGET_OBJECTS:${objects}>)
    target_link_options(${name} PRIVATE $<TARGET_PROPERTY:mofka_flags,INTERFACE_LINK_OPTIONS>)
    set_target_properties(${name} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
  else()
    # Objects for link-time optimisation cannot be linked into one object by every compiler.
    target_compile_options(${objects} PRIVATE -fno-lto)
    set(whole ${PROJECT_BINARY_DIR}/${name}-whole.o)
    add_custom_command(OUTPUT ${whole}
      COMMAND ${CMAKE_LINKER} -r -o ${whole} $<TARGET_OBJECTS:${objects}>
      COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole}
      DEPENDS ${objects} $<TARGET_OBJECTS:${objects}> COMMAND_EXPAND_LISTS VERBATIM)
    add_library(${name} STATIC ${whole})
    set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  endif()
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
endfunction()
