/* SPDX-License-Identifier: BSD-3-Clause */
/* Results: JSON, one object per line and repeat; CSV; and a line for people. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

static FILE *json_file, *csv_file;

void bench_result_clear(bench_result_t *r) {
    static const bench_trip_t none = {NAN, NAN, NAN, NAN};
    *r = (bench_result_t){.seconds = NAN,
                          .events_per_s = NAN,
                          .gb_per_s = NAN,
                          .push_seconds = NAN,
                          .pull_seconds = NAN,
                          .sendrecv = none,
                          .ring = none,
                          .rss_two_laps_mb = NAN,
                          .verified = true};
    for (int i = 0; i < FLOOR_COUNT; i++)
        r->baseline[i] = r->ratio[i] = NAN;
}

static bool report_open_file(const char *path, FILE **file) {
    assert(path && file && !*file);
    if (!*path)
        return true;
    *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "a");
    if (!*file)
        fprintf(stderr, "mofka-bench: cannot write '%s': %s\n", path, strerror(errno));
    return *file != NULL;
}

static const char csv_header[] =
    "command,mpi,window,ranks,producers,consumers,partitions,events,metadata_size,data_size,"
    "batch_size,repeat,seconds,events_per_s,gb_per_s,push_seconds,pull_seconds,cpu_seconds,"
    "peak_rss_mb,p50_us,p90_us,p99_us,p999_us,max_us,verified\n";

bool report_open(const bench_settings_t *s) {
    if (!report_open_file(s->json, &json_file) || !report_open_file(s->csv, &csv_file))
        return false;
    if (csv_file && (csv_file == stdout || ftell(csv_file) == 0))
        fputs(csv_header, csv_file);
    return true;
}

static bool report_close_file(const char *path, FILE *file) {
    if (!file)
        return true;
    bool good = fflush(file) == 0 && !ferror(file);
    if (file != stdout)
        good &= fclose(file) == 0;
    if (!good)
        fprintf(stderr, "mofka-bench: '%s' could not be written completely\n", path);
    return good;
}

bool report_close(const bench_settings_t *s) {
    bool good = report_close_file(s->json, json_file);
    return report_close_file(s->csv, csv_file) && good;
}

static const char *report_mpi_name(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    return strstr(text, "Open MPI") ? "openmpi" : strstr(text, "MPICH") ? "mpich" : "other";
}

static void report_add_number(cJSON *object, const char *key, double value) {
    if (isnan(value))
        cJSON_AddNullToObject(object, key);
    else
        cJSON_AddNumberToObject(object, key, value);
}

static void report_batch_text(const bench_settings_t *s, char *text, size_t bytes) {
    if (s->batch_size == MOFKA_BATCH_ADAPTIVE)
        snprintf(text, bytes, "adaptive");
    else
        snprintf(text, bytes, "%zu", s->batch_size);
}

static cJSON *report_begin_object(const bench_job_t *job, const bench_settings_t *s) {
    assert(job->rank == 0);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "command", bench_command_name(s->command));
    cJSON_AddStringToObject(o, "mpi", report_mpi_name());
    cJSON_AddStringToObject(o, "window", s->window);
    cJSON_AddNumberToObject(o, "ranks", job->size);
    return o;
}

static void report_print_json(cJSON *object) {
    assert(json_file);
    char *text = cJSON_PrintUnformatted(object);
    fprintf(json_file, "%s\n", text);
    fflush(json_file);
    cJSON_free(text);
}

static double report_quantile_us(const bench_result_t *r, double quantile) {
    assert(quantile > 0 && quantile <= 1);
    return r->latency && r->latency->total
               ? (double)mfi_histogram_quantile(r->latency, quantile) / 1e3
               : NAN;
}

static void report_add_latency(cJSON *o, const bench_result_t *r) {
    cJSON *l = cJSON_AddObjectToObject(o, "latency_us");
    report_add_number(l, "p50", report_quantile_us(r, 0.5));
    report_add_number(l, "p90", report_quantile_us(r, 0.9));
    report_add_number(l, "p99", report_quantile_us(r, 0.99));
    report_add_number(l, "p999", report_quantile_us(r, 0.999));
    report_add_number(l, "max", report_quantile_us(r, 1));
}

/* Add the floors. They are messages per second, of the size that the command measured them with. */
static void report_add_floors(cJSON *o, const bench_result_t *r) {
    static const char *const gb[FLOOR_COUNT] = {
        [FLOOR_MEMCPY] = "memcpy", [FLOOR_TWO_COPY] = "two_copy", [FLOOR_ZERO_COPY] = "zero_copy",
        [FLOOR_PUT] = "put",       [FLOOR_GET] = "get",           [FLOOR_ISEND] = "isend_gb",
        [FLOOR_RING] = "ring",     [FLOOR_RING_64] = "ring_64"};
    cJSON *baseline = cJSON_AddObjectToObject(o, "baseline");
    cJSON *ratio = cJSON_AddObjectToObject(o, "ratio");
    for (int i = 0; i < FLOOR_COUNT; i++)
        if (gb[i]) {
            report_add_number(baseline, gb[i], r->baseline[i]);
            report_add_number(ratio, gb[i], r->ratio[i]);
        }
    /* Messages and events have the same size, so the ratio of rates is that of bytes. */
    report_add_number(ratio, "isend_rate", r->ratio[FLOOR_ISEND]);
    report_add_number(baseline, "line_round_trip_us", r->baseline[FLOOR_LINE]);
    report_add_number(baseline, "sendrecv_p50_us", r->sendrecv.p50);
    report_add_number(baseline, "sendrecv_p99_us", r->sendrecv.p99);
    report_add_number(ratio, "sendrecv_latency", r->sendrecv.ratio_p50);
    report_add_number(ratio, "sendrecv_latency_p99", r->sendrecv.ratio_p99);
    report_add_number(baseline, "ring_p50_us", r->ring.p50);
    report_add_number(baseline, "ring_p99_us", r->ring.p99);
    report_add_number(ratio, "ring_latency", r->ring.ratio_p50);
    report_add_number(ratio, "ring_latency_p99", r->ring.ratio_p99);
}

