/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the library block the program's signals, and let it handle their own faults. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include "heap/job/log_fixture.h"
#include "mpi/agent/agent.h"

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
#define FAULTS (sizeof faults / sizeof faults[0])
static const int others[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE, SIGALRM,
                             SIGUSR1, SIGUSR2, SIGCHLD, SIGPROF, SIGWINCH};
#define OTHERS (sizeof others / sizeof others[0])

static struct sigaction earlier[FAULTS];
static volatile sig_atomic_t handled;
static size_t blocked;
static bool looked; /* by the first report */
static sem_t done;

static void count_fault(int number) {
    (void)number;
    handled++;
}

static int open_signals(void **state) {
    handled = 0;
    blocked = 0;
    looked = false;
    return sem_init(&done, 0, 0) || log_open_memory(state);
}

static int close_signals(void **state) {
    sem_destroy(&done);
    return log_close_memory(state);
}

/* In the case itself: cmocka has handlers of its own, which it sets before. */
static void handle_faults(void) {
    const struct sigaction action = {.sa_handler = count_fault};
    for (size_t i = 0; i < FAULTS; i++)
        assert_int_equal(sigaction(faults[i], &action, &earlier[i]), 0);
}

/* In the thread. A fault that is blocked is not handled by now. */
static void look(void *context) {
    sigset_t mask;
    (void)context;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (size_t i = 0; i < OTHERS; i++)
        blocked += sigismember(&mask, others[i]) == 1;
    for (size_t i = 0; i < FAULTS; i++)
        if (sigismember(&mask, faults[i]) == 0)
            raise(faults[i]);
    sem_post(&done);
}

/* The thread has looked, and the calling one is as it was. Restores the handlers. */
static void expect_faults_only(void) {
    sigset_t mask;
    sem_wait(&done);
    for (size_t i = 0; i < FAULTS; i++)
        sigaction(faults[i], &earlier[i], NULL);
    assert_int_equal(handled, FAULTS);
    assert_int_equal(blocked, OTHERS);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (size_t i = 0; i < OTHERS; i++)
        assert_int_equal(sigismember(&mask, others[i]), 0);
}

static void of_a_worker(void **state) {
    (void)state;
    mofka_thread_pool_t *pool;
    handle_faults();
    OK(mofka_thread_pool_create(&(mofka_thread_pool_options_t){.thread_count = 1}, &pool));
    OK(mofka_thread_pool_push_work(pool, look, NULL, 0));
    expect_faults_only();
    mofka_thread_pool_release(pool);
}

static void look_once(void *context, const mofka_metadata_t *report) {
    (void)report;
    if (!looked)
        look(context);
    looked = true;
}

static void of_the_reporter(void **state) {
    (void)state;
    handle_faults();
    OK(mofka_driver_set_stats_callback(log_driver, 1, look_once, NULL));
    expect_faults_only();
    OK(mofka_driver_set_stats_callback(log_driver, 0, NULL, NULL));
}

static mofka_status_t job_look(mmi_job_t *job) {
    look(job);
    return MOFKA_OK;
}

static void job_keep(mmi_job_t *job) {
    (void)job; /* it is on the stack */
}

static mmi_window_t window; /* of no ranks */

static void of_the_agent(void **state) {
    (void)state;
    mmi_agent_t *agent;
    mmi_job_t job = {.run = job_look, .destroy = job_keep};
    handle_faults();
    OK(mmi_agent_create(&window, &agent));
    OK(mmi_job_call(agent, &job, INT64_MAX));
    mmi_job_leave(&job);
    expect_faults_only();
    mmi_agent_destroy(agent, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_worker, open_signals, close_signals),
        cmocka_unit_test_setup_teardown(of_the_reporter, open_signals, close_signals),
        cmocka_unit_test_setup_teardown(of_the_agent, open_signals, close_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
