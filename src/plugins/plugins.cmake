# SPDX-License-Identifier: BSD-3-Clause
# libmofka-NAME.so: types that need more libraries than the core, and are loaded when a topic first
# asks for them. What lacks its libraries is left out, and said so.
include(CheckLanguage)
include(CheckCXXSourceCompiles)
option(MOFKA_PLUGINS "Build the types whose libraries are here: schema, cbor, zstd" ON)
set(MOFKA_PLUGIN_TARGETS "")

# They export nothing: what they have is registered when they are loaded.
function(mofka_plugin name)
  add_library(mofka_${name} MODULE ${ARGN})
  target_include_directories(mofka_${name} PRIVATE src)
  target_link_libraries(mofka_${name} PRIVATE mofka mofka_flags)
  target_link_options(mofka_${name} PRIVATE
                      LINKER:--version-script=${CMAKE_CURRENT_LIST_DIR}/plugins.map)
  set_target_properties(mofka_${name} PROPERTIES OUTPUT_NAME mofka-${name} INSTALL_RPATH "$ORIGIN"
                        LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/plugins.map)
  set(MOFKA_PLUGIN_TARGETS ${MOFKA_PLUGIN_TARGETS} mofka_${name} PARENT_SCOPE)
endfunction()

if(MOFKA_PLUGINS AND NOT MOFKA_SHARED)
  message(STATUS "No types schema, cbor, zstd: they are loaded at run time, into a shared libmofka")
elseif(MOFKA_PLUGINS)
  check_language(CXX)
  if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
    set(CMAKE_CXX_STANDARD 17)
    set(CMAKE_CXX_STANDARD_REQUIRED ON)
    set(CMAKE_CXX_VISIBILITY_PRESET hidden)
    set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
    foreach(type RELWITHDEBINFO MINSIZEREL)
      string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_${type} "${CMAKE_CXX_FLAGS_${type}}")
    endforeach()
    # A C compiler that was given as the C++ compiler compiles C++, and does not link it.
    check_cxx_source_compiles("#include <iostream>\nint main() { std::cout << std::endl; }"
                              MOFKA_CXX_LINKS)
    find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp)
    find_path(RAPIDJSON_INCLUDE_DIR rapidjson/document.h)
  endif()
  pkg_check_modules(PCRE2 IMPORTED_TARGET libpcre2-8)
  pkg_check_modules(GMP IMPORTED_TARGET gmp)
  pkg_check_modules(CBOR IMPORTED_TARGET libcbor)
  pkg_check_modules(ZSTD IMPORTED_TARGET libzstd)

  set(plugins src/plugins)
  set(tape_sources ${plugins}/tape/bytes.c ${plugins}/tape/json_tape.c ${plugins}/tape/json_text.c)
  set(cbor_sources ${tape_sources} ${plugins}/cbor/cbor_text.c)

  # libmofka-schema has both types of that name, or the one that can be built.
  set(draft_source ${plugins}/schema_draft/draft.c)
  set(schema_sources "")
  if(CBOR_FOUND)
    mofka_plugin(cbor ${cbor_sources} ${plugins}/cbor/cbor.c)
    target_link_libraries(mofka_cbor PRIVATE PkgConfig::CBOR)
    file(GLOB serializer_sources CONFIGURE_DEPENDS ${plugins}/schema_serializer/*.c)
    list(APPEND schema_sources ${draft_source} ${cbor_sources} ${serializer_sources})
  else()
    message(STATUS "No serializers \"cbor\" and \"schema\": they need libcbor")
  endif()
  if(MOFKA_CXX_LINKS AND VALIJSON_INCLUDE_DIR AND RAPIDJSON_INCLUDE_DIR AND PCRE2_FOUND
     AND GMP_FOUND)
    set(MOFKA_HAS_SCHEMA_VALIDATOR ON)
    file(GLOB validator_sources CONFIGURE_DEPENDS ${plugins}/schema_validator/*.cpp
         ${plugins}/schema_validator/*/*.cpp)
    list(APPEND schema_sources ${draft_source} ${tape_sources} ${validator_sources})
    # For tests that read its documents.
    set(MOFKA_SCHEMA_JSON_SOURCES ${tape_sources} ${plugins}/schema_validator/json/json.cpp
        ${plugins}/schema_validator/json/number.cpp ${plugins}/schema_validator/json/whole.cpp)
    list(TRANSFORM MOFKA_SCHEMA_JSON_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    # Of others' headers, with sanitizers: RapidJSON's empty stacks add sizes to NULL before they
    # look; GCC takes std::function in <regex> for uninitialised. (A source's options come last.)
    set_source_files_properties(${validator_sources} PROPERTIES COMPILE_OPTIONS
      "-fno-sanitize=pointer-overflow;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
  else()
    message(STATUS "No validator \"schema\": it needs a C++ compiler that links, valijson, rapidjson, libpcre2-8, libgmp")
  endif()
  list(REMOVE_DUPLICATES schema_sources)
  if(schema_sources)
    mofka_plugin(schema ${schema_sources})
    target_link_libraries(mofka_schema PRIVATE PkgConfig::CJSON)
  endif()
  if(CBOR_FOUND)
    target_link_libraries(mofka_schema PRIVATE PkgConfig::CBOR)
  endif()
  if(MOFKA_HAS_SCHEMA_VALIDATOR)
    target_include_directories(mofka_schema SYSTEM PRIVATE ${VALIJSON_INCLUDE_DIR}
                               ${RAPIDJSON_INCLUDE_DIR})
    target_link_libraries(mofka_schema PRIVATE PkgConfig::PCRE2 PkgConfig::GMP Threads::Threads)
  endif()

  if(ZSTD_FOUND)
    mofka_plugin(zstd ${plugins}/tape/bytes.c ${plugins}/zstd/base64.c ${plugins}/zstd/zstd.c)
    target_link_libraries(mofka_zstd PRIVATE PkgConfig::ZSTD Threads::Threads)
  else()
    message(STATUS "No serializer \"zstd\": it needs libzstd")
  endif()
  if(TARGET mofka_cbor AND TARGET mofka_zstd AND MOFKA_HAS_SCHEMA_VALIDATOR)
    set(MOFKA_PLUGINS_COMPLETE ON)
  endif()
endif()
