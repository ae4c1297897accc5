/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocations that fail when a test says so (mofka_failing_memory in CMakeLists.txt).
 *
 * As a rule the linker puts these functions in front of malloc and its kin. So only the code that
 * the program links as objects is counted: the project's. cJSON gets them as hooks.
 *
 * With ALL they replace malloc and its kin for all libraries. They do not fail for the loader,
 * which ends a process that has no memory for a thread's variables. No sanitizer can do with ALL.
 */
#ifndef MOFKA_TESTS_FAILING_MEMORY_H
#define MOFKA_TESTS_FAILING_MEMORY_H

#include <stdbool.h>

/* Give cJSON the functions. */
void memory_start(void);
/* After `allowed` more allocations, one fails; `for_good`: all later ones, too. */
void memory_fail_after(long allowed, bool for_good);
/* From now on none fails. True: one did since memory_fail_after. */
bool memory_fail_no_more(void);
/* One has failed since memory_fail_after. */
bool memory_failed(void);
/* Allocations without their free. */
long memory_live(void);

#endif
