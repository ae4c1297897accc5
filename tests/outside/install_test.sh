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
plugins=() programs=(mofkactl)
for plugin in "$build"/libmofka-{cbor,schema,zstd}.so; do [ ! -e "$plugin" ] || plugins+=("${plugin##*/}"); done
[ ! -e "$build/benchmarks/mofka-bench" ] || programs+=(mofka-bench)
PKG_CONFIG_PATH="$lib/pkgconfig"
export PKG_CONFIG_PATH
version=$(pkg-config --modversion mofka-mpi)
config=$(sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$build/CMakeCache.txt" | tr '[:upper:]' '[:lower:]')
expected() {
    (cd "$here/../../include" && printf 'include/%s\n' mofka/*.h)
    printf 'lib/lib%s\n' mofka{,-mpi}.so{,.0,".$version"}
    [ ${#plugins[@]} = 0 ] || printf 'lib/%s\n' "${plugins[@]}"
    printf 'lib/pkgconfig/%s.pc\n' mofka mofka-mpi
    printf 'lib/cmake/mofka/mofka%s.cmake\n' Config ConfigVersion Targets "Targets-${config:-relwithdebinfo}"
    printf 'bin/%s\n' "${programs[@]}"
    printf 'share/man/man1/%s.1\n' "${programs[@]}"
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

echo "-- pkg-config's paths have no doubled slash, and are where its files are"
mkdir "$work/elsewhere"
cp -a "$work/prefix" "$work/elsewhere/moved"
for package in mofka mofka-mpi; do
    paths=$(for name in prefix libdir includedir; do
        PKG_CONFIG_PATH=$work/elsewhere/moved/${lib#"$work/prefix/"}/pkgconfig pkg-config --variable=$name "$package"
    done)
    if grep // <<<"$paths"; then exit 1; fi
    (cd "$work/elsewhere/moved" && printf '%s\n' "$PWD" "$PWD/${lib#"$work/prefix/"}" "$PWD/include") |
        diff - <(xargs -n 1 realpath -e <<<"$paths")
done

echo "-- every header compiles alone, as C and as C++"
for header in "$work"/prefix/include/mofka/*.h; do
    name=mofka/$(basename "$header")
    flags=$(pkg-config --cflags mofka-mpi)
    # shellcheck disable=SC2086
    echo "#include <$name>" | cc -std=c11 -Wall -Wextra -Werror $flags -x c -fsyntax-only -
    # shellcheck disable=SC2086
    echo "#include <$name>" | c++ -Wall -Wextra $flags -x c++ -fsyntax-only -
done

echo "-- symbols"
foreign=$(nm -D --defined-only "$lib"/libmofka.so "$lib"/libmofka-mpi.so | awk 'NF == 3 {print $3}' |
    grep -v '^mofka_\|^MPI_Finalize$' || true)
[ -z "$foreign" ] || { echo "exported without the prefix: $foreign"; exit 1; }
for plugin in "${plugins[@]}"; do
    [ -z "$(nm -D --defined-only "$lib/$plugin")" ] || { echo "$plugin exports"; exit 1; }
done
if ldd "$lib/libmofka.so" | grep -iE 'mpi'; then
    echo "libmofka.so needs MPI"
    exit 1
fi
echo "installed package works"
