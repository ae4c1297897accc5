/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl serve: the statistics that it shows. They are read when a request comes, at most once in
 * an interval, also if they cannot be read. Between requests nothing is read.
 */
#ifndef MOFKA_MPI_CTL_SERVE_READINGS_H
#define MOFKA_MPI_CTL_SERVE_READINGS_H

#include <mofka/driver.h>
#include "mpi/ctl/out/sink.h"
#include "mpi/ctl/serve/page/history.h"

struct cJSON;

typedef struct readings {
    mofka_driver_t *driver; /* borrow */
    const char *pattern;    /* of topics; NULL: all */
    double interval_s, tried_at_s, read_at_s;
    bool good;            /* the last try was */
    struct cJSON *latest; /* with rates; NULL: nothing was read */
    sink_t json;          /* its text: one line */
    history_t history;
} readings_t;

void readings_open(readings_t *readings, mofka_driver_t *driver, const char *pattern,
                   double interval_s);
void readings_close(readings_t *readings);

/* Read if the last try is older than the interval. False: that failed. */
bool readings_refresh(readings_t *readings);

#endif
