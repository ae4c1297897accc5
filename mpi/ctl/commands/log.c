/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl log: a store, without a job: list, info, dump, verify, repair, cut, unlock. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/out/sink.h"
#include "mpi/ctl/out/store_info.h"
#include "json/tree.h"
#include "store/store.h"

#define ALL_PARTITIONS UINT64_MAX

static const char *folder, *topic_name, *ends_text;
static uint64_t partition = ALL_PARTITIONS;
static sink_t out; /* standard output */
static int exit_code;

static void log_complain(mofka_status_t status, const char *what) {
    ctl_complain_of(status, what);
    exit_code = exit_code == CTL_OK ? ctl_code_of(status) : exit_code;
}

/* Write what was printed. It is no failure if the reader left. */
static void log_write_out(void) {
    if (!sink_flush(&out) && out.error != EPIPE) {
        ctl_complain("writing to standard output: %s", strerror(out.error));
        exit_code = CTL_FAILED;
    }
    sink_close(&out);
}

/* ---- over topics and partitions -------------------------------------------------------------- */

typedef struct log_walk {
    const mfi_store_t *store;
    void (*visit)(const mfi_topic_record_t *record, const mfi_log_t *log);
    /* Optional: called before and after a topic's partitions. */
    void (*begin)(const mfi_topic_record_t *record);
    void (*end)(void);
    size_t topics, partitions;
} log_walk_t;

static mofka_status_t log_visit_topic(void *context, const mfi_topic_record_t *record) {
    log_walk_t *walk = context;
    if (topic_name && strcmp(topic_name, record->name) != 0)
        return MOFKA_OK;
    walk->topics++;
    if (walk->begin)
        walk->begin(record);
    for (size_t i = 0; i < record->partitions && !interrupt_came(); i++) {
        mfi_log_t log;
        if (partition != ALL_PARTITIONS && partition != i)
            continue;
        walk->partitions++;
        mofka_status_t status = mfi_store_log(walk->store, record, i, &log);
        if (status)
            log_complain(status, record->name);
        else
            walk->visit(record, &log);
    }
    if (walk->end)
        walk->end();
    return MOFKA_OK;
}

/* Go over the partitions that were chosen. The answer is the exit code. */
static int log_walk_all(log_walk_t *walk) {
    mfi_store_t store;
    walk->store = &store;
    exit_code = CTL_OK;
    sink_open(&out, STDOUT_FILENO);
    mofka_status_t status = mfi_store_open(&mfi_io_posix, folder, MFI_STORE_THERE, &store);
    if (!status)
        status = mfi_store_list_topics(&store, log_visit_topic, walk);
    if (!status && topic_name && walk->topics == 0)
        status =
            mofka_fail(MOFKA_ERR_NOT_FOUND, "the store %s has no topic '%s'", folder, topic_name);
    else if (!status && partition != ALL_PARTITIONS && walk->partitions == 0)
        status = mofka_fail(MOFKA_ERR_RANGE, "no topic has a partition %" PRIu64, partition);
    if (status)
        log_complain(status, folder);
    log_write_out();
    return exit_code;
}

/* Call `visit` for each partition that was chosen. The answer is the exit code. */
static int log_walk(void (*visit)(const mfi_topic_record_t *, const mfi_log_t *)) {
    return log_walk_all(&(log_walk_t){.visit = visit});
}

static void log_print_name(const mfi_topic_record_t *record, const mfi_log_t *log) {
    event_line_write_visible(&out, record->name, strlen(record->name));
    sink_add_text(&out, "\t%" PRIu32, log->partition);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void log_list_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    mfi_chain_t chain = {0};
    mfi_scan_t scan = {0};
    uint64_t bytes = 0;
    mofka_status_t status = mfi_chain_load(log, &chain);
    if (!status)
        status = mfi_scan_run(log, &chain, &scan);
    for (size_t i = 0; i < chain.count; i++)
        bytes += chain.parts[i].bytes;
    if (status) {
        log_complain(status, record->name);
    } else {
        log_print_name(record, log);
        sink_add_text(&out, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n", scan.oldest, scan.end,
                      bytes, scan.complete ? "complete" : "open");
    }
    mfi_chain_clear(&chain);
}

static int log_run_list(mofka_driver_t *driver) {
    (void)driver;
    return log_walk(log_list_one);
}

