# SPDX-License-Identifier: BSD-3-Clause
# A Spack recipe. `spack repo add scripts/packages/spack`, then, from a copy of the sources:
#   spack install mofka-mpi@0.1.0 dev_path=/path/to/the/sources
# No address of the sources is known: `homepage`, `url` and the version's sha256 are empty. Spack can
# fetch the package by itself only when they have been filled in.
from spack.package import *

try:
    from spack_repo.builtin.build_systems.cmake import CMakePackage
except ImportError:  # before Spack 1.0, spack.package has it
    pass


class MofkaMpi(CMakePackage):
    """Event streaming inside HPC jobs: producers and consumers are ranks of one MPI job."""

    homepage = ""
    url = ""

    license("BSD-3-Clause")

    version("0.1.0", sha256="")

    variant("shared", default=True, description="Build shared libraries")
    variant("plugins", default=True, description="Build the types schema, cbor and zstd")
    variant("serve", default=True, description="Build mofkactl serve")
    variant("benchmarks", default=False, description="Build mofka-bench and the demo")

    variant("fortran", default=True, description="Build the Fortran module")
    variant("diaspora_c", default=True, description="Build libdiaspora-c")

    conflicts("+plugins", when="~shared", msg="plugins are loaded into the shared library")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+plugins")
    depends_on("fortran", type="build", when="+fortran")
    depends_on("cmake@3.18:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("hwloc@2.1:")
    depends_on("cjson")
    depends_on("xxhash")
    # The validator "schema" needs the headers of valijson, too. Without them it is left out.
    depends_on("rapidjson", when="+plugins")
    depends_on("pcre2", when="+plugins")
    depends_on("gmp", when="+plugins")
    depends_on("libcbor", when="+plugins")
    depends_on("zstd", when="+plugins")
    depends_on("libmicrohttpd", when="+serve")
    depends_on("libpng", when="+benchmarks")
    depends_on("cmocka", type="test")

    def cmake_args(self):
        return [
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define_from_variant("MOFKA_PLUGINS", "plugins"),
            self.define_from_variant("MOFKA_SERVE", "serve"),
            self.define_from_variant("MOFKA_BENCHMARKS", "benchmarks"),
            self.define_from_variant("MOFKA_FORTRAN", "fortran"),
            self.define_from_variant("MOFKA_DIASPORA_C", "diaspora_c"),
            self.define("MOFKA_TESTS", self.run_tests),
            self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc),
        ]
