/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The MPI driver, for C++17.
 */
#ifndef MOFKA_MPI_HPP
#define MOFKA_MPI_HPP

#ifndef OMPI_SKIP_MPICXX
/** MPI's own C++ interface ended with MPI-2, and needs another library. A program that uses it
 * includes <mpi.h> before this. */
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
/** The same, of MPICH. */
#define MPICH_SKIP_MPICXX 1
#endif

#include <mofka/mofka.hpp>
#include <mofka/mpi.h>

namespace mofka {

/** Make the MPI driver over a communicator, as mofka_mpi_driver_create does. Collective. The end of
 * its last copy is collective, too, and comes before MPI_Finalize. */
inline Driver makeMpiDriver(MPI_Comm comm, const Metadata &options = Metadata{}) {
    mofka_driver_t *driver = nullptr;
    std::string json{options.text()};
    detail::check(mofka_mpi_driver_create(comm, json.c_str(), &driver));
    return Driver{driver};
}

} // namespace mofka

#endif