static cJSON *info; /* the topic under way; NULL: there is no memory for it */

static void log_info_begin(const mfi_topic_record_t *record) {
    info = store_info_begin(record);
    if (!info)
        log_complain(mofka_fail(MOFKA_ERR_MEMORY, "no memory to describe it"), record->name);
}

static void log_info_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    mofka_status_t status = info ? store_info_add(info, record, log) : MOFKA_OK;
    if (status)
        log_complain(status, record->name);
}

/* A name may hold any byte, and is not to control a terminal. */
static void log_info_end(void) {
    char *text = info ? mfi_json_print(info, true) : NULL;
    if (info && !text)
        log_complain(mofka_fail(MOFKA_ERR_MEMORY, "no memory to print it"), folder);
    for (const char *line = text, *end; line && *line; line = end) {
        end = strchrnul(line, '\n');
        event_line_write_json(&out, line, (size_t)(end - line));
        sink_add(&out, "\n", 1);
        end += *end == '\n';
    }
    cJSON_free(text);
    cJSON_Delete(info);
}

static int log_run_info(mofka_driver_t *driver) {
    (void)driver;
    return log_walk_all(
        &(log_walk_t){.visit = log_info_one, .begin = log_info_begin, .end = log_info_end});
}

static void log_dump_batch(const mfi_topic_record_t *record, const mfi_log_t *log,
                           const mfi_read_t *read) {
    const char *metadata = read->metadata;
    for (uint32_t i = 0; i < read->events; i++) {
        log_print_name(record, log);
        sink_add_text(&out, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t", read->first_id + i,
                      read->stamp, read->entries[i].data_bytes);
        event_line_write_visible(&out, metadata, read->entries[i].metadata_bytes);
        sink_add(&out, "\n", 1);
        metadata += read->entries[i].metadata_bytes;
    }
}

static void log_dump_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t events;
    mofka_status_t status = mfi_reader_open(log, &reader);
    if (status) {
        log_complain(status, record->name);
        return;
    }
    while (!interrupt_came() && out.error == 0) {
        status = mfi_reader_next(reader, 0, &read);
        if (!status && read.kind == MFI_FRAME_BATCH)
            log_dump_batch(record, log, &read);
        else if (status == MOFKA_ERR_CORRUPT) {
            log_complain(status, record->name);
            status = mfi_reader_skip(reader, &events);
        }
        if (status || !sink_flush(&out))
            break;
    }
    if (status && status != MOFKA_ERR_TIMEOUT && status != MOFKA_ERR_COMPLETE)
        log_complain(status, record->name);
    mfi_reader_close(reader);
}

static int log_run_dump(mofka_driver_t *driver) {
    (void)driver;
    return log_walk(log_dump_one);
}

static void log_print_finding(void *context, const mfi_finding_t *finding) {
    char text[MFI_PATH_BYTES_MAX + 200];
    mfi_finding_describe(context, finding, text, sizeof text);
    sink_add_text(&out, "%s\n", text);
}

static void log_verify_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    mfi_scan_t scan;
    size_t damaged;
    mofka_status_t status =
        mfi_store_verify(log, log_print_finding, (void *)(uintptr_t)log, &scan, &damaged);
    if (damaged > 0)
        sink_add_text(&out, "%s/places: %zu places of consumers are damaged\n", log->folder,
                      damaged);
    log_print_name(record, log);
    sink_add_text(&out, "\t%" PRIu64 " events, %" PRIu64 " damaged, %" PRIu64 " findings\n",
                  scan.events, scan.damaged_events, scan.findings + damaged);
    if (status)
        log_complain(status, record->name);
    else if (scan.findings + damaged > 0)
        exit_code = CTL_FAILED;
}

static int log_run_verify(mofka_driver_t *driver) {
    (void)driver;
    return log_walk(log_verify_one);
}

static void log_repair_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    uint64_t given_up;
    mofka_status_t status = mfi_store_repair(log, &given_up);
    if (status) {
        log_complain(status, record->name);
        return;
    }
    log_print_name(record, log);
    sink_add_text(&out, "\t%" PRIu64 " events given up\n", given_up);
}

static int log_run_repair(mofka_driver_t *driver) {
    (void)driver;
    return log_walk(log_repair_one);
}