static void report_write_json(const bench_job_t *job, const bench_settings_t *s, int repeat,
                              const bench_result_t *r) {
    assert(json_file && repeat >= 0);
    char batch[32];
    report_batch_text(s, batch, sizeof batch);
    cJSON *o = report_begin_object(job, s);
    cJSON_AddNumberToObject(o, "producers", s->producers);
    cJSON_AddNumberToObject(o, "consumers", s->consumers);
    cJSON_AddNumberToObject(o, "partitions", s->partitions);
    cJSON_AddNumberToObject(o, "events", (double)r->events);
    cJSON_AddNumberToObject(o, "metadata_size", (double)s->metadata_size);
    cJSON_AddNumberToObject(o, "data_size", (double)s->data_size);
    if (s->batch_size == MOFKA_BATCH_ADAPTIVE)
        cJSON_AddStringToObject(o, "batch_size", batch);
    else
        cJSON_AddNumberToObject(o, "batch_size", (double)s->batch_size);
    cJSON_AddNumberToObject(o, "partition_bytes", (double)s->partition_bytes);
    cJSON_AddBoolToObject(o, "zero_copy", s->zero_copy);
    cJSON_AddBoolToObject(o, "runs", s->runs);
    cJSON_AddBoolToObject(o, "claim", s->claim);
    cJSON_AddBoolToObject(o, "futures", s->futures);
    cJSON_AddBoolToObject(o, "verify", s->verify);
    cJSON_AddNumberToObject(o, "repeat", repeat);
    report_add_number(o, "seconds", r->seconds);
    report_add_number(o, "events_per_s", r->events_per_s);
    report_add_number(o, "gb_per_s", r->gb_per_s);
    report_add_number(o, "push_seconds", r->push_seconds);
    report_add_number(o, "pull_seconds", r->pull_seconds);
    report_add_number(o, "bytes_fetched", r->bytes_fetched);
    report_add_number(o, "cpu_seconds", r->cpu_seconds);
    report_add_number(o, "peak_rss_mb", r->peak_rss_mb);
    report_add_number(o, "rss_two_laps_mb", r->rss_two_laps_mb);
    report_add_latency(o, r);
    report_add_floors(o, r);
    cJSON_AddBoolToObject(o, "verified", s->verify && r->verified);
    report_print_json(o);
    cJSON_Delete(o);
}

