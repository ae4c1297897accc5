#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Prints a header that puts a check of errno around each call of a public function.
#   errno_calls.sh HEADER...
# A function-like macro hides each function. It is expanded where the function is called, and not
# where a pointer to it is taken.
set -euo pipefail
prototypes=$(cat "$@" | tr '\n' ' ' | sed 's/MOFKA_API/\n&/g' | grep '^MOFKA_API' | sed 's/(.*//')
echo "#define ERRNO_CALLS(X) \\"
sed -n 's/.*[ *]\(mofka_[a-z0-9_]*\)$/    X(\1) \\/p' <<<"$prototypes"
echo
echo '#ifdef ERRNO_CHECKS_CALLS'
sed -n 's/^MOFKA_API void \(mofka_[a-z0-9_]*\)$/#define \1(...) ERRNO_PROCEDURE(\1, __VA_ARGS__)/p
        /^MOFKA_API void mofka/d
        s/.*[ *]\(mofka_[a-z0-9_]*\)$/#define \1(...) ERRNO_FUNCTION(\1, __VA_ARGS__)/p' <<<"$prototypes"
echo '#endif'
