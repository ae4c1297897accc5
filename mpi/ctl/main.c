/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl: topics, events in and out, forwarding and pipes, from the command line of an MPI job.
 *
 * A command is one file of commands/ and one row of the table below: its options, a check of them,
 * and what it does with the driver. The rooms, the lowest first; a room includes only rooms above
 * it in this list:
 *
 *   base/      messages.c (stderr), interrupt.c (signals, time), job.c (joins the job), read_file.c
 *   options/   args.c reads a command's options: option.c a value, groups.c and json.c JSON objects
 *   in/        lines.c (text into lines) -> intake.c (checks, counts) -> feed.c (pushes, outcomes)
 *   out/       drain.c (pulls, acknowledges) -> event_line.c -> sink.c (lines out);
 *              rates.c (statistics into rates) -> table.c (text); store_info.c (a store into JSON)
 *   serve/     listen.c (address), access.c (token), readings.c (statistics on demand) -> server.c
 *              (HTTP); page/ writes the page
 *   commands/  produce uses in/; consume and top use out/; forward and fifo use both; serve uses
 *              serve/
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/options/args.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/options/json.h"
#include "mpi/ctl/out/sink.h"
#include "base/text/message.h"

static const ctl_command_t *const commands[] = {
    &topic_create_command, &topic_list_command, &topic_info_command, &topic_delete_command,
    &topic_evict_command,  &produce_command,    &consume_command,    &forward_command,
    &fifo_command,         &top_command,        &serve_command,      &log_list_command,
    &log_info_command,     &log_dump_command,   &log_verify_command, &log_repair_command,
    &log_cut_command,      &log_unlock_command,
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void ctl_print_usage(FILE *out) {
    fputs("usage: mpiexec -n 4 ./application : -n 1 mofkactl COMMAND [OPTION...]\n"
          "\n"
          "mofkactl runs as ranks of an MPI job, and works with the job's topics. All ranks of "
          "the\njob create the driver together, and close it together. The commands log need no "
          "job:\nthey work on the files of a store. With --store DIR the others do so, too.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmofkactl COMMAND --help lists a command's options; mofkactl --version prints the "
          "version.\n"
          "Exit codes: 0 success, 1 a command or some events failed, 2 wrong usage.\n",
          out);
}

static bool ctl_is_help(const char *text) {
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

/* Whether `word` is the first of the command's two words. */
static bool ctl_is_first_word(const ctl_command_t *command, const char *word) {
    assert(command && word);
    size_t bytes = strlen(word);
    return strncmp(command->name, word, bytes) == 0 && command->name[bytes] == ' ';
}

/* Find the command that argv begins with. `*words` is how many words its name has. */
static const ctl_command_t *ctl_find_command(int argc, char **argv, int *words) {
    assert(argc > 0 && words);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *space = strchr(commands[i]->name, ' ');
        size_t first = space ? (size_t)(space - commands[i]->name) : strlen(commands[i]->name);
        if (strncmp(argv[0], commands[i]->name, first) != 0 || argv[0][first])
            continue;
        *words = space ? 2 : 1;
        if (!space || (argc > 1 && strcmp(argv[1], space + 1) == 0))
            return commands[i];
    }
    return NULL;
}

static bool ctl_has_more_words(const char *word) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (ctl_is_first_word(commands[i], word))
            return true;
    return false;
}

/* List the words that may follow `word`: "create, list or info". */
static void ctl_list_second_words(const char *word, char *text, size_t bytes) {
    size_t used = 0, left = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        left += ctl_is_first_word(commands[i], word);
    text[0] = '\0';
    for (size_t i = 0; i < COMMAND_COUNT && used < bytes; i++) {
        if (!ctl_is_first_word(commands[i], word))
            continue;
        left--;
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%s", strchr(commands[i]->name, ' ') + 1,
                             left > 1    ? ", "
                             : left == 1 ? " or "
                                         : "");
    }
}

static void ctl_complain_of_command(int argc, char **argv) {
    char text[128];
    assert(argc >= 0);
    if (argc > 0)
        ctl_list_second_words(argv[0], text, sizeof text);
    if (argc == 0)
        ctl_complain("no command was given; mofkactl --help lists the commands");
    else if (ctl_has_more_words(argv[0]))
        ctl_complain("%s is followed by %s, not by '%s'", argv[0], text, argc > 1 ? argv[1] : "");
    else
        ctl_complain("unknown command '%s'; mofkactl --help lists the commands", argv[0]);
}

/* Write what is left in stdout's buffer. It is no failure if the reader has left. False: a message
 * was printed. */
static bool ctl_flush_stdout(void) {
    const sink_t sink = {.fd = STDOUT_FILENO};
    errno = 0;
    bool good = (fflush(stdout) == 0 && !ferror(stdout)) || !sink_has_reader(&sink);
    if (!good)
        ctl_complain("writing to standard output: %s",
                     errno ? strerror(errno) : "a part of it could not be written");
    return good;
}

/* End this rank, which has not joined the job. Other ranks wait for it to make the driver with
 * them, so an error must end the job if there are others. */
static int ctl_leave(int code) {
    assert(code >= CTL_OK && code <= CTL_USAGE);
    int size, *app, has_app;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &app, &has_app);
    bool alone = size == 1 || (code == CTL_OK && !(has_app && *app > 0));
    fflush(NULL);
    if (!alone)
        ctl_job_abort(code);
    MPI_Finalize();
    return code;
}

/* ---- what is answered without a driver ------------------------------------------------------- */