static void report_write_csv(const bench_job_t *job, const bench_settings_t *s, int repeat,
                             const bench_result_t *r) {
    assert(csv_file && repeat >= 0);
    char batch[32];
    report_batch_text(s, batch, sizeof batch);
    fprintf(csv_file,
            "%s,%s,%s,%d,%d,%d,%d,%llu,%zu,%zu,%s,%d,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%s\n",
            bench_command_name(s->command), report_mpi_name(), s->window, job->size, s->producers,
            s->consumers, s->partitions, (unsigned long long)r->events, s->metadata_size,
            s->data_size, batch, repeat, r->seconds, r->events_per_s, r->gb_per_s, r->push_seconds,
            r->pull_seconds, r->cpu_seconds, r->peak_rss_mb, report_quantile_us(r, 0.5),
            report_quantile_us(r, 0.9), report_quantile_us(r, 0.99), report_quantile_us(r, 0.999),
            report_quantile_us(r, 1), s->verify && r->verified ? "true" : "false");
    fflush(csv_file);
}

static void report_write_text(const bench_settings_t *s, const bench_result_t *r, FILE *out) {
    fprintf(out,
            "%s %s: %llu events in %.3f s: %.4g events/s, %.4g GB/s; CPU %.2f s, peak RSS %.0f MB",
            bench_command_name(s->command), s->window, (unsigned long long)r->events, r->seconds,
            r->events_per_s, r->gb_per_s, r->cpu_seconds, r->peak_rss_mb);
    if (r->latency && r->latency->total)
        fprintf(out, "; latency p50 %.3g us, p99 %.3g us, max %.3g us", report_quantile_us(r, 0.5),
                report_quantile_us(r, 0.99), report_quantile_us(r, 1));
    for (int i = 0; i < FLOOR_COUNT; i++)
        if (!isnan(r->ratio[i]))
            fprintf(out, "; %.3g of %s (%.3g GB/s)", r->ratio[i], floor_name((floor_kind_t)i),
                    r->baseline[i]);
    if (!isnan(r->baseline[FLOOR_LINE]))
        fprintf(out, "; a cache line there and back %.3g us", r->baseline[FLOOR_LINE]);
    if (!isnan(r->sendrecv.ratio_p50))
        fprintf(out, "; %.3g of the half round trip (p99 %.3g)", r->sendrecv.ratio_p50,
                r->sendrecv.ratio_p99);
    if (!isnan(r->ring.ratio_p50))
        fprintf(out, "; %.3g of the ring's (p99 %.3g)", r->ring.ratio_p50, r->ring.ratio_p99);
    fprintf(out, "; %s\n",
            !s->verify    ? "not verified (--no-verify)"
            : r->verified ? "verified"
                          : "WRONG");
}

void report_result(const bench_job_t *job, const bench_settings_t *s, int repeat,
                   const bench_result_t *r) {
    if (job->rank != 0)
        return;
    report_write_text(s, r, json_file == stdout || csv_file == stdout ? stderr : stdout);
    if (json_file)
        report_write_json(job, s, repeat, r);
    if (csv_file)
        report_write_csv(job, s, repeat, r);
}

void report_value(const bench_job_t *job, const bench_settings_t *s, const char *what, size_t bytes,
                  double value, const char *unit) {
    assert(what && unit);
    if (job->rank != 0)
        return;
    fprintf(json_file == stdout || csv_file == stdout ? stderr : stdout,
            "%-24s %10zu B %14.6g %s\n", what, bytes, value, unit);
    if (csv_file)
        fprintf(csv_file, "%s,%s,%s,%d,%s,%zu,%g,%s\n", bench_command_name(s->command),
                report_mpi_name(), s->window, job->size, what, bytes, value, unit);
    if (!json_file)
        return;
    cJSON *o = report_begin_object(job, s);
    cJSON_AddStringToObject(o, "what", what);
    cJSON_AddNumberToObject(o, "bytes", (double)bytes);
    report_add_number(o, "value", value);
    cJSON_AddStringToObject(o, "unit", unit);
    report_print_json(o);
    cJSON_Delete(o);
}
