# SPDX-License-Identifier: BSD-3-Clause
"""Communicators, and MPI's start and end where nobody else sees to them.

A communicator is passed on as the number that Fortran has for it. mpi4py gives that number. If MPI is
not initialised, this package, never the library, calls MPI_Init_thread, and MPI_Finalize at exit.
"""
import ctypes
import os
import sys
import time
from typing import Any

from . import lifetimes
from .errors import MofkaError, Status
from .library import library, mpi_mismatch, mpi_name, mpi_version

_MULTIPLE = 3  # MPI_THREAD_MULTIPLE, in MPICH and in Open MPI
_MPICH_WORLD, _MPICH_ERRORS_RETURN = 0x44000000, 0x54000001


def _flag(name: str) -> bool:
    flag = ctypes.c_int()
    getattr(library, name)(ctypes.byref(flag))
    return bool(flag.value)


def _is_openmpi() -> bool:
    return mpi_name(mpi_version(library)) == "Open MPI"


def _handle(symbol: str, number: int) -> Any:
    """A handle of C: an address in Open MPI, a number in MPICH and what is compatible with it."""
    if _is_openmpi():
        return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(library, symbol)))
    return ctypes.c_int(number)


def _world() -> Any:
    return _handle("ompi_mpi_comm_world", _MPICH_WORLD)


def _finalise(failed: bool) -> None:
    if _flag("MPI_Finalized"):
        return
    if failed:
        # The other ranks wait for this one: an uncaught exception ends the job, not only the process.
        sys.stderr.flush()
        time.sleep(0.3)  # launchers may drop what they have not passed on
        library.MPI_Abort(_world(), 1)
        os._exit(1)
    library.MPI_Finalize()


def _initialise() -> None:
    provided = ctypes.c_int()
    if library.MPI_Init_thread(None, None, _MULTIPLE, ctypes.byref(provided)):
        raise MofkaError(Status.MPI, "MPI_Init_thread failed")
    library.MPI_Comm_set_errhandler(_world(), _handle("ompi_mpi_errors_return", _MPICH_ERRORS_RETURN))
    lifetimes.at_end(_finalise)


def _check_launcher() -> None:
    """A launcher of another MPI starts each process as rank 0 of 1: say so at once."""
    size = ctypes.c_int(1)
    library.MPI_Comm_size(_world(), ctypes.byref(size))
    other, variable = ("MPICH", "PMI_SIZE") if _is_openmpi() else ("Open MPI", "OMPI_COMM_WORLD_SIZE")
    count = os.environ.get(variable, "1")
    if size.value == 1 and count.isdigit() and int(count) > 1:
        raise MofkaError(Status.MPI, "the mpiexec of %s started %s processes, but the library is built for %s: "
                         "use the mpiexec of %s, or set MOFKA_LIBRARY to a libmofka-mpi for %s"
                         % (other, count, mpi_name(mpi_version(library)), mpi_name(mpi_version(library)), other))


def _start() -> None:
    if _flag("MPI_Finalized"):
        raise MofkaError(Status.MPI, "MPI is finalised: make the driver before MPI_Finalize")
    if not _flag("MPI_Initialized"):
        _initialise()
        _check_launcher()


def fortran_communicator(comm: Any) -> int:
    """The Fortran number of a communicator: None (MPI_COMM_WORLD), an int, or one of mpi4py.

    Raises MofkaError if the library has no MPI, or another one than mpi4py; TypeError for anything else.
    """
    if mpi_version(library) is None:
        raise MofkaError(Status.UNSUPPORTED, "%s has no MPI driver: install libmofka-mpi and its MPI, or set "
                         "MOFKA_LIBRARY to the file of libmofka-mpi" % library._name)
    mismatch = mpi_mismatch(library)
    if mismatch:
        raise MofkaError(Status.MPI, mismatch)
    if comm is not None and not hasattr(comm, "py2f") and (not isinstance(comm, int) or isinstance(comm, bool)):
        raise TypeError("comm is a communicator of mpi4py, the Fortran number of one, or None, not %r" % (comm,))
    _start()
    if comm is None:
        return int(library.MPI_Comm_c2f(_world())) if _is_openmpi() else _MPICH_WORLD
    if not isinstance(comm, int):
        return int(comm.py2f())
    if not -2**31 <= comm < 2**31:
        raise ValueError("%d is not the Fortran number of a communicator" % comm)
    return comm
