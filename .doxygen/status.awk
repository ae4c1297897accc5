# SPDX-License-Identifier: BSD-3-Clause
# Writes the rows of MOFKA_STATUS_MAP, X(NAME, VALUE, CLASS, "TEXT"), as documented enumerators where
# status.h has them made by MOFKA_STATUS_ENUM.
/^    X\(MOFKA_/ {
    row = $0
    sub(/^    X\(/, "", row)
    name = value = text = row
    sub(/,.*/, "", name)
    sub(/^[^,]*, /, "", value)
    sub(/,.*/, "", value)
    sub(/^[^"]*"/, "", text)
    sub(/".*/, "", text)
    rows = rows "    " name " = " value ", /**< " text " */\n"
}
/^    MOFKA_STATUS_MAP\(MOFKA_STATUS_ENUM\)/ { printf "%s", rows; next }
/MOFKA_STATUS_ENUM/ { next }
{ print }
