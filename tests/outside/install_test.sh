#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Install into a fresh prefix, and compare its files with the list. Then build and run an outside project
# by CMake and by pkg-config. Check the symbols that the libraries export and the libraries that they need.
#   install_test.sh BUILD-DIRECTORY MPICC MPIEXEC...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) build=$1 mpicc=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
lib=$(dirname "$(find "$work/prefix" -name 'libmofka.so' -print -quit)")

echo "-- all of it, and nothing else"
plugins=() programs=(mofkactl) bindings=()
[ ! -e "$build/libdiaspora-c.so" ] || bindings+=(diaspora-c)
[ ! -e "$build/libmofka-fortran.so" ] || bindings+=(mofka-fortran)
is_built() { [[ " ${bindings[*]} " == *" $1 "* ]]; }
for plugin in "$build"/libmofka-{cbor,schema,zstd}.so; do [ ! -e "$plugin" ] || plugins+=("${plugin##*/}"); done
[ ! -e "$build/benchmarks/mofka-bench" ] || programs+=(mofka-bench)
PKG_CONFIG_PATH="$lib/pkgconfig"
export PKG_CONFIG_PATH
version=$(pkg-config --modversion mofka-mpi)
python=$(grep '^MOFKA_PYTHON:BOOL=ON' "$build/CMakeCache.txt" || true)
config=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt" | tr '[:upper:]' '[:lower:]')
expected() {
    (cd "$here/../../include" && printf 'include/%s\n' mofka/*.h mofka/*.hpp mofka/cxx/*.hpp)
    printf 'lib/lib%s\n' mofka{,-mpi}.so{,.0,".$version"}
    [ ${#plugins[@]} = 0 ] || printf 'lib/%s\n' "${plugins[@]}"
    printf 'lib/pkgconfig/%s.pc\n' mofka mofka-mpi "${bindings[@]}"
    for binding in "${bindings[@]}"; do printf 'lib/lib%s\n' "$binding".so{,.0,".$version"}; done
    is_built diaspora-c && echo include/diaspora/diaspora_c.h
    is_built mofka-fortran && (cd "$here/../../src/bindings/fortran" && printf 'share/mofka/fortran/%s\n' *.?90 *.c */*.inc &&
        for source in *.?90; do echo "include/mofka/fortran/${source%.?90}.mod"; done)
    printf 'lib/cmake/mofka/mofka%s.cmake\n' Config ConfigVersion Targets "Targets-${config:-relwithdebinfo}"
    printf 'bin/%s\n' "${programs[@]}"
    [ -z "$python" ] || (cd "$here/../../src/bindings/python" && find mofka -name '*.py' -o -name py.typed) |
        sed 's,^,lib/python/,'
    printf 'share/man/man1/%s.1\n' "${programs[@]}"
    printf 'share/mofka/grafana.json\n'
}
(cd "$work/prefix" && find . ! -type d | sed "s,^\./,,; s,^${lib#"$work/prefix/"}/,lib/,") | sort >"$work/is"
expected | sort | diff - "$work/is" || { echo "missing (<), or unexpected (>)"; exit 1; }
find "$work/prefix" ! -type d -size 0 | grep . && { echo "empty"; exit 1; }

echo "-- by find_package"
cmake -S "$here/package" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/cmake.log" ||
    { cat "$work/cmake.log"; exit 1; }
