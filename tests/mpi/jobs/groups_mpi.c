/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers over communicators of every kind. One mode a run; the second argument is the window. Over
 * each, a rank sends events to all others.
 *   groups     an intercommunicator of even and odd ranks
 *   high       the same, and the even ranks come last
 *   unequal    the even ranks do not agree on whether they come last: refused on all ranks
 *   absent     a rank of one group does not come: the other group names it
 *   spawn      parents and children
 *   server F   two jobs: the port's name is in the file F
 *   client F
 */
#include <unistd.h>
#include "support/clock.h"
#include "support/json_path.h"
#include "support/mpi/mpi_main.h"

#define EVENTS 1000

/* ---- a stream over any driver ---------------------------------------------------------------- */

static int driver_rank, driver_size;

static void find_place(mofka_driver_t *driver) {
    mofka_metadata_t *stats;
    NEEDS(!mofka_driver_stats(driver, 10000, &stats));
    driver_rank = (int)number_at(stats, "rank");
    driver_size = (int)number_at(stats, "size");
    mofka_metadata_release(stats);
}

static void send_events(mofka_topic_t *topic) {
    mofka_producer_t *producer;
    NEEDS(!mofka_producer_create(topic, NULL, &producer));
    for (int i = 0; i < EVENTS; i++)
        NEEDS(!mofka_producer_push(producer, "{}", 2, NULL, MOFKA_ANY_PARTITION, NULL));
    NEEDS(!mofka_producer_close(producer, 30000));
    mofka_producer_release(producer);
}

static void receive_events(mofka_topic_t *topic) {
    char name[32];
    int count = 0;
    mofka_consumer_t *consumer;
    mofka_event_t *event;
    snprintf(name, sizeof name, "reader %d", driver_rank);
    NEEDS(!mofka_consumer_create(topic, &(mofka_consumer_options_t){.name = name}, &consumer));
    for (bool end = false; !end;) {
        NEEDS(!mofka_consumer_pull(consumer, 30000, &event));
        end = mofka_event_is_end(event);
        count += !end;
        NEEDS(end || !mofka_event_acknowledge(event));
        mofka_event_release(event);
    }
    NEEDS(count == EVENTS);
    NEEDS(!mofka_consumer_close(consumer));
    mofka_consumer_release(consumer);
}

/* The last rank owns all memory. */
static mofka_status_t groups_create(MPI_Comm comm, int last, const char *more,
                                    mofka_driver_t **driver) {
    char options[200];
    snprintf(options, sizeof options,
             "{\"window\":\"%s\",\"arena_bytes\":16777216,\"owners\":[%d],\"create_timeout_ms\":"
             "20000%s}",
             window, last, more);
    return mofka_mpi_driver_create(comm, options, driver);
}

/* Over `comm`, of `ranks` in all. */
static void stream(MPI_Comm comm, int ranks, const char *more) {
    mofka_driver_t *driver;
    mofka_topic_t *topic;
    mofka_metadata_t *info;
    mofka_status_t status = groups_create(comm, ranks - 1, more, &driver);
    if (status == MOFKA_ERR_UNSUPPORTED) { /* "shm", and the ranks do not share memory */
        printf("refused: %s\n", mofka_last_error());
        return;
    }
    NEEDS(!status);
    find_place(driver);
    NEEDS(driver_size == ranks && driver_rank < ranks);
    if (driver_rank == 0)
        NEEDS(!mofka_driver_create_topic(
            driver, "topic",
            &(mofka_topic_options_t){.options = "{\"partitions\":3,\"expected_producers\":1,"
                                                "\"partition_bytes\":1048576}"}));
    NEEDS(!mofka_driver_open_topic(driver, "topic", 30000, &topic));
    NEEDS(!mofka_topic_partition_info(topic, 0, &info));
    if (driver_rank == 0)
        printf("streamed: %s\n", mofka_metadata_text(info, NULL));
    mofka_metadata_release(info);
    if (driver_rank == 0)
        send_events(topic);
    else
        receive_events(topic);
    mofka_topic_release(topic);
    NEEDS(!mofka_driver_close(driver, 30000));
    mofka_driver_release(driver);
}

/* ---- groups of one job ----------------------------------------------------------------------- */

static MPI_Comm make_groups(void) {
    MPI_Comm local, groups;
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &local);
    MPI_Intercomm_create(local, 0, MPI_COMM_WORLD, 1 - rank % 2, 5, &groups);
    MPI_Comm_free(&local);
    return groups;
}

static void use_groups(void) {
    MPI_Comm groups = make_groups();
    stream(groups, size, "");
    stream(groups, size, ""); /* it stays the user's */
    MPI_Comm_free(&groups);
}

static void order_groups(void) {
    MPI_Comm groups = make_groups();
    int odd = size / 2;
    stream(groups, size, rank % 2 == 0 ? ",\"high\":true" : "");
    NEEDS(driver_rank == (rank % 2 == 0 ? odd : 0) + rank / 2);
    MPI_Comm_free(&groups);
}

