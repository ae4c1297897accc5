/* SPDX-License-Identifier: BSD-3-Clause */
/* Callbacks of consumers that several suites use. */
#ifndef MOFKA_TESTS_CALLBACKS_H
#define MOFKA_TESTS_CALLBACKS_H

#include <mofka/mofka.h>

/* A data selector: all bytes of an event's data. */
#define select_all_data mofka_consumer_select_all

#endif
