# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/plugins/schema_validator/json/number.cpp)
target_include_directories(${target} SYSTEM PRIVATE ${GMPXX_INCLUDE_DIR})
target_link_libraries(${target} PRIVATE PkgConfig::GMP)
