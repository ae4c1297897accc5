/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON files of a store: checked text, uuids, names of folders. */
#include "store/record.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "json/text.h"
#include "json/tree.h"

#define CHECK_DIGITS 16
#define CHECK_KEY "\"check\":\""
#define CHECK_NONE "0000000000000000"

/* ---- checked text ---------------------------------------------------------------------------- */

/* The digits of a text's check, which is its last member. NULL: it has none. */
static char *check_find(char *text, size_t bytes) {
    size_t tail = CHECK_DIGITS + strlen("\"}");
    if (bytes < tail + strlen(CHECK_KEY))
        return NULL;
    char *digits = text + bytes - tail;
    return memcmp(digits - strlen(CHECK_KEY), CHECK_KEY, strlen(CHECK_KEY)) == 0 &&
                   memcmp(digits + CHECK_DIGITS, "\"}", 2) == 0
               ? digits
               : NULL;
}

/* The check of a text whose digits are zeros. */
static void check_print(const char *text, size_t bytes, char digits[CHECK_DIGITS + 1]) {
    snprintf(digits, CHECK_DIGITS + 1, "%016llx",
             (unsigned long long)mfi_check_bytes(text, bytes, 0));
}

mofka_status_t mfi_record_store(const mfi_io_t *io, const char *folder, const char *name,
                                cJSON *tree) {
    char digits[CHECK_DIGITS + 1];
    char *text =
        cJSON_AddStringToObject(tree, "check", CHECK_NONE) ? mfi_json_print(tree, false) : NULL;
    cJSON_Delete(tree);
    char *check = text ? check_find(text, strlen(text)) : NULL;
    if (!check) {
        cJSON_free(text);
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s/%s", folder, name);
    }
    check_print(text, strlen(text), digits);
    memcpy(check, digits, CHECK_DIGITS);
    mofka_status_t status = mfi_io_replace(io, folder, name, text, strlen(text));
    cJSON_free(text);
    return status;
}

static bool check_is_right(char *text, size_t bytes) {
    char expected[CHECK_DIGITS + 1], found[CHECK_DIGITS];
    char *check = check_find(text, bytes);
    if (!check)
        return false;
    memcpy(found, check, CHECK_DIGITS);
    memcpy(check, CHECK_NONE, CHECK_DIGITS);
    check_print(text, bytes, expected);
    memcpy(check, found, CHECK_DIGITS);
    return memcmp(found, expected, CHECK_DIGITS) == 0;
}

static mofka_status_t record_check_format(const char *what, const cJSON *tree) {
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(tree, "format");
    if (!cJSON_IsNumber(format))
        return mofka_fail(MOFKA_ERR_CORRUPT, "%s has no format version", what);
    if (format->valuedouble != MFI_FORMAT_VERSION)
        return mofka_fail(MOFKA_ERR_UNSUPPORTED,
                          "%s has format version %.0f, and this library reads %d: use the library "
                          "that wrote it, or a newer one",
                          what, format->valuedouble, MFI_FORMAT_VERSION);
    return MOFKA_OK;
}

mofka_status_t mfi_record_parse(const char *what, const char *text, size_t bytes, cJSON **tree) {
    cJSON *parsed = NULL;
    char *copy = malloc(bytes + 1);
    if (!copy)
        return mofka_fail(MOFKA_ERR_MEMORY, "no memory for %s", what);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    mofka_status_t status = mfi_json_check(what, copy, bytes);
    if (!status)
        status = mfi_json_parse(what, copy, bytes, &parsed);
    if (!status)
        status = record_check_format(what, parsed);
    if (status == MOFKA_ERR_JSON || (!status && !check_is_right(copy, bytes)))
        status = mofka_fail(MOFKA_ERR_CORRUPT,
                            "%s is damaged, or was edited: its check is wrong; restore it from a "
                            "copy",
                            what);
    free(copy);
    if (status)
        cJSON_Delete(parsed);
    else
        *tree = parsed;
    return status;
}

mofka_status_t mfi_record_load(const mfi_io_t *io, const char *folder, const char *name,
                               char **text, cJSON **tree) {
    char path[MFI_PATH_BYTES_MAX], *loaded;
    size_t bytes;
    mofka_status_t status = mfi_io_path(path, folder, name);
    if (!status)
        status = mfi_io_load(io, path, MFI_STORE_JSON_BYTES_MAX, &loaded, &bytes);
    if (status)
        return status;
    status = mfi_record_parse(path, loaded, bytes, tree);
    if (!status && text)
        *text = loaded;
    else
        free(loaded);
    return status;
}

/* ---- uuids and names ------------------------------------------------------------------------- */

void mfi_uuid_make(mfi_uuid_t *uuid) {
    ssize_t got;
    do
        got = getrandom(uuid->bytes, sizeof uuid->bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof uuid->bytes)
        return;
    /* No source of random numbers: as different as clock and memory are. */
    uint64_t words[2] = {mfi_wall_ns(), mfi_now_ns() ^ (uint64_t)(uintptr_t)uuid};
    memcpy(uuid->bytes, words, sizeof words);
}

void mfi_uuid_print(const mfi_uuid_t *uuid, char text[33]) {
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", uuid->bytes[i]);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mfi_uuid_parse(const char *text, mfi_uuid_t *uuid) {
    if (!text || strlen(text) != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool name_byte_is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Bytes of a folder's name before it is cut. */
#define FOLDER_BYTES_MAX 200

void mfi_topic_folder(const char *name, char folder[256]) {
    char encoded[3 * 128 + 1], *to = encoded;
    for (const char *at = name; *at && to < encoded + sizeof encoded - 4; at++)
        to += snprintf(to, 4, name_byte_is_plain(*at) ? "%c" : "%%%02X", (unsigned char)*at);
    *to = '\0';
    if (to - encoded <= FOLDER_BYTES_MAX)
        snprintf(folder, 256, "%.*s%%", FOLDER_BYTES_MAX, encoded);
    else
        snprintf(folder, 256, "%.*s%%%016llx%%", FOLDER_BYTES_MAX, encoded,
                 (unsigned long long)mfi_check_bytes(name, strlen(name), 0));
}
