# SPDX-License-Identifier: BSD-3-Clause
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/durable/disk/disk.c
               ${PROJECT_SOURCE_DIR}/tests/durable/disk/media.c)
