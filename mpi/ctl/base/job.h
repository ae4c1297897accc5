/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl: joining the job, opening its topics, and leaving it. */
#ifndef MOFKA_MPI_CTL_BASE_JOB_H
#define MOFKA_MPI_CTL_BASE_JOB_H

#include <stdbool.h>
#include <mofka/mofka.h>

/* How long a command waits for a topic, or for room, if --timeout is not given. */
#define TIMEOUT_S_DEFAULT 30.0

/* Before MPI is started: warn if the node's shared memory is so full that MPI may end this process
 * without a reason. */
void ctl_job_warn_of_memory(void);

/* This rank of MPI_COMM_WORLD. */
int ctl_job_rank(void);

/* Make the driver over all ranks of the job. `type`: the driver's type, or NULL for "mpi".
 * `options`: its JSON object without "type"; for "mpi", {} adopts the options of the other ranks.
 * Collective. */
mofka_status_t ctl_job_open(const char *type, const char *options, mofka_driver_t **driver);

/* Whether all other ranks of the job have closed their drivers. Waits for that for at most
 * `seconds`, or until interrupted. From the first call on, the other ranks need not wait for this
 * rank. Statistics can be read until the answer is true. */
bool ctl_job_is_over(mofka_driver_t *driver, double seconds);

/* Close the driver. Waits for the other ranks for at most `timeout_s`, then ends the job.
 * Collective. False: a message was printed. */
bool ctl_job_close(mofka_driver_t *driver, double timeout_s);

/* End all ranks of the job, which would wait for this one. */
void ctl_job_abort(int code) __attribute__((noreturn));

/* Wait for a topic to exist, for at most `timeout_s`. It is not opened, and no library is loaded.
 * False: a message was printed, or the command was interrupted. */
bool ctl_job_await_topic(mofka_driver_t *driver, const char *name, double timeout_s);

/* The exit code after one of the two calls that wait for a topic gave none: an interruption is no
 * failure. */
int ctl_job_code_without_topic(void);

/* Open a topic, after waiting for it as above. Give: release. NULL: a message was printed, or the
 * command was interrupted. */
mofka_topic_t *ctl_job_open_topic(mofka_driver_t *driver, const char *name, double timeout_s);

#endif
