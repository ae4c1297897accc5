/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores that are not what they should be: each error names the file and what to do, and no file is
 * deleted. */
#include <cjson/cJSON.h>
#include <errno.h>
#include "durable/made.h"
#include "store/record.h"

static made_t made;
static disk_t *disk;
static char path[MFI_PATH_BYTES_MAX];

/* A log of several segments. */
static int input_setup(void **state) {
    (void)state;
    disk = disk_create(1);
    OK(made_open(&made, disk, MFI_STORE_MAKE));
    mfi_writer_t *w = made_writer(&made.log, 6000);
    for (uint64_t id = 0; id < 120; id += 6)
        OK(made_append(w, id, 6, 1));
    OK(mfi_writer_close(w));
    return 0;
}

static int input_teardown(void **state) {
    (void)state;
    made_close(&made);
    disk_destroy(disk);
    return 0;
}

static void input_count_file(void *context, const char *name, size_t bytes) {
    (void)name;
    size_t *sums = context;
    sums[0]++;
    sums[1] += bytes;
}

/* A writer does not open it, and says so; no file is deleted, or shorter. */
static void input_refused(mofka_status_t status, const char *text) {
    size_t before[2] = {0}, after[2] = {0};
    mfi_writer_t *w;
    mfi_opened_t opened;
    disk_list(disk, input_count_file, before);
    FAILS(mfi_writer_open(&made.log, &(mfi_writer_options_t){.cut = MFI_NO_CUT}, &opened, &w),
          status, text);
    assert_non_null(strstr(mofka_last_error(), "/s/topics/t%/0000"));
    disk_list(disk, input_count_file, after);
    assert_int_equal(before[0], after[0]);
    assert_int_equal(before[1], after[1]);
}

/* ---- segments -------------------------------------------------------------------------------- */

/* The segment that has an event. */
static const mfi_part_t *segment_with(mfi_chain_t *chain, uint64_t id) {
    *chain = (mfi_chain_t){0};
    OK(mfi_chain_load(&made.log, chain));
    const mfi_part_t *part = mfi_chain_find(chain, id);
    OK(mfi_part_path(&made.log, part->life, part->first_id, ".log", path));
    return part;
}

static mfi_segment_header_t *segment_header(uint64_t id) {
    mfi_chain_t chain;
    size_t bytes;
    segment_with(&chain, id);
    mfi_chain_clear(&chain);
    return (mfi_segment_header_t *)(void *)disk_bytes(disk, path, &bytes);
}

static void header_seal(mfi_segment_header_t *h) {
    h->check = mfi_check_bytes(h, offsetof(mfi_segment_header_t, check), 0);
}

static void a_newer_format_is_refused(void **state) {
    (void)state;
    mfi_segment_header_t *h = segment_header(60);
    h->version = 2;
    header_seal(h);
    input_refused(MOFKA_ERR_UNSUPPORTED, "format version 2, and this library reads 1");
}

static void another_byte_order_is_refused(void **state) {
    (void)state;
    mfi_segment_header_t *h = segment_header(60);
    h->magic = __builtin_bswap64(h->magic);
    h->endian = __builtin_bswap32(h->endian);
    input_refused(MOFKA_ERR_UNSUPPORTED, "another byte order");
}

static void a_segment_of_another_store_is_refused(void **state) {
    (void)state;
    mfi_segment_header_t *h = segment_header(60);
    h->store.bytes[3] ^= 1;
    header_seal(h);
    input_refused(MOFKA_ERR_INVALID, "belongs to another store");
    h->store.bytes[3] ^= 1;
    h->partition = 4;
    header_seal(h);
    input_refused(MOFKA_ERR_INVALID, "partition 4");
}

/* A copy under the name of another place. */
static void a_segment_of_another_name_is_refused(void **state) {
    (void)state;
    char copy[MFI_PATH_BYTES_MAX];
    mfi_segment_header_t *h = segment_header(60);
    uint64_t first_id = h->first_id, life = h->life;
    OK(mfi_part_path(&made.log, life, first_id + 1, ".log", copy));
    assert_int_equal(made.io.ops->rename(made.io.self, path, copy), 0);
    input_refused(MOFKA_ERR_INVALID, "is not the name of this file");
}

