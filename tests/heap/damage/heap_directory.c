/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of topics is not what was stored: each bit of a record is changed, and records are
 * written that no creator would write. The damaged topic is named, and the others stay usable.
 */
#include "heap/damage/stored.h"
#include "driver/driver.h"
#include "mpi/driver/driver.h"

#define TINY "{\"partition_bytes\":64,\"partition_events\":1}"

static mofka_topic_t *first; /* keeps the window */

static mmi_window_t *window(void) {
    return log_of(first)->w;
}

static uint64_t *word_at(uint64_t offset) {
    return (uint64_t *)(void *)(window()->base[0] + offset);
}

/* As a rank that has not looked at the directory yet. */
static void forget(void) {
    mmi_driver_t *driver = log_driver->self;
    mmi_records_forget(&driver->directory.records);
}

static mofka_status_t create(const char *name) {
    forget();
    return mofka_driver_create_topic(log_driver, name, &(mofka_topic_options_t){.options = TINY});
}

static mofka_status_t try_to_open(const char *name) {
    mofka_topic_t *topic;
    forget();
    mofka_status_t status = mofka_driver_open_topic(log_driver, name, 0, &topic);
    if (!status)
        mofka_topic_release(topic);
    return status;
}

/* Topics "first", "second" and "third". */
static int directory_open(void **state) {
    if (log_open_memory(state))
        return 1;
    mofka_log_set_level(MOFKA_LOG_ERROR);
    OK(create("first"));
    OK(mofka_driver_open_topic(log_driver, "first", 0, &first));
    OK(create("second"));
    OK(create("third"));
    return 0;
}

static int directory_close(void **state) {
    mofka_topic_release(first);
    mofka_log_set_level(MOFKA_LOG_WARN);
    return log_close_memory(state);
}

#define DIRECTORY_CASE(name) cmocka_unit_test_setup_teardown(name, directory_open, directory_close)

/* The offset of the record of `index`. */
static uint64_t record_at(int index) {
    uint64_t at = MMI_DIRECTORY_START;
    for (; index > 0; index--)
        at += mmi_record_bytes(mmi_unseal(*word_at(at)));
    return at;
}

static mofka_status_t count_topic(void *context, const char *name, const mofka_metadata_t *text) {
    (void)name, (void)text;
    ++*(int *)context;
    return MOFKA_OK;
}

static void expect_list(int topics, mofka_status_t expected) {
    int count = 0;
    forget();
    mofka_status_t status = mofka_driver_list_topics(log_driver, count_topic, &count);
    assert_int_equal(status, expected);
    assert_int_equal(count, topics);
}

/* ---- changed bits ---------------------------------------------------------------------------- */

/* Behind its length. */
static void a_damaged_record_hides_its_topic_only(void **state) {
    (void)state;
    uint64_t at = record_at(1), bytes = record_at(2) - at;
    for (uint64_t bit = 64; bit < 8 * bytes; bit += STORED_BIT_STEP) {
        uint64_t *word = word_at(at + bit / 64 * 8);
        if (bit / 64 == MMI_RECORD_USERS) /* says nothing of the topic */
            continue;
        *word ^= UINT64_C(1) << bit % 64;
        FAILS(try_to_open("second"), MOFKA_ERR_CORRUPT, "the record of topic 'second'");
        FAILS(create("second"), MOFKA_ERR_CORRUPT, "the record of topic 'second'");
        OK(try_to_open("first"));
        OK(try_to_open("third"));
        assert_int_equal(try_to_open("fourth"), MOFKA_ERR_NOT_FOUND);
        expect_list(2, MOFKA_ERR_CORRUPT);
        assert_non_null(strstr(mofka_last_error(), "a record of the directory, at byte "));
        *word ^= UINT64_C(1) << bit % 64;
    }
    printf("%d bits behind a record's length: its topic is named, the others are usable\n",
           (int)(8 * bytes - 128) / STORED_BIT_STEP);
    expect_list(3, MOFKA_OK);
}

/* Where the partition of a topic is. */
static uint64_t place_of(const char *name) {
    mofka_topic_t *topic;
    OK(mofka_driver_open_topic(log_driver, name, 0, &topic));
    uint64_t base = log_of(topic)->base;
    mofka_topic_release(topic);
    return base;
}

/* Other topics can still be made beside it. Where its own partition is, is not known: they are
 * placed where none ever was. */
static void topics_are_created_beside_a_damaged_record(void **state) {
    (void)state;
    uint64_t third = place_of("third");
    *word_at(record_at(1) + 64) ^= 4;
    OK(create("fourth"));
    OK(try_to_open("fourth"));
    assert_true(place_of("fourth") > third);
    expect_list(3, MOFKA_ERR_CORRUPT);
    OK(mofka_driver_delete_topic(log_driver, "fourth"));
    OK(create("fifth"));
    assert_true(place_of("fifth") > third);
    FAILS(mofka_driver_delete_topic(log_driver, "second"), MOFKA_ERR_CORRUPT,
          "the record of topic 'second'");
}

