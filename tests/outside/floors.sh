#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A room (a folder of sources) includes its own headers and those of rooms on lower floors, no others.
# src/ does not include <mpi.h> or <mofka/mpi.h>, but for src/bindings/, which no other room includes. Prints each
# include line that breaks this.
#   floors.sh SOURCE-DIRECTORY
set -euo pipefail
cd "$1"
# Each room with its floor. Rooms on one floor do not include one another.
floors='
src/base/text 0
src/base 1
src/json 2
src/data 3                    src/stats 3                   src/types 3
src/types/selectors 4         src/types/eventbridge 4
src/pool 4
src/store/io 4                src/store/log 5
src/store/write 6             src/store/read 6
src/store 7                   src/files 8
src/driver 5
src/producer 6                src/consumer 6
src/producer/lanes 7          src/producer/claims 7         src/consumer/runs 7
src/plugins/tape 7            src/plugins/schema_draft 7
src/plugins/cbor 8            src/plugins/zstd 8            src/plugins/schema_validator/json 8
src/plugins/schema_serializer 9                             src/plugins/schema_validator/schema 9
src/plugins/schema_validator/check 10
src/plugins/schema_validator 11
mpi/window 11
mpi/alive 12                  mpi/ranks 12                  mpi/clerk 12
mpi/partition 13
mpi/rows 14                   mpi/errand 14                 mpi/staging 14
mpi/topic 15
mpi/storage 16
mpi/producer 17               mpi/consumer 17
mpi/agent 18                  mpi/consumer/run 18
mpi/driver 19
mpi/ctl/base 20
mpi/ctl/options 21
mpi/ctl/in 22                 mpi/ctl/out 22
mpi/ctl/serve/page 23
mpi/ctl/serve 24
mpi/ctl/commands 25
mpi/ctl 26
src/bindings/diaspora_c 27    src/bindings/fortran 27
'
awk -v floors="$floors" '
BEGIN {
    count = split(floors, word)
    for (i = 1; i < count; i += 2)
        floor[word[i]] = word[i + 1]
}
function folder(path) { sub("/[^/]*$", "", path); return path }
FNR == 1 {
    room = folder(FILENAME)
    if (!(room in floor)) { print FILENAME ": its room has no floor"; bad = 1 }
}
/^#include <(mofka\/)?mpi.h>/ && room ~ "^src/" && room !~ "^src/bindings/" {
    print FILENAME ": includes " $2
    bad = 1
}
/^#include "/ {
    split($0, part, "\"")
    target = part[2] ~ "/" ? folder(part[2]) : room
    if (target !~ "^mpi/")
        target = target == room ? room : "src/" target
    includes++
    if (target != room && !(target in floor && floor[target] < floor[room])) {
        print FILENAME ":" FNR ": " $0 " is not on a lower floor"
        bad = 1
    }
    # Of the core, the driver uses what libmofka exports: its public functions, and the store. One
    # header needs nothing exported.
    if (room ~ "^mpi/" && room !~ "^mpi/ctl" && target ~ "^src/" && target !~ "^src/store" &&
        part[2] != "base/thread.h") {
        print FILENAME ":" FNR ": " $0 " is internal to the core"
        bad = 1
    }
}
END {
    if (includes < 200) { print "only " includes + 0 " include lines were found"; bad = 1 }
    print includes " include lines in " length(floor) " rooms"
    exit bad
}' $(git ls-files 'src/*.[ch]' 'src/*.cpp' 'src/*.hpp' 'mpi/*.[ch]' 2>/dev/null || find src mpi -name '*.[ch]' -o -name '*.[ch]pp')
