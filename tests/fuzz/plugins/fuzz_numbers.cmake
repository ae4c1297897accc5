# SPDX-License-Identifier: BSD-3-Clause
foreach(source number.cpp whole.cpp)
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/plugins/schema_validator/json/${source})
endforeach()
target_link_libraries(${target} PRIVATE PkgConfig::GMP)