/* A rank that has read the record before still knows it. */
static void a_record_that_was_read_stays_known(void **state) {
    (void)state;
    uint64_t second = place_of("second");
    *word_at(record_at(1) + 64) ^= 4;
    assert_int_equal(place_of("second"), second);
    *word_at(record_at(1)) ^= 4;
    assert_int_equal(place_of("second"), second);
    OK(mofka_driver_delete_topic(log_driver, "first"));
    assert_int_equal(place_of("second"), second);
    FAILS(try_to_open("second"), MOFKA_ERR_CORRUPT, "the directory is damaged at byte ");
}

/* The count is not checked; the incarnation is. */
static void a_damaged_users_word_is_named(void **state) {
    (void)state;
    uint64_t *word = word_at(record_at(0) + MMI_RECORD_USERS * sizeof *word);
    for (int bit = 33; bit < 64; bit++) {
        mofka_producer_t *producer;
        *word ^= UINT64_C(1) << bit;
        FAILS(mofka_producer_create(first, NULL, &producer), MOFKA_ERR_CORRUPT,
              "topic 'first': the word 'users'");
        FAILS(mofka_driver_delete_topic(log_driver, "first"), MOFKA_ERR_CORRUPT,
              "topic 'first': the word 'users'");
        *word ^= UINT64_C(1) << bit;
    }
    OK(mofka_driver_delete_topic(log_driver, "first"));
}

/* Without its length, what follows cannot be found; what comes before can. */
static void a_damaged_length_ends_the_list(void **state) {
    (void)state;
    for (int record = 1; record <= 2; record++) {
        uint64_t *word = word_at(record_at(record));
        for (int bit = 0; bit < 64; bit++) {
            *word ^= UINT64_C(1) << bit;
            OK(try_to_open("first"));
            assert_int_equal(try_to_open("second"), record > 1 ? MOFKA_OK : MOFKA_ERR_CORRUPT);
            assert_int_equal(try_to_open("third"), record > 2 ? MOFKA_OK : MOFKA_ERR_CORRUPT);
            FAILS(create("fourth"), MOFKA_ERR_CORRUPT, "the directory is damaged at byte ");
            expect_list(record, MOFKA_ERR_CORRUPT);
            *word ^= UINT64_C(1) << bit;
        }
    }
    printf("%d bits of lengths: the list ends there with an error\n", 2 * 64);
    OK(create("fourth"));
}

/* Else topics would be placed over each other. */
static void damaged_words_of_a_share_are_named(void **state) {
    (void)state;
    static const struct {
        size_t field;
        const char *name;
    } words[] = {{offsetof(mmi_share_t, directory_end), "'directory_end'"},
                 {offsetof(mmi_share_t, directory_next), "'directory_next'"},
                 {offsetof(mmi_share_t, directory_high), "'directory_high'"},
                 {offsetof(mmi_share_t, directory_changes), "'directory_changes'"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint64_t *word = word_at(words[i].field);
        for (int bit = 0; bit < 64; bit++) {
            *word ^= UINT64_C(1) << bit;
            FAILS(create("fourth"), MOFKA_ERR_CORRUPT, words[i].name);
            FAILS(mofka_driver_delete_topic(log_driver, "first"), MOFKA_ERR_CORRUPT, words[i].name);
            *word ^= UINT64_C(1) << bit;
        }
    }
    OK(create("fourth"));
}

static void statistics_leave_out_a_damaged_topic(void **state) {
    (void)state;
    mofka_metadata_t *stats;
    *word_at(record_at(1) + 80) ^= 1;
    forget();
    OK(mofka_driver_stats(log_driver, -1, &stats));
    const char *text = mofka_metadata_text(stats, NULL);
    assert_non_null(strstr(text, "\"name\":\"first\""));
    assert_null(strstr(text, "\"name\":\"second\""));
    assert_non_null(strstr(text, "\"name\":\"third\""));
    mofka_metadata_release(stats);
}

/* ---- records that nobody would write --------------------------------------------------------- */

#define CHECKED(checksums, slots, ring, retention, expected)                                       \
    "\"slots\":" slots ",\"ring\":" ring ",\"retention\":" retention ",\"checksums\":" checksums   \
    ",\"producers\":0,\"expected_producers\":" expected ","
#define GEOMETRY(slots, ring, retention, expected) CHECKED("0", slots, ring, retention, expected)
#define GOOD_GEOMETRY GEOMETRY("4", "64", "0", "0")
#define NAMED "\"name\":\"evil\","

/* Replace the record of "third". %B is where the arena begins. */
static void write_record(const char *body) {
    char text[600];
    uint64_t at = record_at(2), base = MMI_DIRECTORY_START + (64 << 10), length;
    const char *place = strstr(body, "%B");
    int before = place ? (int)(place - body) : (int)strlen(body);
    snprintf(text, sizeof text,
             "{\"options\":\"{}\",\"validator\":\"{}\",\"selector\":\"{}\",\"serializer\":\"{}\","
             "%.*s",
             before, body);
    if (place)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%llu%s}",
                 (unsigned long long)base, place + 2);
    length = strlen(text);
    memset(word_at(at), 0, 1024);
    memcpy(word_at(at + MMI_RECORD_WORDS * sizeof(uint64_t)), text, length);
    word_at(at)[MMI_RECORD_STATE] = mmi_record_state(MMI_MADE, 0, 0);
    word_at(at)[MMI_RECORD_NAME] = mmi_name_check("evil");
    word_at(at)[MMI_RECORD_CHECK] = mmi_record_check(word_at(at), length, 0);
    word_at(at)[MMI_RECORD_LENGTH] = mmi_seal(length);
    *word_at(offsetof(mmi_share_t, directory_end)) =
        mmi_seal(at + mmi_record_bytes(length) - MMI_DIRECTORY_START);
}

