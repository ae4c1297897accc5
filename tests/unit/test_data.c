/* SPDX-License-Identifier: BSD-3-Clause */
/* Data views and stacked selections, against a plain array of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>

static int freed;

static void segments_count_free(void *context) {
    freed += *(int *)context;
}

/* The C++ original overruns a segment when an offset is given. */
static void reads_and_writes_across_segments(void **state) {
    (void)state;
    char a[3] = "aaa", guard1 = 'g', b[5] = "bbbbb", guard2 = 'g', out[8];
    int one = 1;
    mofka_segment_t segments[] = {{a, 3}, {NULL, 0}, {b, 5}};
    mofka_data_view_t *view;
    assert_int_equal(mofka_data_view_create(segments, 3, segments_count_free, &one, &view),
                     MOFKA_OK);
    assert_int_equal(mofka_data_view_size(view), 8);
    assert_int_equal(mofka_data_view_write(view, "12345678", 8, 2), 6);
    assert_memory_equal(a, "aa1", 3);
    assert_memory_equal(b, "23456", 5);
    assert_int_equal(guard1 + guard2, 'g' + 'g');
    assert_int_equal(mofka_data_view_read(view, out, 3, 1), 3);
    assert_memory_equal(out, "a12", 3);
    assert_int_equal(mofka_data_view_read(view, out, 3, 8), 0);
    assert_false(mofka_data_view_is_shared(view));
    mofka_data_view_retain(view);
    assert_true(mofka_data_view_is_shared(view));
    mofka_data_view_release(view);
    assert_false(mofka_data_view_is_shared(view));
    assert_int_equal(freed, 0);
    mofka_data_view_release(view);
    assert_int_equal(freed, 1);
}

static void refuses_bad_views(void **state) {
    (void)state;
    mofka_data_view_t *view;
    mofka_segment_t null = {NULL, 4}, big[] = {{&null, SIZE_MAX}, {&null, 2}};
    assert_int_equal(mofka_data_view_create(&null, 1, NULL, NULL, &view), MOFKA_ERR_INVALID);
    assert_int_equal(mofka_data_view_create(big, 2, NULL, NULL, &view), MOFKA_ERR_TOO_LARGE);
}

static void letters_of(mofka_data_descriptor_t *d, char *out) {
    mofka_range_t *ranges;
    size_t count, used = 0;
    assert_int_equal(mofka_data_descriptor_flatten(d, &ranges, &count), MOFKA_OK);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < ranges[i].size; k++)
            out[used++] = (char)('A' + ranges[i].offset + k);
    out[used] = '\0';
    assert_int_equal(used, mofka_data_descriptor_size(d));
    free(ranges);
}

static void each_selection_addresses_the_one_below(void **state) {
    (void)state;
    char letters[64];
    mofka_data_descriptor_t *full, *strided, *sub, *bad;
    assert_int_equal(mofka_data_descriptor_create("here", 4, 26, &full), MOFKA_OK);
    assert_int_equal(mofka_data_descriptor_strided_view(full, 1, 5, 2, 3, &strided), MOFKA_OK);
    letters_of(strided, letters);
    assert_string_equal(letters, "BCGHLMQRVW");
    assert_int_equal(mofka_data_descriptor_sub_view(strided, 3, 4, &sub), MOFKA_OK);
    letters_of(sub, letters);
    assert_string_equal(letters, "HLMQ");
    assert_int_equal(mofka_data_descriptor_sub_view(sub, 3, 2, &bad), MOFKA_ERR_RANGE);
    assert_int_equal(mofka_data_descriptor_strided_view(full, 1, 6, 2, 3, &bad), MOFKA_ERR_RANGE);
    assert_int_equal(mofka_data_descriptor_strided_view(full, 0, SIZE_MAX, SIZE_MAX, 1, &bad),
                     MOFKA_ERR_RANGE);
    mofka_range_t back[] = {{5, 2}, {4, 1}};
    assert_int_equal(mofka_data_descriptor_unstructured_view(full, back, 2, &bad),
                     MOFKA_ERR_INVALID);
    mofka_data_descriptor_release(full);
    mofka_data_descriptor_release(strided);
    mofka_data_descriptor_release(sub);
}

typedef struct tape {
    unsigned char bytes[1 << 16];
    size_t used, at;
} tape_t;

static mofka_status_t tape_write(void *context, const void *bytes, size_t size) {
    tape_t *tape = context;
    assert_true(tape->used + size <= sizeof tape->bytes);
    memcpy(tape->bytes + tape->used, bytes, size);
    tape->used += size;
    return MOFKA_OK;
}

static mofka_status_t tape_read(void *context, void *bytes, size_t size) {
    tape_t *tape = context;
    if (size > tape->used - tape->at)
        return MOFKA_ERR_RANGE;
    memcpy(bytes, tape->bytes + tape->at, size);
    tape->at += size;
    return MOFKA_OK;
}

static size_t random_below(size_t limit) {
    return limit ? (size_t)rand() % limit : 0;
}