/* Print the help of all commands whose first word is `word`. */
static void ctl_print_help_of(const char *word) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (ctl_is_first_word(commands[i], word)) {
            args_print_help(commands[i], stdout);
            putchar('\n');
        }
}

static bool ctl_asks_for_help(const ctl_command_t *command, int argc, char **argv) {
    assert(argc >= 0);
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (ctl_is_help(argv[i]) && (!command || argv[i][0] == '-'))
            return true;
    return false;
}

static bool ctl_answer(int argc, char **argv) {
    int words = 0;
    const ctl_command_t *command = argc > 0 ? ctl_find_command(argc, argv, &words) : NULL;
    if (argc == 0)
        return false;
    if (strcmp(argv[0], "--version") == 0)
        printf("mofkactl %s\n", MOFKACTL_VERSION);
    else if (ctl_is_help(argv[0]))
        ctl_print_usage(stdout);
    else if (command && ctl_asks_for_help(command, argc - words, argv + words))
        args_print_help(command, stdout);
    else if (!command && ctl_has_more_words(argv[0]) && ctl_asks_for_help(NULL, argc - 1, argv + 1))
        ctl_print_help_of(argv[0]);
    else
        return false;
    return true;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* Put a file in the place of each standard stream that is closed. Otherwise the next file that is
 * opened, such as one of MPI's, would take its place and be written to. Reading and writing fail as
 * before. */
static void ctl_open_closed_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* The options of the driver that --store describes. Give: free(). NULL: no memory. */
static char *ctl_store_options(void) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    fputs("{\"store\":", out);
    ctl_json_put_string(out, args_common.store, strlen(args_common.store));
    fprintf(out, ",\"resume\":\"%s\"}", args_common.makes_store ? "if_exists" : "must");
    bool good = !ferror(out);
    if (fclose(out) == 0 && good)
        return text;
    free(text);
    return NULL;
}

/* The answer is the exit code: a message was printed. */
static int ctl_open_store(mofka_driver_t **driver) {
    char *options = ctl_store_options();
    mofka_status_t status = options ? ctl_job_open("files", options, driver)
                                    : mofka_fail(MOFKA_ERR_MEMORY, "no memory for options");
    free(options);
    if (status)
        ctl_complain_of(status, "opening the store");
    return status ? ctl_code_of(status) : CTL_OK;
}

/* Make the driver that --driver describes. The answer is the exit code: a message was printed. */
static int ctl_make_driver(mofka_driver_t **driver) {
    const char *all = args_common.driver.text ? args_common.driver.text : "{}";
    char *member = ctl_json_member(all, "type"), *type = member ? ctl_json_string(member) : NULL;
    char *options = ctl_json_without(all, "type");
    mofka_status_t status;
    if (member && !type)
        status = mofka_fail(MOFKA_ERR_OPTION, "--driver.type cannot be %.*s: it must be a string",
                            MFI_QUOTE(member, strlen(member), 100));
    else if (!options)
        status = mofka_fail(MOFKA_ERR_MEMORY, "no memory for the driver's options");
    else
        status = ctl_job_open(type, options, driver);
    free(member);
    free(type);
    free(options);
    option_group_clear(&args_common.driver);
    if (status)
        ctl_complain_of(status, "creating the driver");
    return status ? ctl_code_of(status) : CTL_OK;
}

static int thread_level; /* granted by this MPI */

static int ctl_join_job(mofka_driver_t **driver) {
    static const char *const names[] = {"MPI_THREAD_SINGLE", "MPI_THREAD_FUNNELED",
                                        "MPI_THREAD_SERIALIZED"};
    static const int levels[] = {MPI_THREAD_SINGLE, MPI_THREAD_FUNNELED, MPI_THREAD_SERIALIZED};
    int code = args_common.store ? ctl_open_store(driver) : ctl_make_driver(driver);
    for (int i = 0; code && i < 3; i++)
        if (thread_level == levels[i])
            ctl_complain("mofkactl asked this MPI for MPI_THREAD_MULTIPLE, and it granted %s",
                         names[i]);
    return code;
}

/* Run a command. The answer is the exit code. */
static int ctl_run_command(const ctl_command_t *command) {
    assert(command->run);
    mofka_driver_t *driver = NULL;
    int code = ctl_join_job(&driver);
    if (code)
        return code;
    code = command->run(driver);
    if (!ctl_flush_stdout() && code == CTL_OK)
        code = CTL_FAILED;
    return ctl_job_close(driver, args_common.close_timeout_s) ? code : CTL_FAILED;
}

int main(int argc, char **argv) {
    int words = 0;
    ctl_open_closed_streams();
    signal(SIGPIPE, SIG_IGN);
    ctl_job_warn_of_memory();
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &thread_level) != MPI_SUCCESS) {
        ctl_complain("MPI cannot be started");
        return CTL_FAILED;
    }
    /* After MPI_Init, which may choose another buffer. ctl_flush_stdout writes this one, and learns
     * about failures. */
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    argc--, argv++;
    if (ctl_answer(argc, argv))
        return ctl_leave(ctl_flush_stdout() ? CTL_OK : CTL_FAILED);
    const ctl_command_t *command = argc > 0 ? ctl_find_command(argc, argv, &words) : NULL;
    if (!command) {
        ctl_complain_of_command(argc, argv);
        return ctl_leave(CTL_USAGE);
    }
    ctl_name_command(command->name);
    if (!args_read(command, argc - words, argv + words))
        return ctl_leave(CTL_USAGE);
    interrupt_watch();
    if (command->alone)
        return ctl_leave(command->run(NULL));
    int code = ctl_run_command(command);
    MPI_Finalize();
    return code;
}
