/* Joining the job and leaving it, and being interrupted. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <mofka/mpi.h>
#include "ctl.h"

group_t driver_group;

static volatile sig_atomic_t interrupted;
static double interrupted_at; /* written once, before the flag */

double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A terminal and a launcher may both send the one that the user meant. */
static void on_signal(int number) {
    if (!interrupted) {
        interrupted_at = now_s();
        interrupted = 1;
    } else if (now_s() - interrupted_at > 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void job_watch_signals(void) {
    /* Restarted: what is being written is written whole. Waits are short. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool job_interrupted(void) {
    return interrupted;
}

double job_interrupted_for(void) {
    return interrupted ? now_s() - interrupted_at : 0;
}

void job_sleep(double seconds) {
    double until = now_s() + seconds;
    for (double left = seconds; left > 0 && !interrupted; left = until - now_s()) {
        double slice = left < SLICE_MS * 1e-3 ? left : SLICE_MS * 1e-3;
        nanosleep(&(struct timespec){.tv_nsec = (long)(slice * 1e9)}, NULL);
    }
}

int job_rank(void) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static bool is_mpi(const cJSON *type) {
    return cJSON_IsString(type) && strcmp(type->valuestring, "mpi") == 0;
}

mofka_status_t make_driver(const struct cJSON *json, mofka_driver_t **driver) {
    cJSON *options = json ? cJSON_Duplicate(json, true) : cJSON_CreateObject();
    cJSON *type = cJSON_DetachItemFromObjectCaseSensitive(options, "type");
    if (options && !options->child && (!type || is_mpi(type)))
        cJSON_AddTrueToObject(options, "join"); /* whatever the other ranks' options are */
    char *text = cJSON_PrintUnformatted(options);
    mofka_status_t status = MOFKA_OK;
    if (!text || (type && !cJSON_IsString(type)))
        status = mofka_fail(MOFKA_ERR_OPTION, "a driver's \"type\" must be a string");
    else if (!type || is_mpi(type))
        status = mofka_mpi_driver_create(MPI_COMM_WORLD, text, driver);
    else
        status = mofka_driver_create(type->valuestring, text, driver);
    cJSON_free(text);
    cJSON_Delete(type);
    cJSON_Delete(options);
    return status;
}

mofka_driver_t *job_open(void) {
    mofka_driver_t *driver;
    mofka_status_t status = make_driver(driver_group.json, &driver);
    group_clear(&driver_group);
    if (!status)
        return driver;
    complain_of(status, "making the driver");
    return NULL;
}

/* Closing is begun, and not waited for: the barrier behind it is the one thing that all ranks do. An
 * error ends it, too, and job_close tells which. */
bool job_is_over(mofka_driver_t *driver, double seconds) {
    double until = now_s() + seconds, left = seconds;
    do {
        double slice = left > 0 ? fmin(left, SLICE_MS * 1e-3) : 0;
        if (mofka_driver_close(driver, (int64_t)ceil(slice * 1e3)) != MOFKA_ERR_TIMEOUT)
            return true;
        left = until - now_s();
    } while (left > 0 && !interrupted);
    return false;
}

/* Others may work on for hours: this rank's partitions are served meanwhile, and it sleeps. */
void job_close(mofka_driver_t *driver) {
    mofka_status_t status;
    while ((status = mofka_driver_close(driver, 1000)) == MOFKA_ERR_TIMEOUT)
        ;
    if (status)
        complain_of(status, "closing the driver");
    mofka_driver_release(driver);
}

mofka_topic_t *open_topic(mofka_driver_t *driver, const char *name, double timeout_s) {
    double start = now_s();
    mofka_topic_t *topic;
    for (;;) {
        double left = timeout_s - (now_s() - start);
        int64_t slice = left <= 0 ? 0 : left < SLICE_MS * 1e-3 ? (int64_t)(left * 1e3) : SLICE_MS;
        mofka_status_t status = mofka_driver_open_topic(driver, name, slice, &topic);
        if (!status)
            return topic;
        if (job_interrupted())
            return NULL;
        if (status != MOFKA_ERR_NOT_FOUND || left <= 0) {
            complain_of(status, "opening the topic");
            if (status == MOFKA_ERR_NOT_FOUND)
                complain("waited %g s (--timeout) for topic '%s'", timeout_s, name);
            return NULL;
        }
    }
}
