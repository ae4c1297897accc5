/* mofkactl: topics, events in and out, forwarding and pipes, from the command line of an MPI job. */
#include <mpi.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

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

static void complain_of_command(int argc, char **argv) {
    bool known = false;
    for (size_t i = 0; argc > 0 && i < COMMAND_COUNT; i++)
        known |= strncmp(commands[i]->name, argv[0], strlen(argv[0])) == 0 &&
                 commands[i]->name[strlen(argv[0])] == ' ';
    if (argc == 0)
        complain("no command; mofkactl --help tells which there are");
    else if (known)
        complain("%s is followed by create, list or info, not by '%s'", argv[0],
                 argc > 1 ? argv[1] : "");
    else
        complain("unknown command '%s'; mofkactl --help tells which there are", argv[0]);
}

/* Without joining the job. The others wait for this rank to make the driver with them: where there
 * are others, an error must end the job. */
static int leave(int code) {
    int size, *app, has_app;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &app, &has_app);
    bool alone = size == 1 || (code == CTL_OK && !(has_app && *app > 0));
    fflush(NULL);
    if (!alone) {
        job_sleep(0.3); /* else launchers drop what was written */
        MPI_Abort(MPI_COMM_WORLD, code);
    }
    MPI_Finalize();
    return code;
}

/* What is answered without a driver. */
static bool wants_text(int argc, char **argv) {
    int words = 0;
    const command_t *command = argc > 0 ? find(argc, argv, &words) : NULL;
    for (int i = words; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!command && i > words)
            break;
        if (!command && strcmp(argv[i], "--version") == 0) {
            printf("mofkactl %s\n", MOFKACTL_VERSION);
            return true;
        }
        if (!is_help(argv[i]) || (command && argv[i][0] != '-'))
            continue;
        if (command)
            args_help(command, stdout);
        else
            usage(stdout);
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    int level, words = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    argc--, argv++;
    if (wants_text(argc, argv))
        return leave(CTL_OK);
    const command_t *command = argc > 0 ? find(argc, argv, &words) : NULL;
    if (!command) {
        complain_of_command(argc, argv);
        return leave(CTL_USAGE);
    }
    current = command;
    if (!args_read(command, argc - words, argv + words))
        return leave(CTL_USAGE);
    job_watch_signals();
    mofka_driver_t *driver = job_open();
    int code = driver ? command->run(driver) : CTL_USAGE;
    if (driver)
        job_close(driver);
    MPI_Finalize();
    return code;
}
