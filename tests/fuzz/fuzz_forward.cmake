# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/mpi/ctl/forward_config.c ${CMAKE_SOURCE_DIR}/mpi/ctl/json.c)