static void log_unlock_one(const mfi_topic_record_t *record, const mfi_log_t *log) {
    mofka_status_t status = mfi_lock_break(log);
    if (status && status != MOFKA_ERR_NOT_FOUND)
        log_complain(status, record->name);
}

static int log_run_unlock(mofka_driver_t *driver) {
    (void)driver;
    return log_walk(log_unlock_one);
}

/* Read the ends, a JSON array of whole numbers. */
static mofka_status_t log_read_ends(const mfi_topic_record_t *record, uint64_t *ends) {
    cJSON *tree = cJSON_Parse(ends_text);
    const cJSON *item = cJSON_IsArray(tree) ? tree->child : NULL;
    size_t count = 0;
    for (; item && count < record->partitions; item = item->next) {
        double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (value < 0 || value > 9007199254740992.0 || value != (double)(uint64_t)value)
            break;
        ends[count++] = (uint64_t)value;
    }
    bool right = !item && count == record->partitions;
    cJSON_Delete(tree);
    return right ? MOFKA_OK
                 : mofka_fail(MOFKA_ERR_INVALID,
                              "--ends must be a JSON array of %zu whole numbers, not '%.100s'",
                              record->partitions, ends_text);
}

static int log_run_cut(mofka_driver_t *driver) {
    mfi_store_t store;
    mfi_topic_record_t record = {0};
    uint64_t *ends = NULL;
    (void)driver;
    mofka_status_t status = mfi_store_open(&mfi_io_posix, folder, MFI_STORE_THERE, &store);
    if (!status)
        status = mfi_store_finish_cut(&store);
    if (!status)
        status = mfi_store_load_topic(&store, topic_name, &record);
    if (!status && !(ends = calloc(record.partitions, sizeof *ends)))
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory to cut");
    if (!status)
        status = log_read_ends(&record, ends);
    if (!status)
        status = mfi_store_cut(&store, &record, ends);
    if (status)
        ctl_complain_of(status, "cutting");
    free(ends);
    mfi_topic_record_clear(&record);
    return status ? ctl_code_of(status) : CTL_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool log_take_folder(int count, char **words) {
    return args_take_word(count, words, "folder DIR", "the folder DIR of a store", &folder);
}

static bool log_take_cut(int count, char **words) {
    if (!log_take_folder(count, words))
        return false;
    if (topic_name && ends_text)
        return true;
    ctl_complain("--topic and --ends are needed");
    return false;
}

static const option_row_t choose_options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "Only this topic", 0, 0, NULL},
    {"partition", OPTION_COUNT, &partition, "N", "Only this partition", 0, 4095, NULL},
};

static const option_row_t cut_options[] = {
    {"topic", OPTION_TEXT, &topic_name, "NAME", "The topic", 0, 0, NULL},
    {"ends", OPTION_TEXT, &ends_text, "JSON", "The next id of each partition, such as [1000,998]",
     0, 0, NULL},
};

#define LOG_COMMAND(word, text)                                                                    \
    {                                                                                              \
        .name = "log " #word, .arguments = "DIR", .summary = text, .options = choose_options,      \
        .option_count = sizeof choose_options / sizeof choose_options[0],                          \
        .check = log_take_folder, .run = log_run_##word, .alone = true                             \
    }

const ctl_command_t log_list_command =
    LOG_COMMAND(list, "List a store's partitions: first id, next id, bytes, open or complete");
const ctl_command_t log_info_command =
    LOG_COMMAND(info, "Describe a store's topics as JSON: ids, times, files, consumers, writers");
const ctl_command_t log_dump_command =
    LOG_COMMAND(dump, "Print a store's events: id, time stored, bytes of data, metadata");
const ctl_command_t log_verify_command =
    LOG_COMMAND(verify, "Check all files of a store; exit code 1 if something is wrong");
const ctl_command_t log_repair_command =
    LOG_COMMAND(repair, "Give damaged events up, and keep all others");
const ctl_command_t log_unlock_command =
    LOG_COMMAND(unlock, "Say that the process that wrote a store is dead");
const ctl_command_t log_cut_command = {
    .name = "log cut",
    .arguments = "DIR",
    .summary = "Take a topic's last events back, in all partitions or in none",
    .options = cut_options,
    .option_count = sizeof cut_options / sizeof cut_options[0],
    .check = log_take_cut,
    .run = log_run_cut,
    .alone = true,
};
