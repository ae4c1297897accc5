/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * push_c.c over the C interface of the Diaspora Streaming API. Its texts end with a NUL byte.
 *   push_diaspora EVENTS metadata|data|checked
 */
#include <diaspora/diaspora_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mofka/mofka.h>
#include <mofka/mpi.h>

static void check(int failed) {
    if (failed) {
        fprintf(stderr, "push_diaspora: %s\n", diaspora_c_last_error());
        exit(1);
    }
}

static void push(diaspora_producer_t *producer, long events, const char *what) {
    static char data[64];
    char text[129] = "";
    memset(text, ' ', strcmp(what, "data") == 0 ? 64 : 128);
    memcpy(text, "{}", 2);
    if (strcmp(what, "metadata") == 0)
        for (long i = 0; i < events; i++)
            check(diaspora_producer_push_raw(producer, text, NULL, 0));
    else if (strcmp(what, "data") == 0)
        for (long i = 0; i < events; i++)
            check(diaspora_producer_push_raw(producer, text, data, sizeof data));
    else
        for (long i = 0; i < events; i++)
            check(diaspora_producer_push(producer, text, NULL, 0));
}

int main(int argc, char **argv) {
    int level;
    if (argc != 3)
        return 2;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    diaspora_driver_t *driver = diaspora_driver_create("mofka", "{\"window\":\"shm\"}");
    check(!driver);
    /* That interface creates no topics. Its handles are those of this library. */
    check(mofka_driver_create_topic(
        (mofka_driver_t *)(void *)driver, "t",
        &(mofka_topic_options_t){.options = "{\"retention\":\"discard_oldest\"}"}));
    diaspora_topic_t *topic = diaspora_topic_open(driver, "t");
    check(!topic);
    diaspora_producer_t *producer =
        diaspora_producer_create(topic, NULL, 0, 0, DIASPORA_C_ORDERING_STRICT);
    check(!producer);
    push(producer, strtol(argv[1], NULL, 10), argv[2]);
    diaspora_producer_destroy(producer);
    diaspora_topic_destroy(topic);
    diaspora_driver_destroy(driver);
    return MPI_Finalize();
}
