/* SPDX-License-Identifier: BSD-3-Clause */
/* mofkactl: topics, events in and out, forwarding and pipes, from the command line of an MPI job. */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mpi/ctl/ctl.h"
#include "mpi/ctl/out/sink.h"

static const command_t *const commands[] = {
    &topic_create_command, &topic_list_command, &topic_info_command, &produce_command,
    &consume_command,      &forward_command,    &fifo_command,       &top_command,
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const command_t *current; /* for messages */

bool complain(const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++) /* it may quote anything, and a terminal would obey */
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = *at == '\n' || *at == '\t' ? ' ' : '?';
    /* One write: ranks share the launcher's stderr. */
    fprintf(stderr, "mofkactl%s%s: %s\n", current ? " " : "", current ? current->name : "", text);
    return false;
}

bool complain_of(mofka_status_t status, const char *what) {
    return complain("%s: %s (%s)", what, mofka_last_error(), mofka_status_name(status));
}

static void usage(FILE *out) {
    fputs("usage: mpiexec -n 4 ./application : -n 1 mofkactl COMMAND [OPTION...]\n"
          "\n"
          "Ranks of an MPI job that look after its topics: all ranks of the job make the driver\n"
          "together, and end it together.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmofkactl COMMAND --help tells the options of a command; mofkactl --version the "
          "version.\n"
          "Exit codes: 0 all is well, 1 something or some events failed, 2 usage.\n",
          out);
}

static bool is_help(const char *text) {
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

/* Whether the first of a command's two words is `word`. */
static bool is_first(const command_t *command, const char *word) {
    size_t bytes = strlen(word);
    return strncmp(command->name, word, bytes) == 0 && command->name[bytes] == ' ';
}

/* The command that argv begins with, and of how many words it is. */
static const command_t *find(int argc, char **argv, int *words) {
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

static bool has_more_words(const char *word) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (is_first(commands[i], word))
            return true;
    return false;
}

static void complain_of_command(int argc, char **argv) {
    if (argc == 0)
        complain("no command; mofkactl --help tells which there are");
    else if (has_more_words(argv[0]))
        complain("%s is followed by create, list or info, not by '%s'", argv[0],
                 argc > 1 ? argv[1] : "");
    else
        complain("unknown command '%s'; mofkactl --help tells which there are", argv[0]);
}

/* What was written to stdout is there. A reader who left is no failure; else: told. */
static bool flush_stdout(void) {
    const sink_t sink = {.fd = STDOUT_FILENO};
    errno = 0;
    bool good = fflush(stdout) == 0 && !ferror(stdout);
    return good || !sink_has_reader(&sink) ||
           complain("writing to standard output: %s",
                    errno ? strerror(errno) : "a part of it could not be written");
}

/* Without joining the job. The others wait for this rank to make the driver with them: where there
 * are others, an error must end the job. */
static int leave(int code) {
    int size, *app, has_app;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &app, &has_app);
    bool alone = size == 1 || (code == CTL_OK && !(has_app && *app > 0));
    fflush(NULL);
    if (!alone)
        job_abort(code);
    MPI_Finalize();
    return code;
}

/* ---- what is answered without a driver ---------------------------------------------------------- */

/* Of all commands that begin with that word. */
static void help_of_first(const char *word) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (is_first(commands[i], word)) {
            args_help(commands[i], stdout);
            putchar('\n');
        }
}

static bool asks_for_help(const command_t *command, int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]) && (!command || argv[i][0] == '-'))
            return true;
    return false;
}

static bool wants_text(int argc, char **argv) {
    int words = 0;
    const command_t *command = argc > 0 ? find(argc, argv, &words) : NULL;
    if (argc == 0)
        return false;
    if (strcmp(argv[0], "--version") == 0)
        printf("mofkactl %s\n", MOFKACTL_VERSION);
    else if (is_help(argv[0]))
        usage(stdout);
    else if (command && asks_for_help(command, argc - words, argv + words))
        args_help(command, stdout);
    else if (!command && has_more_words(argv[0]) && asks_for_help(NULL, argc - 1, argv + 1))
        help_of_first(argv[0]);
    else
        return false;
    return true;
}

/* ---- the program -------------------------------------------------------------------------------- */

/* What is opened next would take the place of a standard stream that is closed, and be written to: MPI
 * opens much. In its place is one that fails as it did. */
static void open_closed_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static int thread_level; /* that this MPI granted */

static mofka_driver_t *join_job(void) {
    static const char *const names[] = {"MPI_THREAD_SINGLE", "MPI_THREAD_FUNNELED",
                                        "MPI_THREAD_SERIALIZED"};
    static const int levels[] = {MPI_THREAD_SINGLE, MPI_THREAD_FUNNELED, MPI_THREAD_SERIALIZED};
    mofka_driver_t *driver = job_open();
    for (int i = 0; !driver && i < 3; i++)
        if (thread_level == levels[i])
            complain("mofkactl asked this MPI for MPI_THREAD_MULTIPLE, and it granted %s",
                     names[i]);
    return driver;
}

/* The exit code. */
static int run(const command_t *command) {
    mofka_driver_t *driver = join_job();
    if (!driver)
        return CTL_USAGE;
    int code = command->run(driver);
    if (!flush_stdout() && code == CTL_OK)
        code = CTL_FAILED;
    return job_close(driver) ? code : CTL_FAILED;
}

int main(int argc, char **argv) {
    int words = 0;
    open_closed_streams();
    signal(SIGPIPE, SIG_IGN);
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &thread_level) != MPI_SUCCESS) {
        complain("MPI cannot be started");
        return CTL_FAILED;
    }
    /* Behind MPI, which may choose otherwise: flush_stdout is who writes, and learns why not. */
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    argc--, argv++;
    if (wants_text(argc, argv))
        return leave(flush_stdout() ? CTL_OK : CTL_FAILED);
    current = argc > 0 ? find(argc, argv, &words) : NULL;
    if (!current) {
        complain_of_command(argc, argv);
        return leave(CTL_USAGE);
    }
    if (!args_read(current, argc - words, argv + words))
        return leave(CTL_USAGE);
    job_watch_signals();
    int code = run(current);
    MPI_Finalize();
    return code;
}
