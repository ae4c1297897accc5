#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Wrong types do not compile.
#   must_not_compile.sh COMPILER FOLDER-OF-MODULES...
set -euo pipefail
compiler=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() { # STATEMENT
    cat >"$work/wrong.f90" <<END
program wrong
    use mofka
    use mpi_f08
    implicit none
    type :: pair
        integer :: a, b
    end type
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    type(mofka_producer) :: producer
    type(mofka_consumer) :: consumer
    type(mofka_event) :: event
    real, pointer :: shown(:), shaped(:, :)
    type(pair) :: pairs(3)
    logical :: flags(3)
    character(5) :: letters(3)
    real :: field(3)
    $1
end program
END
    "$compiler" "${@/#/-I}" -fsyntax-only "$work/wrong.f90" >"$work/log" 2>&1
}
compile "call producer%push('{}', field)" "$@" || { cat "$work/log"; exit 1; } # what is right does
count=0
while read -r statement; do
    if compile "$statement" "$@"; then echo "compiles: $statement"; exit 1; fi
    grep -q "Error: " "$work/log" || { cat "$work/log"; exit 1; }
    count=$((count + 1))
done <<'END'
call producer%push('{}', pairs)
call producer%push('{}', flags)
call producer%push('{}', letters)
call producer%push(field)
call event%read(letters)
call event%read(field + 1)
call driver%create(1.5)
call driver%create(MPI_INFO_NULL)
call producer%create(driver)
call producer%push('{}', field, partition='one')
call event%point(field)
call event%point(shaped)
call consumer%process(driver)
call consumer%create(topic, 'name', select=sin)
call producer%create(topic, fallback=consumer)
END
echo "$count wrong statements do not compile"