static void refuse_unequal(void) {
    MPI_Comm groups = make_groups();
    mofka_driver_t *driver;
    mofka_status_t status = groups_create(groups, 0, rank == 0 ? ",\"high\":true" : "", &driver);
    NEEDS(status == MOFKA_ERR_OPTION);
    NEEDS(strstr(mofka_last_error(), rank % 2 ? "\"high\"" : "refused the groups"));
    MPI_Comm_free(&groups);
}

static void name_absent(void) {
    MPI_Comm groups = make_groups();
    mofka_driver_t *driver;
    if (rank != 2) {
        NEEDS(mofka_mpi_driver_create(groups, "{\"create_timeout_ms\":300}", &driver) ==
              MOFKA_ERR_TIMEOUT);
        NEEDS(rank % 2 == 0 ||
              strstr(mofka_last_error(), "rank 1 of the other group did not call"));
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* ---- groups of two jobs ---------------------------------------------------------------------- */

static void use_pair(MPI_Comm groups, const char *more) {
    int others;
    MPI_Comm_remote_size(groups, &others);
    stream(groups, size + others, more);
}

/* MPI answered an error. */
static _Noreturn void groups_skip(const char *call, int error) {
    char text[MPI_MAX_ERROR_STRING];
    int length;
    MPI_Error_string(error, text, &length);
    printf("skipped: %s does not work in this MPI: %s\n", call, text);
    fflush(stdout);
    MPI_Finalize();
    exit(77);
}

/* The parents come first. */
static void use_children(char *program) {
    MPI_Comm children;
    char child[] = "child", own_window[8];
    snprintf(own_window, sizeof own_window, "%s", window);
    char *arguments[] = {child, own_window, NULL};
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int error = MPI_Comm_spawn(program, arguments, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &children,
                               MPI_ERRCODES_IGNORE);
    if (error)
        groups_skip("MPI_Comm_spawn", error);
    use_pair(children, "");
    NEEDS(driver_size == 0 || driver_rank == rank);
    MPI_Comm_disconnect(&children);
}

static void use_parents(MPI_Comm parents) {
    int parent_count;
    MPI_Comm_remote_size(parents, &parent_count);
    use_pair(parents, ",\"high\":true");
    NEEDS(driver_size == 0 || driver_rank == parent_count + rank);
    MPI_Comm_disconnect(&parents);
}

static void serve(const char *path) {
    char port[MPI_MAX_PORT_NAME] = "", part[4096];
    MPI_Comm clients;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int error = rank == 0 ? MPI_Open_port(MPI_INFO_NULL, port) : 0;
    MPI_Bcast(&error, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (error)
        groups_skip("MPI_Open_port", rank == 0 ? error : MPI_ERR_OTHER);
    if (rank == 0) {
        snprintf(part, sizeof part, "%s.part", path);
        FILE *file = fopen(part, "w");
        NEEDS(file && fputs(port, file) >= 0 && fclose(file) == 0 && rename(part, path) == 0);
    }
    MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &clients);
    use_pair(clients, "");
    NEEDS(driver_size == 0 || driver_rank == rank);
    MPI_Comm_disconnect(&clients);
    if (rank == 0)
        MPI_Close_port(port);
}

static void connect_to(const char *path) {
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Comm servers;
    FILE *file = NULL;
    for (int i = 0; rank == 0 && !file && i < 3000; i++) {
        file = fopen(path, "r");
        if (!file)
            clock_sleep_ms(10);
    }
    NEEDS(rank > 0 || (file && fgets(port, sizeof port, file)));
    if (file)
        fclose(file);
    MPI_Comm_connect(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &servers);
    use_pair(servers, ",\"high\":true");
    MPI_Comm_disconnect(&servers);
}

int main(int argc, char **argv) {
    MPI_Comm parents;
    mpi_main_start(&argc, &argv);
    if (argc < 3)
        return 2;
    const char *mode = argv[1];
    window = argv[2];
    MPI_Comm_get_parent(&parents);
    if (parents != MPI_COMM_NULL)
        use_parents(parents);
    else if (strcmp(mode, "groups") == 0)
        use_groups();
    else if (strcmp(mode, "high") == 0)
        order_groups();
    else if (strcmp(mode, "unequal") == 0)
        refuse_unequal();
    else if (strcmp(mode, "absent") == 0)
        name_absent();
    else if (strcmp(mode, "spawn") == 0)
        use_children(argv[0]);
    else if (strcmp(mode, "server") == 0 && argc > 3)
        serve(argv[3]);
    else if (strcmp(mode, "client") == 0 && argc > 3)
        connect_to(argv[3]);
    else
        return 2;
    printf("%s, rank %d: done\n", mode, rank);
    fflush(stdout);
    return mpi_main_end(0);
}
