/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the job's statistics for those who ask, and remembers what graphs show. */
#include "mpi/ctl/serve/readings.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/out/rates.h"

void readings_open(readings_t *readings, mofka_driver_t *driver, const char *pattern,
                   double interval_s) {
    assert(driver && interval_s > 0);
    *readings = (readings_t){.driver = driver, .pattern = pattern, .interval_s = interval_s};
    sink_open(&readings->json, -1);
}

void readings_close(readings_t *readings) {
    cJSON_Delete(readings->latest);
    readings->latest = NULL;
    sink_close(&readings->json);
    history_clear(&readings->history);
}

static bool readings_read(readings_t *readings, double now_s) {
    if (rates_take(readings->driver, readings->pattern, &readings->latest))
        return false;
    sink_t line;
    sink_open(&line, -1);
    if (!rates_write_json(readings->latest, &line) ||
        !history_add(&readings->history, readings->latest, now_s)) {
        sink_close(&line);
        return false;
    }
    sink_close(&readings->json);
    readings->json = line;
    readings->read_at_s = now_s;
    return true;
}

bool readings_refresh(readings_t *readings) {
    double now_s = ctl_now_s();
    if (readings->tried_at_s == 0 || now_s - readings->tried_at_s >= readings->interval_s) {
        readings->tried_at_s = now_s;
        readings->good = readings_read(readings, now_s);
    }
    return readings->good;
}