static void a_missing_segment_is_damage(void **state) {
    (void)state;
    mfi_chain_t chain;
    char text[64];
    const mfi_part_t *part = segment_with(&chain, 60);
    snprintf(text, sizeof text, "events %llu to %llu are damaged",
             (unsigned long long)part->first_id, (unsigned long long)part->limit - 1);
    mfi_chain_clear(&chain);
    assert_int_equal(made.io.ops->unlink(made.io.self, path), 0);
    mfi_scan_t scan;
    size_t damaged;
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.damage.id, strtoull(text + 7, NULL, 10));
    mfi_reader_t *reader;
    mfi_read_t read;
    mofka_status_t status;
    OK(mfi_reader_open(&made.log, &reader));
    while (!(status = mfi_reader_next(reader, 0, &read)))
        ;
    FAILS(status, MOFKA_ERR_CORRUPT, text);
    mfi_reader_close(reader);
}

/* A segment whose events reach into the next one: those of the next count. */
static void overlapping_segments_are_read_once(void **state) {
    (void)state;
    mfi_chain_t chain;
    const mfi_part_t *part = segment_with(&chain, 60);
    uint64_t life = part->life, inside = part->first_id + 7;
    mfi_chain_clear(&chain);
    /* A rolled segment in the middle of another one, of the same events. */
    size_t bytes;
    char name[MFI_PATH_BYTES_MAX];
    mfi_segment_header_t h = *(mfi_segment_header_t *)(void *)disk_bytes(disk, path, &bytes);
    h.first_id = inside;
    header_seal(&h);
    OK(mfi_part_path(&made.log, life, inside, ".log", name));
    const char *file = strrchr(name, '/') + 1;
    OK(mfi_io_replace(&made.io, made.log.folder, file, (const char *)&h, sizeof h));
    /* It has a header and no frames: what it should have is missing, and is damage. */
    mfi_reader_t *reader;
    mfi_read_t read;
    mofka_status_t status;
    uint64_t next = 0, events;
    OK(mfi_reader_open(&made.log, &reader));
    while ((status = mfi_reader_next(reader, 0, &read)) != MOFKA_ERR_TIMEOUT) {
        if (status == MOFKA_ERR_CORRUPT) {
            assert_int_equal(next, inside);
            OK(mfi_reader_skip(reader, &events));
            next += events;
            continue;
        }
        OK(status);
        assert_int_equal(read.first_id, next);
        next += read.events;
    }
    assert_int_equal(next, 120);
    mfi_reader_close(reader);
}

static void damage_makes_a_log_read_only_until_a_repair(void **state) {
    (void)state;
    mfi_segment_header_t *h = segment_header(119);
    uint64_t first = h->first_id, given_up;
    ((char *)h)[MFI_SEGMENT_HEADER_BYTES + 300] ^= 1;
    char text[64];
    snprintf(text, sizeof text, "events %llu to %llu are damaged", (unsigned long long)first,
             (unsigned long long)first + 5);
    /* A look at all of it finds the damage; an open only looks where a machine may have failed. */
    mfi_scan_t scan;
    size_t damaged;
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.damaged_events, 6);
    OK(mfi_store_repair(&made.log, &given_up));
    assert_int_equal(given_up, 6);
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.findings, 0);
    mfi_reader_t *reader;
    mfi_read_t read;
    uint64_t next = 0, lost = 0;
    OK(mfi_reader_open(&made.log, &reader));
    while (mfi_reader_next(reader, 0, &read) == MOFKA_OK) {
        assert_int_equal(read.first_id, next);
        lost += read.kind == MFI_FRAME_DAMAGED ? read.events : 0;
        next += read.events;
    }
    assert_int_equal(next, 120);
    assert_int_equal(lost, 6);
    mfi_reader_close(reader);
    mfi_writer_t *w = made_writer(&made.log, 0);
    OK(made_append(w, 120, 5, 1));
    OK(mfi_writer_close(w));
}

