/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The example backend: topics of one partition, queues in this process's memory. Read it together
 * with mofka/backend.h and this folder's README.md.
 */
#ifndef MOFKA_TESTS_SIMPLE_BACKEND_H
#define MOFKA_TESTS_SIMPLE_BACKEND_H

#include <mofka/register.h>
#include <mofka/mofka.h>

/* Make a driver's table and its `self`, for mofka_driver_wrap. It has no options. */
mofka_status_t simple_create(const char *options, const mofka_driver_ops_t **ops, void **self);

#endif
