#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An outside project gets the library in one of the ways below, and its program runs under mpiexec.
#   ways_test.sh subdirectory|fetch|static|deb BUILD-DIRECTORY MPICC MPIEXEC...
# subdirectory, fetch: its sources inside the project. static: an installed static library, by
# find_package and by pkg-config --static. deb: the package that CPack makes of BUILD-DIRECTORY.
# The library is compiled with the flags of BUILD-DIRECTORY, so that a compiler cache has its objects.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) way=$1 build=$2 mpicc=$3
source=$(cd "$here/../.." && pwd)
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

logged() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }
flags=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DMOFKA_WERROR=ON)
without_warnings() { if grep -iE 'warning' "$work/log"; then echo "warnings"; exit 1; fi; }
types=(validator '{"type":"default"}' validator '{"type":"eventbridge","pattern":{"a":[1]}}'
    serializer '{"type":"default"}' selector '{"type":"default"}' selector '{"type":"sticky"}')

build_project() { # CMAKE-ARGUMENTS...
    logged cmake -S "$here/package" -B "$work/project" -DMPI_C_COMPILER="$mpicc" "$@"
    without_warnings
    logged cmake --build "$work/project" -j 2 --verbose
    without_warnings
}

run_project() { # MPIEXEC...
    "$@" -n 2 "$work/project/outside"
    "$work/project/types" "${types[@]}"
}

from_sources() { # MPIEXEC...
    # The plugins take most of the time to compile.
    build_project -DMOFKA_PLUGINS=OFF -DMOFKA_WAY="$way" -DMOFKA_SOURCE="$source" "${flags[@]}"
    echo "-- the project's own files are compiled without the library's warning options"
    [ "$(grep -c 'package/outside\.c$' "$work/log")" = 1 ]
    if grep 'package/outside\.c$' "$work/log" | grep -- '-Wconversion\|-Wpedantic\|-Werror'; then exit 1; fi
    echo "-- and there are no tests and benchmarks"
    (cd "$work/project" && ctest -N | grep 'Total Tests: 0')
    if find "$work/project" -type f -name 'mofka-bench' -o -name 'test_status' | grep .; then exit 1; fi
    run_project "$@"
}

static() { # MPIEXEC...
    logged cmake -S "$source" -B "$work/static" -DMPI_C_COMPILER="$mpicc" -DBUILD_SHARED_LIBS=OFF \
        -DMOFKA_TESTS=OFF -DMOFKA_BENCHMARKS=OFF "${flags[@]}"
    grep 'No types schema, cbor, zstd' "$work/log"
    logged cmake --build "$work/static" -j 2
    without_warnings
    logged cmake --install "$work/static" --prefix "$work/prefix"
    if find "$work/prefix" -name '*.so*' | grep .; then echo "shared"; exit 1; fi
    lib=$(dirname "$(find "$work/prefix" -name 'libmofka.a')")
    echo "-- only the names that the shared library exports are global"
    foreign=$(nm -g --defined-only "$lib"/lib*.a | awk 'NF == 3 {print $3}' |
        grep -v '^_*mofka_\|^diaspora_\|^MPI_Finalize$' |
        grep -vxFf <(nm -D --defined-only "$build/libmofka.so" | sed -n 's/.* \(mfi_.*\)@@MOFKA_INTERNAL_.*/\1/p') || true)
    [ -z "$foreign" ] || { echo "$foreign"; exit 1; }
    echo "-- by find_package"
    build_project -DCMAKE_PREFIX_PATH="$work/prefix"
    run_project "$@"
    "$@" -n 2 "$work/project/diaspora"
    if [ -e "$lib/libmofka-fortran.a" ]; then "$@" -n 2 "$work/project/outside_fortran"; fi
    "$@" -n 1 "$work/prefix/bin/mofkactl" topic create t --json | grep '"name":"t"'
    echo "-- by pkg-config --static"
    export PKG_CONFIG_PATH="$lib/pkgconfig"
    # shellcheck disable=SC2046
    cc -o "$work/outside" "$here/package/outside.c" $(pkg-config --static --cflags --libs mofka-mpi)
    "$@" -n 2 "$work/outside"
    # shellcheck disable=SC2046
    cc -o "$work/types" "$here/package/types.c" $(pkg-config --static --cflags --libs mofka)
    "$work/types" "${types[@]}"
}

deb() { # MPIEXEC...
    (cd "$work" && logged cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/packages")
    local package name mpi
    package=$(echo "$work"/packages/*.deb)
    name=$(dpkg-deb -f "$package" Package)
    dpkg-deb -f "$package" Package Version Maintainer Depends Recommends Provides Conflicts Replaces
    case $mpicc in *openmpi*) mpi=openmpi ;; *) mpi=mpich ;; esac
    [ "$name" = "libmofka-mpi-$mpi" ]
    [ "$(dpkg-deb -f "$package" Maintainer)" = "the mofka-mpi authors" ]
    dpkg-deb -f "$package" Provides Conflicts Replaces | grep -c ': libmofka-mpi$' | grep -x 3
    if command -v dpkg-shlibdeps >/dev/null; then
        dpkg-deb -f "$package" Depends | grep -E "lib$mpi" | grep libhwloc | grep libcjson
    fi
    dpkg-deb -x "$package" "$work/root"
    lib=$(dirname "$(find "$work/root/usr/lib" -name 'libmofka.so')")
    export PKG_CONFIG_PATH="$lib/pkgconfig"
    # shellcheck disable=SC2046
    "$mpicc" -o "$work/outside" "$here/package/outside.c" $(pkg-config --cflags --libs mofka-mpi)
    LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside"
    "$@" -n 1 "$work/root/usr/bin/mofkactl" topic create t --json | grep '"name":"t"'
}

case $way in
subdirectory | fetch) from_sources "$@" ;;
static | deb) "$way" "$@" ;;
*) echo "ways_test.sh: unknown way '$way'" >&2; exit 2 ;;
esac
echo "mofka by way of $way works"
