#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs a program, and prints how it ended: a launcher's exit code does not say.
#   left.sh PROGRAM ARGUMENT...
"$@"
echo "it left with $?"
