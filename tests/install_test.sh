#!/usr/bin/env bash
# Install into a fresh prefix, then build and run an outside program by CMake and by pkg-config; look
# at what the libraries export and need.
#   install_test.sh BUILD-DIRECTORY MPICC MPIEXEC...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) build=$1 mpicc=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
lib=$(dirname "$(find "$work/prefix" -name 'libmofka.so' -print -quit)")

echo "-- by find_package"
cmake -S "$here/outside" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/cmake.log" ||
    { cat "$work/cmake.log"; exit 1; }
cmake --build "$work/cmake" >"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
"$@" -n 2 "$work/cmake/outside"

echo "-- mofkactl"
"$@" -n 1 "$work/prefix/bin/mofkactl" topic create t --json | grep '"name":"t"'
find "$work/prefix" -path '*/man/man1/mofkactl.1' | grep .
[ ! -e "$build/benchmarks/mofka-bench" ] || "$@" -n 1 "$work/prefix/bin/mofka-bench" --help | grep -e --watchers

echo "-- by pkg-config"
export PKG_CONFIG_PATH="$lib/pkgconfig"
# shellcheck disable=SC2046
"$mpicc" -o "$work/outside" "$here/outside/outside.c" $(pkg-config --cflags --libs mofka-mpi)
LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside"
# shellcheck disable=SC2046
cc -o "$work/outside-cc" "$here/outside/outside.c" $(pkg-config --cflags --libs mofka-mpi)
LD_LIBRARY_PATH=$lib "$@" -n 2 "$work/outside-cc"

echo "-- types that are libraries of their own, found beside libmofka"
# shellcheck disable=SC2046
cc -o "$work/types" "$here/outside/types.c" $(pkg-config --cflags --libs mofka) -Wl,-rpath,"$lib"
types=()
for plugin in "$build"/libmofka-*.so; do
    case $plugin in
    *-cbor.so | *-zstd.so) types+=(serializer "{\"type\":\"$(basename "${plugin#*libmofka-}" .so)\"}") ;;
    *-schema.so) types+=(serializer '{"type":"schema","schema":{}}' validator '{"type":"schema","schema":{}}') ;;
    esac
done
(cd / && env -u LD_LIBRARY_PATH "$work/types" "${types[@]}")

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
    grep -v '^mofka_' || true)
[ -z "$foreign" ] || { echo "exported without the prefix: $foreign"; exit 1; }
for plugin in "$lib"/libmofka-{cbor,schema,zstd}.so; do
    [ ! -e "$plugin" ] || [ -z "$(nm -D --defined-only "$plugin")" ] || { echo "$plugin exports"; exit 1; }
done
if ldd "$lib/libmofka.so" | grep -iE 'mpi'; then
    echo "libmofka.so needs MPI"
    exit 1
fi
echo "installed package works"
