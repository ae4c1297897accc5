# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/mpi/ctl/options/fifo_language.c
               ${PROJECT_SOURCE_DIR}/mpi/ctl/options/option.c)