/* The check of such a record holds; each field is looked at. Failed while a record of 2^61 slots
 * was opened, because the bytes of its partition wrap to few. */
static void a_geometry_that_does_not_fit_is_refused(void **state) {
    (void)state;
    static const char *const bodies[] = {
        NAMED GEOMETRY("2305843009213693952", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("1152921504606846976", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("1073741825", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("1073741824", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("0", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("1.5", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("-1", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("\"4\"", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "65", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "0", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "137438953472", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "18446744073709551552", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "68719476736", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "64", "2", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "64", "0.5", "0") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "64", "0", "-1") "\"partitions\":[[0,%B]]",
        NAMED GEOMETRY("4", "64", "0", "1e300") "\"partitions\":[[0,%B]]",
        NAMED CHECKED("2", "4", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED CHECKED("true", "4", "64", "0", "0") "\"partitions\":[[0,%B]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[]",
        NAMED GOOD_GEOMETRY "\"partitions\":{\"a\":[0,%B]}",
        NAMED GOOD_GEOMETRY "\"partitions\":[0,%B]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B,0]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[1,%B]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[-1,%B]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0.5,%B]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[4294967296,%B]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B1]]", /* ten times as far, and 1 */
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B.5]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,1%B]]",          /* behind the arena */
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,4096],[0,%B]]",  /* the directory */
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B],[0,69632]]", /* over the first one */
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B],[0,69640]]",
        NAMED GOOD_GEOMETRY "\"partitions\":[[0,18446744073709547520],[0,%B]]",
        "\"name\":\"\"," GOOD_GEOMETRY "\"partitions\":[[0,%B]]",
        "\"name\":7," GOOD_GEOMETRY "\"partitions\":[[0,%B]]",
    };
    write_record(NAMED GOOD_GEOMETRY "\"partitions\":[[0,%B]]");
    OK(try_to_open("evil"));
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        write_record(bodies[i]);
        mofka_status_t status = try_to_open("evil");
        bool unnamed = strncmp(bodies[i], NAMED, strlen(NAMED)) != 0;
        if (status != (unnamed ? MOFKA_ERR_NOT_FOUND : MOFKA_ERR_CORRUPT) ||
            !strstr(mofka_last_error(), "topic 'evil'"))
            fail_msg("%s: %s: %s", bodies[i], mofka_status_name(status), mofka_last_error());
        mofka_metadata_t *stats;
        forget();
        OK(mofka_driver_stats(log_driver, -1, &stats));
        mofka_metadata_release(stats);
        OK(try_to_open("second"));
    }
}

/* The check holds, and the text is no JSON. */
static void a_record_that_is_not_json_is_damaged(void **state) {
    (void)state;
    write_record(NAMED);
    FAILS(try_to_open("evil"), MOFKA_ERR_CORRUPT, "the record of topic 'evil'");
    expect_list(2, MOFKA_ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIRECTORY_CASE(a_damaged_record_hides_its_topic_only),
        DIRECTORY_CASE(topics_are_created_beside_a_damaged_record),
        DIRECTORY_CASE(a_record_that_was_read_stays_known),
        DIRECTORY_CASE(a_damaged_users_word_is_named),
        DIRECTORY_CASE(a_damaged_length_ends_the_list),
        DIRECTORY_CASE(damaged_words_of_a_share_are_named),
        DIRECTORY_CASE(statistics_leave_out_a_damaged_topic),
        DIRECTORY_CASE(a_geometry_that_does_not_fit_is_refused),
        DIRECTORY_CASE(a_record_that_is_not_json_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