cmake --build "$work/cmake" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
"$@" -n 2 "$work/cmake/outside"
types=()
for plugin in "${plugins[@]}"; do
    case $plugin in
    *-cbor.so | *-zstd.so) types+=(serializer "{\"type\":\"$(basename "${plugin#libmofka-}" .so)\"}") ;;
    *-schema.so) types+=(serializer '{"type":"schema","schema":{}}' validator '{"type":"schema","schema":{}}') ;;
    esac
done
# Types that are libraries of their own are found beside libmofka.
(cd / && env -u LD_LIBRARY_PATH "$work/cmake/types" "${types[@]}")


echo "-- without libmofka-mpi.so, the driver mpi is not found, and no other library is taken for it"
mkdir "$work/core"
cp -a "$lib"/libmofka.so* "$work/core"
if LD_LIBRARY_PATH=$work/core "$work/cmake/types" driver mpi 2>"$work/why"; then exit 1; fi
cat "$work/why"
grep -F "driver type 'mpi' is neither registered (files) nor in a library: tried libmofka-mpi.so; libmofka-mpi.so: cannot open" \
    "$work/why"

echo "-- programs"
"$@" -n 1 "$work/prefix/bin/mofkactl" topic create t --json | grep '"name":"t"'
[ "${#programs[@]}" = 1 ] || "$@" -n 1 "$work/prefix/bin/mofka-bench" --help | grep -e --watchers

echo "-- by pkg-config"
# shellcheck disable=SC2046
"$mpicc" -o "$work/outside" "$here/package/outside.c" $(pkg-config --cflags --libs mofka-mpi)
LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside"
# shellcheck disable=SC2046
cc -o "$work/outside-cc" "$here/package/outside.c" $(pkg-config --cflags --libs mofka-mpi)
LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside-cc"

# shellcheck disable=SC2046
cc -o "$work/types" "$here/package/types.c" $(pkg-config --cflags --libs mofka) \
    -Wl,-rpath,"$(pkg-config --variable=libdir mofka)"
(cd / && env -u LD_LIBRARY_PATH "$work/types" "${types[@]}")

if is_built diaspora-c; then
    echo "-- the C interface of the Diaspora Streaming API, by find_package and by pkg-config"
    "$@" -n 2 "$work/cmake/diaspora"
    # shellcheck disable=SC2046
    "$mpicc" -o "$work/diaspora" "$here/package/diaspora.c" $(pkg-config --cflags --libs diaspora-c)
    LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/diaspora"
fi

if is_built mofka-fortran; then
    echo "-- the Fortran module, by find_package, by pkg-config, and from its installed sources"
    "$@" -n 2 "$work/cmake/outside_fortran"
    fortran=${mpicc/mpicc/mpifort}
    # shellcheck disable=SC2046
    "$fortran" -o "$work/outside-fortran" "$here/package/outside.f90" $(pkg-config --cflags --libs mofka-fortran)
    LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside-fortran"
    mkdir "$work/sources"
    # shellcheck disable=SC2046
    (cd "$work/sources" && cp -r "$work"/prefix/share/mofka/fortran/* . && "$mpicc" -c shim.c $(pkg-config --cflags mofka) &&
        "$fortran" -o app mofka_c.f90 mofka_base.f90 mofka_callbacks.f90 mofka_topics.F90 mofka_producers.f90 \
            mofka_claims.f90 mofka_consumers.f90 mofka.f90 "$here/package/outside.f90" shim.o $(pkg-config --libs mofka-mpi))
    LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/sources/app"
fi

echo "-- mofka.hpp, by pkg-config"
# shellcheck disable=SC2046
c++ -std=c++17 -DMOFKA_NO_JSON -o "$work/outside-cxx" "$here/package/outside.cpp" $(pkg-config --cflags --libs mofka-mpi)
LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside-cxx"

echo "-- pkg-config's paths have no doubled slash, and are where its files are"
mkdir "$work/elsewhere"
cp -a "$work/prefix" "$work/elsewhere/moved"
for package in mofka mofka-mpi "${bindings[@]}"; do
    paths=$(for name in prefix libdir includedir; do
        PKG_CONFIG_PATH=$work/elsewhere/moved/${lib#"$work/prefix/"}/pkgconfig pkg-config --variable=$name "$package"
    done)
    if grep // <<<"$paths"; then exit 1; fi
    (cd "$work/elsewhere/moved" && printf '%s\n' "$PWD" "$PWD/${lib#"$work/prefix/"}" "$PWD/include") |
        diff - <(xargs -n 1 realpath -e <<<"$paths")
done

echo "-- every header compiles alone, as C and as C++"
for header in "$work"/prefix/include/*/*.h; do
    name=${header#"$work/prefix/include/"}
    flags=$(pkg-config --cflags mofka-mpi)
    # shellcheck disable=SC2086
    echo "#include <$name>" | cc -std=c11 -Wall -Wextra -Werror $flags -x c -fsyntax-only -
    # shellcheck disable=SC2086
    echo "#include <$name>" | c++ -Wall -Wextra $flags -x c++ -fsyntax-only -
done
for header in "$work"/prefix/include/mofka/*.hpp; do
    name=${header#"$work/prefix/include/"}
    # shellcheck disable=SC2046
    echo "#include <$name>" | c++ -std=c++17 -DMOFKA_NO_JSON -Wall -Wextra -Werror $(pkg-config --cflags mofka-mpi) \
        -x c++ -fsyntax-only -
done

echo "-- symbols"
foreign=$(nm -D --defined-only "$lib"/libmofka.so "$lib"/libmofka-mpi.so | awk 'NF == 3 {print $3}' |
    grep -v '^mofka_\|^MPI_Finalize$\|^mfi_.*@@MOFKA_INTERNAL_\|^MOFKA_INTERNAL_' || true)
[ -z "$foreign" ] || { echo "exported without the prefix: $foreign"; exit 1; }
if is_built diaspora-c; then
    [ "$(nm -D --defined-only "$lib/libdiaspora-c.so" | grep -c ' T diaspora_')" = 11 ]
    if nm -D --defined-only "$lib/libdiaspora-c.so" | grep -v ' diaspora_'; then exit 1; fi
fi
for plugin in "${plugins[@]}"; do
    [ -z "$(nm -D --defined-only "$lib/$plugin")" ] || { echo "$plugin exports"; exit 1; }
done
if ldd "$lib/libmofka.so" | grep -iE 'mpi'; then
    echo "libmofka.so needs MPI"
    exit 1
fi
echo "installed package works"
