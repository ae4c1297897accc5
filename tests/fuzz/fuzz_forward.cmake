# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/mpi/ctl/commands/forward_config.c
               ${PROJECT_SOURCE_DIR}/mpi/ctl/options/json.c)
