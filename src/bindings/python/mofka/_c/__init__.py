# SPDX-License-Identifier: BSD-3-Clause
"""The C library: where it is, its functions, its errors, and what lives how long."""
