/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner's side of errands: its progress thread does them by processor, in the near window, and
 * calls no MPI. A partition's lock that is taken is tried once; the clerk comes back.
 */
#include "mpi/agent/serve.h"

#include "mpi/consumer/consumer.h"
#include "mpi/rows/rows.h"

static mofka_status_t serve_join(const mmi_partition_t *p, const mmi_errand_t *errand,
                                 uint64_t results[MMI_RESULT_WORDS]) {
    mmi_reader_t reader = {.oldest = errand->numbers[1], .ringless = errand->numbers[2] != 0};
    if (errand->numbers[3] >= (uint64_t)p->w->size)
        return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
    mofka_status_t status = mmi_reader_join_for(&reader, p, errand->name, errand->numbers[0] != 0,
                                                (int)errand->numbers[3], mmi_now_ms());
    if (!status)
        mmi_reader_describe_join(&reader, results);
    mmi_reader_destroy(&reader);
    return status;
}

static mofka_status_t serve_leave(const mmi_partition_t *p, const mmi_errand_t *errand) {
    mmi_reader_t reader = {
        .p = p, .place = (size_t)errand->numbers[0], .name_check = errand->numbers[2]};
    uint64_t state = errand->numbers[1];
    if (errand->numbers[0] >= MMI_CONSUMERS_MAX ||
        (state != MMI_CONSUMER_FREE && state != MMI_CONSUMER_AWAY))
        return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
    return mmi_reader_leave(&reader, state, mmi_now_ms());
}

static mofka_status_t serve_evict(const mmi_partition_t *p, const mmi_errand_t *errand,
                                  uint64_t results[MMI_RESULT_WORDS]) {
    bool found;
    mofka_status_t status = mmi_consumer_evict(p, errand->name, mmi_now_ms(), &found);
    results[0] = found;
    return status;
}

static mofka_status_t serve_count(const mmi_partition_t *p, const mmi_errand_t *errand,
                                  uint64_t results[MMI_RESULT_WORDS]) {
    uint64_t add = errand->numbers[0];
    if (errand->numbers[1] >= (uint64_t)p->w->size ||
        (add != 0 && add != MMI_PRODUCER_MADE && add != MMI_PRODUCER_FINISHED &&
         add != MMI_PRODUCER_DROPPED))
        return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
    return mmi_producers_count(p, (int)errand->numbers[1], add, &results[0]);
}

/* An error is found again, and reported, by what needs the words. */
static mofka_status_t serve_look(const mmi_partition_t *p, const mmi_errand_t *errand,
                                 uint64_t results[MMI_RESULT_WORDS]) {
    bool passed;
    mofka_status_t status = mmi_dead_pass(p, errand->numbers[0], mmi_now_ms(), &passed);
    results[0] = passed;
    return status;
}

mofka_status_t mmi_agent_serve(mmi_window_t *w, const uint64_t *words, size_t count,
                               uint64_t results[MMI_RESULT_WORDS]) {
    mmi_errand_t errand;
    mmi_partition_t partitions[2];
    if (mmi_errand_is_of_words(words, count))
        return mmi_errand_serve_words(w, w->clerk->share_bytes, words, results);
    mofka_status_t status =
        mmi_errand_read(w, w->clerk->share_bytes, words, count, &errand, partitions);
    const mmi_partition_t *p = &partitions[0];
    if (status)
        return status;
    switch (errand.kind) {
    case MMI_ERRAND_JOIN:
        return serve_join(p, &errand, results);
    case MMI_ERRAND_LEAVE:
        return serve_leave(p, &errand);
    case MMI_ERRAND_COMPLETE:
        return mmi_partition_complete(p, mmi_now_ms());
    case MMI_ERRAND_COUNT:
        return serve_count(p, &errand, results);
    case MMI_ERRAND_LOOK:
        return serve_look(p, &errand, results);
    case MMI_ERRAND_EVICT:
        return serve_evict(p, &errand, results);
    }
    return mofka_fail(MOFKA_ERR_CORRUPT, "a request of another rank is damaged");
}