/* Damage where an open looks: before a mark, behind the last index entry. */
static void damage_that_an_open_finds_is_refused(void **state) {
    (void)state;
    mfi_writer_t *w = made_writer(&made.log, 0);
    uint64_t synced;
    OK(made_append(w, 120, 6, 1));
    OK(made_append(w, 126, 6, 1));
    OK(mfi_writer_sync(w, &synced));
    OK(made_append(w, 132, 6, 1));
    OK(mfi_writer_close(w));
    mfi_segment_header_t *h = segment_header(126);
    ((char *)h)[MFI_SEGMENT_HEADER_BYTES + 300] ^= 1;
    input_refused(MOFKA_ERR_CORRUPT, "events 120 to 125 are damaged");
    assert_non_null(strstr(mofka_last_error(), "mofkactl log repair"));
}

/* ---- indexes --------------------------------------------------------------------------------- */

/* An index whose checks are right, and which says what is not so. */
static void an_index_that_lies_costs_time_only(void **state) {
    (void)state;
    mfi_chain_t chain;
    mfi_index_t index = {0};
    mfi_scan_t scan;
    size_t damaged, bytes;
    const mfi_part_t *part = segment_with(&chain, 119);
    mfi_index_add(&index, part->first_id + 3, MFI_SEGMENT_HEADER_BYTES + 64, 5);
    mfi_index_add(&index, part->first_id + 4, MFI_SEGMENT_HEADER_BYTES + 64000, 6);
    mfi_index_store(&made.log, part->life, part->first_id, &index, 0, 2);
    mfi_index_clear(&index);
    OK(mfi_part_path(&made.log, part->life, part->first_id, ".idx", path));
    mfi_chain_clear(&chain);
    assert_int_equal(made_read_all(&made.log, 1), 120);
    OK(mfi_store_verify(&made.log, NULL, NULL, &scan, &damaged));
    assert_int_equal(scan.findings, 1);
    uint64_t id = 115, given_up;
    mfi_reader_t *reader;
    mfi_read_t read;
    OK(mfi_reader_open(&made.log, &reader));
    OK(mfi_reader_seek(reader, &id));
    OK(mfi_reader_next(reader, 0, &read));
    assert_int_equal(read.first_id, 115);
    mfi_reader_close(reader);
    OK(mfi_store_repair(&made.log, &given_up));
    assert_int_equal(given_up, 0);
    assert_null(disk_bytes(disk, path, &bytes));
    mfi_writer_t *w = made_writer(&made.log, 0);
    OK(made_append(w, 120, 5, 1));
    OK(mfi_writer_close(w));
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void a_full_or_read_only_disk_is_named(void **state) {
    (void)state;
    disk_fail(disk, DISK_WRITE | DISK_NAME, 0, ENOSPC, 1000);
    input_refused(MOFKA_ERR_STORAGE, "errno 28");
    disk_fail(disk, DISK_WRITE | DISK_NAME, 0, EROFS, 1000);
    input_refused(MOFKA_ERR_STORAGE, "errno 30");
    mfi_lock_t *lock;
    FAILS(mfi_lock_take(&made.log, NULL, &lock), MOFKA_ERR_STORAGE, "lock");
    /* It can be read. */
    assert_int_equal(made_read_all(&made.log, 1), 120);
    disk_fail(disk, 0, 0, 0, 0);
    mfi_writer_t *w = made_writer(&made.log, 0);
    OK(mfi_writer_close(w));
}

/* ---- stores and topics ----------------------------------------------------------------------- */

static void a_folder_that_is_no_store_is_refused(void **state) {
    (void)state;
    mfi_store_t store;
    FAILS(mfi_store_open(&made.io, "/other", MFI_STORE_THERE, &store), MOFKA_ERR_NOT_FOUND,
          "/other is no store");
    OK(mfi_io_make_folder(&made.io, "/other"));
    OK(mfi_io_replace(&made.io, "/other", "notes", "x", 1));
    FAILS(mfi_store_open(&made.io, "/other", MFI_STORE_MAKE, &store), MOFKA_ERR_INVALID, "notes");
    FAILS(mfi_store_open(&made.io, "/s", MFI_STORE_NEW, &store), MOFKA_ERR_EXISTS,
          "a store already");
}

static void a_missing_topic_or_partition_is_named(void **state) {
    (void)state;
    mfi_topic_record_t record;
    FAILS(mfi_store_load_topic(&made.store, "u", &record), MOFKA_ERR_NOT_FOUND, "no topic 'u'");
    FAILS(mfi_store_log(&made.store, &made.record, 1, &made.log), MOFKA_ERR_RANGE,
          "no partition 1");
    assert_int_equal(made.io.ops->rename(made.io.self, "/s/topics/t%/0000", "/s/topics/t%/away"),
                     0);
    FAILS(mfi_store_log(&made.store, &made.record, 0, &made.log), MOFKA_ERR_NOT_FOUND,
          "made on host 'node0'");
}

/* Store the same record, with a member changed. */
static void record_change(const char *folder, const char *name, const char *key, cJSON *value) {
    cJSON *tree;
    OK(mfi_record_load(&made.io, folder, name, NULL, &tree));
    cJSON_DeleteItemFromObject(tree, "check");
    cJSON_ReplaceItemInObject(tree, key, value);
    OK(mfi_record_store(&made.io, folder, name, tree));
}

static void records_of_another_version_are_refused(void **state) {
    (void)state;
    mfi_store_t store;
    mfi_topic_record_t record;
    record_change("/s/topics/t%", "topic.json", "format", cJSON_CreateNumber(2));
    FAILS(mfi_store_load_topic(&made.store, "t", &record), MOFKA_ERR_UNSUPPORTED,
          "topic.json has format version 2");
    record_change("/s", "store.json", "format", cJSON_CreateNumber(3));
    FAILS(mfi_store_open(&made.io, "/s", MFI_STORE_MAKE, &store), MOFKA_ERR_UNSUPPORTED,
          "/s/store.json has format version 3");
}

static void a_renamed_topic_is_refused(void **state) {
    (void)state;
    mfi_topic_record_t record;
    record_change("/s/topics/t%", "topic.json", "name", cJSON_CreateString("v"));
    FAILS(mfi_store_load_topic(&made.store, "t", &record), MOFKA_ERR_INVALID, "the topic 'v'");
}

static mofka_status_t input_visit(void *context, const mfi_topic_record_t *record) {
    assert_string_equal(record->name, "t");
    ++*(int *)context;
    return MOFKA_OK;
}

static void what_is_no_topic_is_named(void **state) {
    (void)state;
    int visited = 0;
    OK(mfi_io_make_folder(&made.io, "/s/topics/begun%")); /* it has no record yet */
    OK(mfi_store_list_topics(&made.store, input_visit, &visited));
    assert_int_equal(visited, 1);
    static const char right[] = "/s/topics/t%/topic.json", wrong[] = "/s/topics/v%/topic.json";
    OK(mfi_io_make_folder(&made.io, "/s/topics/v%"));
    assert_int_equal(made.io.ops->rename(made.io.self, right, wrong), 0);
    FAILS(mfi_store_list_topics(&made.store, input_visit, &visited), MOFKA_ERR_INVALID,
          "/s/topics/v%/topic.json is of the topic 't'");
    assert_non_null(strstr(mofka_last_error(), "its name was t%"));
    assert_int_equal(made.io.ops->rename(made.io.self, wrong, right), 0);
    OK(mfi_io_replace(&made.io, "/s/topics", "notes", "x", 1));
    FAILS(mfi_store_list_topics(&made.store, input_visit, &visited), MOFKA_ERR_INVALID,
          "/s/topics/notes is not the folder of a topic: move it");
}

static void records_that_are_damaged_are_refused(void **state) {
    (void)state;
    mfi_store_t store;
    mfi_topic_record_t record;
    size_t bytes;
    uint8_t *text = disk_bytes(disk, "/s/topics/t%/topic.json", &bytes);
    for (size_t i = 0; i < bytes; i++) {
        text[i] ^= 4;
        mofka_status_t status = mfi_store_load_topic(&made.store, "t", &record);
        if (status != MOFKA_ERR_CORRUPT && status != MOFKA_ERR_UNSUPPORTED)
            fail_msg("byte %zu: %s", i, mofka_status_name(status));
        assert_non_null(strstr(mofka_last_error(), "topic.json"));
        text[i] ^= 4;
    }
    disk_truncate(disk, "/s/topics/t%/topic.json", 0);
    FAILS(mfi_store_load_topic(&made.store, "t", &record), MOFKA_ERR_CORRUPT, "topic.json");
    disk_truncate(disk, "/s/store.json", 10);
    FAILS(mfi_store_open(&made.io, "/s", MFI_STORE_MAKE, &store), MOFKA_ERR_CORRUPT, "store.json");
}

static void a_topic_keeps_its_record_as_given(void **state) {
    (void)state;
    static const char *const names[] = {"..",
                                        "a/b",
                                        "%41",
                                        "A",
                                        "a b",
                                        "long name, in which each byte is encoded as three: "
                                        "////////////////////////////////////////////////////////"};
    static const char *const hosts[] = {"n0", "n1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mofka_topic_config_t config = {.name = names[i],
                                       .options = "{\"partitions\":2,\"n\":12345678901234567890}",
                                       .validator = "{\"type\":\"v\"}",
                                       .selector = "{\"type\":\"s\"}",
                                       .serializer = "{\"type\":\"z\"}"};
        mfi_topic_record_t record;
        OK(mfi_store_create_topic(&made.store, &config, 2, hosts, true));
        FAILS(mfi_store_create_topic(&made.store, &config, 2, hosts, true), MOFKA_ERR_EXISTS,
              names[i]);
        OK(mfi_store_load_topic(&made.store, names[i], &record));
        assert_string_equal(record.name, names[i]);
        assert_string_equal(record.options, config.options);
        assert_string_equal(record.serializer, config.serializer);
        assert_int_equal(record.partitions, 2);
        assert_string_equal(record.hosts[1], "n1");
        mfi_topic_record_clear(&record);
    }
}

