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

/** Make the MPI driver over `comm` (borrow; it is duplicated). The groups of an intercommunicator
 * are merged. A communicator of a session will do. `options` is a JSON object; NULL means the
 * defaults. The options, explained in mpi/README.md of the source tree, are:
 * - "window": "auto", "shm" or "rma"
 * - "arena_bytes": memory of each owner
 * - "directory_bytes": memory at rank 0 for the descriptions of topics
 * - "owners": [ranks]
 * - "progress": "auto", "thread" or "none"
 * - "memory", "lock_all", "words": how an "rma" window is made and used
 * - "reserve": "auto", "atomic" or "message": how producers reserve places in an "rma" window
 * - "agent": false lets callers wait inside MPI, without a limit
 * - "create_timeout_ms": how long to wait for the other ranks (60000); negative: without limit
 * - "high": true, of an intercommunicator: this group's ranks come after the other's
 * - "join": true adopts the options of the lowest rank that does not set `join` (rank 0 if all do).
 *   It is for tools that run beside an application. All other ranks must pass equal options.
 *
 * Give: mofka_driver_close (collective), then mofka_driver_release. An error of one rank is an
 * error of all. MOFKA_ERR_INVALID: `comm` is MPI_COMM_NULL, or MPI does not know it; a handle of
 * Open MPI is an address, which must be right. MOFKA_ERR_MPI: MPI is not initialised, MPI is
 * finalised, or an MPI call failed. MOFKA_ERR_UNSUPPORTED: the thread level is too low for "rma"
 * with a progress thread, or this MPI cannot make the window. MOFKA_ERR_FULL: the node's shared
 * memory cannot hold the arenas. MOFKA_ERR_OPTION, MOFKA_ERR_RANGE: an option is wrong.
 * MOFKA_ERR_TIMEOUT: not all ranks came; the message names those that are missing. All may call
 * again; mpi/README.md has the exceptions.
 * Threads: owner. MPI: collective over `comm`. Blocks: until all ranks call, at most
 * "create_timeout_ms". If a rank stops or dies while all make the window, as long as MPI waits. */
MOFKA_API mofka_status_t mofka_mpi_driver_create(MPI_Comm comm, const char *options,
                                                 mofka_driver_t **driver);

/** As mofka_mpi_driver_create, for a communicator of Fortran: an INTEGER, or the MPI_VAL of a
 * TYPE(MPI_Comm). In C, MPI_Comm_c2f gives such a number.
 * Threads: owner. MPI: collective over `comm`. Blocks: as mofka_mpi_driver_create. */
MOFKA_API mofka_status_t mofka_mpi_driver_create_f(MPI_Fint comm, const char *options,
                                                   mofka_driver_t **driver);

#ifdef __cplusplus
}
#endif
#endif
