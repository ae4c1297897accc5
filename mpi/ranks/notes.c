/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks wait in the same step, for the messages of those that wait too long.
 *
 * All ranks take the same steps, which are counted. A rank that has waited for a while sends a note
 * to all others: an empty message whose tag is the step. A rank that waits in that step and finds a
 * note answers with its own, once. So notes cost nothing while all ranks come. The communicator is
 * the driver's own, so that no receive of the user's takes them.
 */
#include "mpi/ranks/ranks.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "mpi/window/window.h"

/* MPI promises tags up to 32767. */
#define NOTE_TAG 1024
#define NOTE_TAGS 16384
/* Ranges of ranks in one message. */
#define NAMES_MAX 8

static int note_tag(const mmi_ranks_t *r) {
    return NOTE_TAG + (int)(r->step % NOTE_TAGS);
}

static void note_send(mmi_ranks_t *r) {
    assert(r->noted && !r->has_noted);
    for (int i = 0; i < r->size; i++) {
        MPI_Request request = MPI_REQUEST_NULL;
        if (i != r->rank && !MPI_Isend(NULL, 0, MPI_BYTE, i, note_tag(r), r->comm, &request))
            MPI_Request_free(&request);
    }
    r->has_noted = true;
}

/* A note of this step, or of any (MPI_ANY_TAG). True: there was one. */
static bool note_receive(mmi_ranks_t *r, int tag) {
    MPI_Status status;
    int found = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, tag, r->comm, &found, &status) || !found)
        return false;
    if (MPI_Recv(NULL, 0, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, r->comm, MPI_STATUS_IGNORE))
        return false;
    assert(status.MPI_SOURCE >= 0 && status.MPI_SOURCE < r->size);
    r->noted[status.MPI_SOURCE] = 1;
    return true;
}

void mmi_notes_exchange(mmi_ranks_t *r, bool ask) {
    if (!r->noted)
        return;
    if (r->noted_step != r->step) {
        memset(r->noted, 0, (size_t)r->size);
        r->noted_step = r->step;
        r->has_noted = false;
    }
    while (note_receive(r, note_tag(r)))
        ask = true;
    if (ask && !r->has_noted)
        note_send(r);
}

void mmi_notes_drop(mmi_ranks_t *r) {
    assert(!r->broken);
    while (r->noted && note_receive(r, MPI_ANY_TAG))
        ;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The next range of ranks that did not come, from `*first` on; false: there is none. */
static bool names_next(const unsigned char *came, int size, int self, int *first, int *last) {
    while (*first < size && (came[*first] || *first == self))
        ++*first;
    *last = *first;
    while (*last + 1 < size && !came[*last + 1] && *last + 1 != self)
        ++*last;
    return *first < size;
}

int mmi_ranks_name_missing(const unsigned char *came, int size, int self,
                           char names[MMI_NAMES_BYTES]) {
    char list[MMI_NAMES_BYTES - 8] = "";
    size_t used = 0;
    int first = 0, last, ranges = 0, missing = 0;
    for (; names_next(came, size, self, &first, &last) && ranges < NAMES_MAX; ranges++) {
        assert(first <= last && used < sizeof list);
        used +=
            (size_t)snprintf(list + used, sizeof list - used, last > first ? "%s%d to %d" : "%s%d",
                             ranges ? ", " : "", first, last);
        missing += last - first + 1;
        first = last + 1;
    }
    snprintf(names, MMI_NAMES_BYTES,
             missing == 0   ? "a rank"
             : missing == 1 ? "rank %s%s"
                            : "ranks %s%s",
             list, ranges == NAMES_MAX ? " and more" : "");
    return missing;
}

void mmi_notes_name_missing(const mmi_ranks_t *r, char names[MMI_NAMES_BYTES]) {
    if (r->noted && r->noted_step == r->step)
        mmi_ranks_name_missing(r->noted, r->size, r->rank, names);
    else
        snprintf(names, MMI_NAMES_BYTES, "a rank");
}