/* A crash before the record is written leaves folders without events. */
static void a_topic_whose_making_was_interrupted_is_made(void **state) {
    (void)state;
    static const char *const host = "n0";
    static const mofka_topic_config_t config = {
        .name = "u", .options = "{}", .validator = "{}", .selector = "{}", .serializer = "{}"};
    bool stopped = true;
    for (uint64_t call = 0; stopped; call++) {
        disk_t *copy = disk_copy(disk);
        mfi_store_t store;
        mfi_topic_record_t record;
        mfi_io_t io = disk_io(copy);
        OK(mfi_store_open(&io, "/s", MFI_STORE_THERE, &store));
        disk_stop(copy, call);
        (void)mfi_store_create_topic(&store, &config, 1, &host, true);
        stopped = disk_is_stopped(copy);
        disk_end_power(copy);
        mofka_status_t status = mfi_store_load_topic(&store, "u", &record);
        if (status == MOFKA_ERR_NOT_FOUND) {
            OK(mfi_store_create_topic(&store, &config, 1, &host, true));
            OK(mfi_store_load_topic(&store, "u", &record));
        } else {
            OK(status);
        }
        mfi_log_t log;
        OK(mfi_store_log(&store, &record, 0, &log));
        mfi_writer_t *w = made_writer(&log, 0);
        OK(made_append(w, 0, 5, 1));
        OK(mfi_writer_close(w));
        mfi_topic_record_clear(&record);
        disk_destroy(copy);
    }
}

