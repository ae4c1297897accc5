/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that is killed between any two of its stores, and what the others then find; see kill.h.
 *
 * The ranks are two processes over the heap window, in memory that they share. n grows until the
 * victim comes to its end.
 *
 *   kill_steps [SCENARIO [N]]
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "heap/job/heap_driver.h"
#include "kill/kill.h"

/* Does not return. */
static void victim_process(heap_job_t *job, const scenario_t *scenario, int step) {
    mofka_driver_t *driver;
    mofka_log_set_level(MOFKA_LOG_ERROR);
    if (heap_driver_create(job, 1, &driver))
        _exit(4);
    victim_run(driver, "log", scenario, step);
    _exit(0);
}

/* Wait until the process has ended. True: it was killed. An odd step leaves it a zombie for now. */
static bool kill_wait(pid_t victim, int step) {
    siginfo_t info = {.si_code = 0};
    int flags = WEXITED | (step % 2 ? WNOWAIT : 0);
    assert_int_equal(waitid(P_PID, (id_t)victim, &info, flags), 0);
    bool killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
    if (!killed && (info.si_code != CLD_EXITED || info.si_status != 0))
        fail_msg("rank 1 ended with code %d, status %d", info.si_code, info.si_status);
    return killed;
}

/* True: rank 1 was killed at that step. */
static bool kill_at(const scenario_t *scenario, int step) {
    survivor_t s = {.scenario = scenario, .name = "log"};
    heap_job_t job;
    heap_job_start_shared(&job, 2);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t victim = fork();
    if (victim == 0)
        victim_process(&job, scenario, step);
    OK(heap_driver_create(&job, 0, &s.driver));
    survivor_start(&s, "");
    atomic_store(&shared->go, true);
    bool killed = kill_wait(victim, step);
    survivor_finish(&s);
    survivor_end(&s);
    OK(mofka_driver_close(s.driver, 1000));
    mofka_driver_release(s.driver);
    if (step % 2)
        waitpid(victim, NULL, 0);
    munmap(shared, sizeof *shared);
    heap_job_end(&job);
    return killed;
}

static int only_step;

static void kill_at_each_step(void **state) {
    const scenario_t *scenario = *state;
    int step = only_step ? only_step : 1;
    while (kill_at(scenario, step) && !only_step)
        step++;
    printf("%s: killed at %d steps\n", scenario->name, step - 1);
    assert_true(only_step || step > 5);
}

int main(int argc, char **argv) {
    struct CMUnitTest cases[32];
    size_t count = 0;
    only_step = argc > 2 ? atoi(argv[2]) : 0;
    for (size_t i = 0; i < scenario_count; i++)
        if (argc < 2 || strcmp(argv[1], scenarios[i].name) == 0)
            cases[count++] = (struct CMUnitTest){.name = scenarios[i].name,
                                                 .test_func = kill_at_each_step,
                                                 .initial_state = (void *)&scenarios[i]};
    mofka_log_set_level(MOFKA_LOG_ERROR);
    heap_driver_has_threads = true;
    return _cmocka_run_group_tests("kill_steps", cases, count, NULL, NULL);
}
