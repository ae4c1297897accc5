/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The MPI driver.
 */
#ifndef MOFKA_MPI_H
#define MOFKA_MPI_H

#include <mpi.h>
#include <mofka/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make the MPI driver over `comm` (borrow; duplicated). Options, a JSON object (NULL: defaults),
 * must be equal on all ranks: "window": "auto"|"shm"|"rma", "arena_bytes" (of each owner),
 * "directory_bytes" (at rank 0, for the descriptions of topics), "owners": [ranks],
 * "progress": "thread"|"none"; but a rank with "join": true takes those of the lowest rank without it
 * (where all have it, of rank 0). Give: mofka_driver_close (collective), then release.
 * MOFKA_ERR_MPI: MPI is not initialised, finalised, or a call failed. MOFKA_ERR_UNSUPPORTED: the
 * thread level is too low for "rma" with a progress thread, or this MPI cannot make the window.
 * MOFKA_ERR_FULL: the node's shared memory cannot hold the arenas. MOFKA_ERR_OPTION,
 * MOFKA_ERR_RANGE. An error of one rank is an error of all. Threads: owner. MPI: collective over
 * `comm`. Blocks: until all ranks call. */
MOFKA_API mofka_status_t mofka_mpi_driver_create(MPI_Comm comm, const char *options,
                                                 mofka_driver_t **driver);

/** The same for a communicator as Fortran has it (an INTEGER, or the MPI_VAL of a
 * TYPE(MPI_Comm)); MPI_Comm_c2f makes one in C. */
MOFKA_API mofka_status_t mofka_mpi_driver_create_f(MPI_Fint comm, const char *options,
                                                   mofka_driver_t **driver);

#ifdef __cplusplus
}
#endif
#endif