int main(void) {
#define INPUT_CASE(name) cmocka_unit_test_setup_teardown(name, input_setup, input_teardown)
    const struct CMUnitTest cases[] = {
        INPUT_CASE(a_newer_format_is_refused),
        INPUT_CASE(another_byte_order_is_refused),
        INPUT_CASE(a_segment_of_another_store_is_refused),
        INPUT_CASE(a_segment_of_another_name_is_refused),
        INPUT_CASE(a_missing_segment_is_damage),
        INPUT_CASE(overlapping_segments_are_read_once),
        INPUT_CASE(damage_makes_a_log_read_only_until_a_repair),
        INPUT_CASE(damage_that_an_open_finds_is_refused),
        INPUT_CASE(an_index_that_lies_costs_time_only),
        INPUT_CASE(a_full_or_read_only_disk_is_named),
        INPUT_CASE(a_folder_that_is_no_store_is_refused),
        INPUT_CASE(a_missing_topic_or_partition_is_named),
        INPUT_CASE(records_of_another_version_are_refused),
        INPUT_CASE(a_renamed_topic_is_refused),
        INPUT_CASE(what_is_no_topic_is_named),
        INPUT_CASE(records_that_are_damaged_are_refused),
        INPUT_CASE(a_topic_keeps_its_record_as_given),
        INPUT_CASE(a_topic_whose_making_was_interrupted_is_made),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
