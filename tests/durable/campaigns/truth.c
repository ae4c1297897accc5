/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition may have after a crash, and what it must have; see truth.h. */
#include "durable/campaigns/truth.h"

bool truth_fail(truth_t *truth, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!truth->why[0] && !(truth->disk && disk_is_stopped(truth->disk)))
        vsnprintf(truth->why, sizeof truth->why, format, args);
    va_end(args);
    return false;
}

void truth_append(truth_t *truth, uint64_t first, uint32_t events) {
    for (uint64_t id = first; id < first + events; id++)
        truth->versions[id] = truth->version;
    if (first + events > truth->next)
        truth->next = first + events;
}

bool truth_check_read(truth_t *truth, const mfi_read_t *read, uint64_t *next) {
    char why[256];
    if (read->first_id != *next || read->kind != MFI_FRAME_BATCH)
        return truth_fail(truth, "a batch of kind %d begins at %llu, not at %llu", (int)read->kind,
                          (unsigned long long)read->first_id, (unsigned long long)*next);
    for (uint32_t i = 0; i < read->events; i++) {
        uint64_t id = read->first_id + i;
        uint32_t version;
        if (!made_is_right(read, i, &version, why))
            return truth_fail(truth, "%s", why);
        if (id >= truth->next || truth->versions[id] != version)
            return truth_fail(truth, "event %llu has version %u, not %u", (unsigned long long)id,
                              version, id < truth->next ? truth->versions[id] : 0);
    }
    *next += read->events;
    return true;
}

bool truth_check_log(truth_t *truth, const mfi_log_t *log, uint64_t end) {
    mfi_reader_t *reader;
    mfi_read_t read;
    mofka_status_t status = mfi_reader_open(log, &reader);
    if (status)
        return truth_fail(truth, "a reader: %s", mofka_last_error());
    uint64_t next = mfi_reader_position(reader);
    bool right = next <= truth->oldest_max ||
                 truth_fail(truth, "the oldest event is %llu, not at most %llu",
                            (unsigned long long)next, (unsigned long long)truth->oldest_max);
    while (right && !(status = mfi_reader_next(reader, 0, &read)))
        right = truth_check_read(truth, &read, &next);
    mfi_reader_close(reader);
    if (right && status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_COMPLETE)
        return truth_fail(truth, "reading: %s", mofka_last_error());
    if (right && next != end)
        return truth_fail(truth, "the log is read up to %llu, not %llu", (unsigned long long)next,
                          (unsigned long long)end);
    return right;
}

bool truth_check_open(truth_t *truth, const mfi_opened_t *opened) {
    uint64_t next = opened->next;
    bool was_cut = truth->cut != TRUTH_NO_CUT && next == truth->cut;
    if (next < truth->promised && !was_cut)
        return truth_fail(truth, "the log ends at %llu, and %llu was promised",
                          (unsigned long long)next, (unsigned long long)truth->promised);
    if (next > truth->next)
        return truth_fail(truth, "the log ends at %llu, and %llu was the last append",
                          (unsigned long long)next, (unsigned long long)truth->next);
    truth->promised = truth->next = next;
    truth->cut = TRUTH_NO_CUT;
    truth->version++;
    return true;
}
