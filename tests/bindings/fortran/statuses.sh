#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The module has every status of status.h, with its number, and gives it to its users.
#   statuses.sh SOURCE-DIRECTORY
set -euo pipefail
cd "$1"
wanted=$(sed -n 's/^ *X(\(MOFKA_[A-Z_]*\), \(-\?[0-9]*\), .*/\1 = \2/p' include/mofka/status.h | tr '[:upper:]' '[:lower:]' | sort)
has=$(sed -n 's/^ *integer, parameter, public :: \(mofka_\(ok\|stop\|err_[a-z_]*\) = .*\)/\1/p' src/bindings/fortran/mofka_base.f90 | sort)
diff <(echo "$wanted") <(echo "$has")
for name in ${wanted//= -*([0-9])/}; do
    case $name in mofka_*) grep -qw "$name" src/bindings/fortran/mofka.f90 || { echo "not given: $name"; exit 1; } ;; esac
done
echo "$(wc -l <<<"$wanted") statuses"