/* Stack one random selection on *d, and do the same to the array of positions. */
static void stack_random(mofka_data_descriptor_t **d, size_t *oracle, size_t *count) {
    mofka_data_descriptor_t *next;
    size_t n = *count, kept = 0, kind = random_below(3);
    size_t offset = random_below(n + 1), left = n - offset;
    if (kind == 0) {
        size_t size = random_below(left + 1);
        assert_int_equal(mofka_data_descriptor_sub_view(*d, offset, size, &next), MOFKA_OK);
        for (size_t i = 0; i < size; i++)
            oracle[kept++] = oracle[offset + i];
    } else if (kind == 1) {
        size_t block = random_below(6), gap = random_below(6);
        size_t blocks = block + gap ? (left + gap) / (block + gap) : random_below(4);
        blocks = blocks && random_below(2) ? random_below(blocks + 1) : blocks;
        if (left == 0 && block > 0)
            blocks = 0;
        if (blocks > 0 && (blocks - 1) * (block + gap) + block > left)
            blocks = 0;
        assert_int_equal(mofka_data_descriptor_strided_view(*d, offset, blocks, block, gap, &next),
                         MOFKA_OK);
        for (size_t b = 0; b < blocks; b++)
            for (size_t i = 0; i < block; i++)
                oracle[kept++] = oracle[offset + b * (block + gap) + i];
    } else {
        mofka_range_t ranges[8];
        size_t used = 0;
        for (size_t at = offset; used < 8 && at <= n; used++) {
            size_t start = at + random_below(n - at + 1), size = random_below((n - start) / 2 + 1);
            ranges[used] = (mofka_range_t){start, size};
            at = start + size;
        }
        assert_int_equal(mofka_data_descriptor_unstructured_view(*d, ranges, used, &next),
                         MOFKA_OK);
        for (size_t r = 0; r < used; r++)
            for (size_t i = 0; i < ranges[r].size; i++)
                oracle[kept++] = oracle[ranges[r].offset + i];
    }
    mofka_data_descriptor_release(*d);
    *d = next;
    *count = kept;
}

static void check_flat(const mofka_data_descriptor_t *d, const size_t *oracle, size_t count) {
    mofka_range_t *ranges;
    size_t range_count, used = 0;
    assert_int_equal(mofka_data_descriptor_flatten(d, &ranges, &range_count), MOFKA_OK);
    assert_int_equal(mofka_data_descriptor_size(d), count);
    for (size_t i = 0; i < range_count; i++)
        for (size_t k = 0; k < ranges[i].size; k++, used++) {
            assert_true(used < count);
            assert_int_equal(ranges[i].offset + k, oracle[used]);
        }
    assert_int_equal(used, count);
    free(ranges);
}

static void random_stacks_match_an_array(void **state) {
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    static tape_t tape, cut;
    for (int round = 0; round < 3000; round++) {
        size_t oracle[512], count = random_below(512);
        for (size_t i = 0; i < count; i++)
            oracle[i] = i;
        mofka_data_descriptor_t *d, *loaded;
        assert_int_equal(mofka_data_descriptor_create(&round, sizeof round, count, &d), MOFKA_OK);
        for (size_t depth = random_below(5); depth > 0; depth--)
            stack_random(&d, oracle, &count);
        check_flat(d, oracle, count);
        tape.used = tape.at = 0;
        mofka_archive_t archive = {&tape, tape_read, tape_write};
        assert_int_equal(mofka_data_descriptor_save(d, &archive), MOFKA_OK);
        assert_int_equal(mofka_data_descriptor_load(&archive, &loaded), MOFKA_OK);
        check_flat(loaded, oracle, count);
        mofka_data_descriptor_release(loaded);
        /* Damaged bytes are refused or mean something else, and never more than that. */
        cut = tape;
        cut.at = 0;
        cut.bytes[8 + random_below(cut.used - 8)] ^= (unsigned char)(1u << random_below(8));
        cut.used = random_below(2) ? random_below(cut.used) : cut.used;
        archive.context = &cut;
        if (mofka_data_descriptor_load(&archive, &loaded) == MOFKA_OK)
            mofka_data_descriptor_release(loaded);
        mofka_data_descriptor_release(d);
    }
}

/* A clamped sub-view selects what there is. */
static void a_clamped_sub_view_ends_with_the_data(void **state) {
    (void)state;
    const struct {
        size_t offset, size;
        const char *letters;
    } cases[] = {{1, 2, "CG"},
                 {0, 10, "BCGHLMQRVW"},
                 {8, 2, "VW"},
                 {8, 3, "VW"},
                 {9, SIZE_MAX, "W"},
                 {10, 1, ""},
                 {11, 1, ""},
                 {3, 0, ""},
                 {SIZE_MAX, SIZE_MAX, ""}};
    char letters[64];
    mofka_data_descriptor_t *full, *strided, *clamped;
    assert_int_equal(mofka_data_descriptor_create("here", 4, 26, &full), MOFKA_OK);
    assert_int_equal(mofka_data_descriptor_strided_view(full, 1, 5, 2, 3, &strided), MOFKA_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(mofka_data_descriptor_sub_view_clamped(strided, cases[i].offset,
                                                                cases[i].size, &clamped),
                         MOFKA_OK);
        letters_of(clamped, letters);
        assert_string_equal(letters, cases[i].letters);
        mofka_data_descriptor_release(clamped);
    }
    assert_int_equal(mofka_data_descriptor_sub_view_clamped(NULL, 0, 1, &clamped),
                     MOFKA_ERR_INVALID);
    mofka_data_descriptor_release(strided);
    mofka_data_descriptor_release(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_across_segments),
        cmocka_unit_test(refuses_bad_views),
        cmocka_unit_test(each_selection_addresses_the_one_below),
        cmocka_unit_test(a_clamped_sub_view_ends_with_the_data),
        cmocka_unit_test(random_stacks_match_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
