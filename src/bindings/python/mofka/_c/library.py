# SPDX-License-Identifier: BSD-3-Clause
"""Finds and loads the C library.

It is looked for in three places: where the environment variable MOFKA_LIBRARY says (a file or a
folder; then nowhere else), beside this package, and where the loader looks. ``libmofka-mpi`` brings
``libmofka`` with it. If only ``libmofka`` is found, all but the MPI driver works.
"""
import ctypes
import os
import sys
from typing import Iterator, List, Optional

_NAMES = ("libmofka-mpi.so.0", "libmofka-mpi.so", "libmofka.so.0", "libmofka.so")
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The package's own folder (a wheel may carry the library there); lib, for PREFIX/lib/python/mofka.
_BESIDE = (_PACKAGE, os.path.dirname(os.path.dirname(_PACKAGE)))


def _candidates() -> Iterator[str]:
    named = os.environ.get("MOFKA_LIBRARY")
    if named and not os.path.isdir(named):
        yield named
        return
    folders = (named,) if named else _BESIDE
    for name in _NAMES:
        for folder in folders:
            path = os.path.join(folder, name)
            if named or os.path.exists(path):
                yield path
        if not named:
            yield name


def mpi_version(library: ctypes.CDLL) -> Optional[str]:
    """The first line with which the library's MPI describes itself; None if it has no MPI."""
    try:
        describe = library.MPI_Get_library_version
    except AttributeError:
        return None
    text, size = ctypes.create_string_buffer(16384), ctypes.c_int()
    describe(text, ctypes.byref(size))
    return text.value.decode("utf-8", "replace").split("\n")[0].split(",")[0].strip()


def mpi_name(version: Optional[str]) -> str:
    """The name of an MPI that is meant for people: "Open MPI", "MPICH", or what it says."""
    if version is None:
        return "no MPI"
    for name in ("Open MPI", "MPICH"):
        if name.lower() in version.lower():
            return name
    return version


def mpi_mismatch(library: ctypes.CDLL) -> Optional[str]:
    """Why mpi4py, if it is loaded, and the library cannot work together; None if they can."""
    mpi4py = sys.modules.get("mpi4py.MPI")
    ours = mpi_version(library)
    if mpi4py is None or ours is None:
        return None
    theirs = mpi4py.Get_library_version()
    if mpi_name(theirs.split(",")[0]) == mpi_name(ours):
        return None
    return ("mpi4py is built for %s, but %s for %s: set MOFKA_LIBRARY to a libmofka-mpi for %s, or use "
            "an mpi4py for %s, or none" % (mpi_name(theirs.split(",")[0]), library._name, mpi_name(ours),
                                           mpi_name(theirs.split(",")[0]), mpi_name(ours)))


def _load() -> ctypes.CDLL:
    tried: List[str] = []
    for path in _candidates():
        try:
            # Local and lazy: no function of MPI is bound before it is known that there is one MPI.
            library = ctypes.CDLL(path, mode=os.RTLD_LOCAL | os.RTLD_LAZY)
        except OSError as error:
            tried.append("  %s: %s" % (path, error))
            continue
        mismatch = mpi_mismatch(library)
        if mismatch:
            raise ImportError(mismatch)
        if mpi_name(mpi_version(library)) == "Open MPI":
            # Its components, which it loads itself, need its symbols.
            library = ctypes.CDLL(path, mode=os.RTLD_GLOBAL)
        return library
    raise ImportError(
        "libmofka-mpi, the C library, was not found or could not be loaded. Set MOFKA_LIBRARY to its "
        "file, or LD_LIBRARY_PATH to its folder. Tried:\n" + "\n".join(tried))


#: The library; its functions release the interpreter's lock while they run.
library = _load()
#: The same library, for functions that neither wait nor call back: they keep the lock.
quick_library = ctypes.PyDLL(library._name, handle=library._handle)
