# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/mpi/ctl/fifo_language.c ${CMAKE_SOURCE_DIR}/mpi/ctl/option.c)
