/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mofkactl fifo: named pipes to and from topics.
 *
 * Lines of the control pipe (fifo_language.h) add pipes. A thread serves each pipe. It opens the
 * pipe anew whenever the last writer, or the reader, has left, so writers and readers may come and
 * go.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/ctl/base/messages.h"
#include "mpi/ctl/base/interrupt.h"
#include "mpi/ctl/base/job.h"
#include "mpi/ctl/commands/commands.h"
#include "mpi/ctl/out/drain.h"
#include "mpi/ctl/out/event_line.h"
#include "mpi/ctl/options/fifo_language.h"
#include "mpi/ctl/in/intake.h"
#include "mpi/ctl/in/lines.h"
#include "mpi/ctl/out/sink.h"
#include "base/text/message.h"

#define PIPES_MAX 64

static const char *control_path;
static double timeout_s = TIMEOUT_S_DEFAULT;

typedef struct fifo_pipe {
    fifo_command_t command;
    mofka_driver_t *driver; /* borrowed */
    bool made;              /* this command made the pipe, and removes it at the end */
    atomic_bool ended, failed;
    pthread_t thread;
} fifo_pipe_t;

/* ---- pipes ----------------------------------------------------------------------------------- */

/* Make a named pipe at `path` if none exists. False: a message was printed. */
static bool fifo_make_pipe(const char *path, bool *made) {
    struct stat found;
    *made = mkfifo(path, 0600) == 0;
    if (*made)
        return true;
    if (errno != EEXIST || stat(path, &found) != 0)
        ctl_complain("cannot make the pipe '%s': %s", path, strerror(errno));
    else if (S_ISFIFO(found.st_mode))
        return true;
    else
        ctl_complain("'%s' exists and is not a named pipe", path);
    return false;
}

/* Whoever owns a pipe, or can write it, decides what comes from it. What goes into a pipe of
 * another user is that user's to read. So pipes are the user's own. False: a message was printed.
 */
static bool fifo_is_own(int fd, const char *what, const char *path) {
    struct stat found;
    if (fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode) && found.st_uid == geteuid() &&
        !(found.st_mode & (S_IWGRP | S_IWOTH)))
        return true;
    ctl_complain("other users can write the %s '%s'; make it with mkfifo -m 600, or let this "
                 "command make it",
                 what, path);
    return false;
}

/* Open the pipe anew after its last writer left, so that the end of file is reported once. The old
 * descriptor stays open meanwhile, so a writer that has come already stays connected. */
static bool fifo_reopen(const char *path, int *fd) {
    int next = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (next < 0)
        ctl_complain("cannot open '%s': %s", path, strerror(errno));
    if (next < 0 || !fifo_is_own(next, "pipe", path)) {
        if (next >= 0)
            close(next);
        return false;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = next;
    return true;
}

/* ---- path -> topic --------------------------------------------------------------------------- */

static bool fifo_produce(fifo_pipe_t *pipe, mofka_topic_t *topic) {
    assert(pipe->command.verb == FIFO_PRODUCE);
    const fifo_command_t *command = &pipe->command;
    intake_options_t wanted = {
        .batch_size = command->batch_size, .timeout_s = timeout_s, .json = command->json};
    char what[64];
    intake_t intake;
    if (!intake_open(&intake, topic, &wanted))
        return false;
    intake_from(&intake, command->path);
    int fd = -1;
    bool good = fifo_reopen(command->path, &fd);
    while (good && intake_take(&intake, fd)) /* the lines until the last writer leaves */
        good = fifo_reopen(command->path, &fd);
    if (fd >= 0)
        close(fd);
    snprintf(what, sizeof what, "fifo: %.*s", MFI_QUOTE(command->path, strlen(command->path), 50));
    return intake_close(&intake, what) && good;
}

/* ---- path <- topic --------------------------------------------------------------------------- */

/* Wait for a reader, and open the pipe. -1: interrupted, or a message was printed. */
static int fifo_open_for_reader(const char *path) {
    while (!interrupt_came()) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && fifo_is_own(fd, "pipe", path))
            return fd;
        if (fd >= 0) {
            close(fd);
            return -1;
        }
        if (errno != ENXIO) {
            ctl_complain("cannot open '%s': %s", path, strerror(errno));
            return -1;
        }
        interrupt_sleep(0.02);
    }
    return -1;
}

/* Write each event whole, then acknowledge it. If the reader leaves before that, `*kept` is the
 * event that the next reader gets first. */
static drain_kind_t fifo_serve_reader(drain_t *drain, int fd, mofka_event_t **kept) {
    assert(fd >= 0);
    static const event_line_style_t style = {.raw = true};
    sink_t sink;
    drain_kind_t kind = *kept ? DRAIN_EVENT : DRAIN_NONE;
    mofka_event_t *event = *kept;
    *kept = NULL;
    sink_open(&sink, fd);
    while (!interrupt_came()) {
        if (kind == DRAIN_NONE)
            kind = drain_next(drain, SLICE_MS, &event);
        if (kind != DRAIN_EVENT) {
            if (kind != DRAIN_NONE || !sink_has_reader(&sink))
                break;
            continue;
        }
        if (!event_line_write(&sink, &style, event) || !sink_flush(&sink)) {
            *kept = event;
            break;
        }
        drain_done(drain, event);
        drain_acknowledge(drain);
        kind = DRAIN_NONE;
    }
    sink_close(&sink);
    return *kept ? DRAIN_NONE : kind;
}

static bool fifo_consume(fifo_pipe_t *pipe, mofka_topic_t *topic) {
    assert(pipe->command.verb == FIFO_CONSUME);
    const fifo_command_t *command = &pipe->command;
    drain_t drain;
    drain_options_t options = {.name = command->name[0] ? command->name : NULL,
                               .start = command->from_end ? MOFKA_START_END : MOFKA_START_BEGINNING,
                               .batch_size = command->batch_size};
    if (!drain_open(&drain, topic, &options))
        return false;
    mofka_event_t *kept = NULL;
    drain_kind_t kind = DRAIN_NONE;
    while (kind != DRAIN_COMPLETE && kind != DRAIN_FAILED && !interrupt_came()) {
        int fd = fifo_open_for_reader(command->path);
        if (fd < 0)
            break;
        kind = fifo_serve_reader(&drain, fd, &kept);
        close(fd);
    }
    mofka_event_release(kept);
    bool good = drain_close(&drain) && (kind == DRAIN_COMPLETE || interrupt_came());
    return good && drain.failed == 0;
}

/* ---- the control pipe ------------------------------------------------------------------------ */

static void *fifo_serve(void *context) {
    fifo_pipe_t *pipe = context;
    mofka_topic_t *topic = ctl_job_open_topic(pipe->driver, pipe->command.topic, timeout_s);
    bool good = topic ? pipe->command.verb == FIFO_PRODUCE ? fifo_produce(pipe, topic)
                                                           : fifo_consume(pipe, topic)
                      : interrupt_came();
    mofka_topic_release(topic);
    if (!good)
        pipe->failed = true;
    pipe->ended = true;
    return NULL;
}

typedef struct fifo_pipes {
    mofka_driver_t *driver;
    fifo_pipe_t *list[PIPES_MAX];
    size_t count;
    bool failed;
} fifo_pipes_t;

static void fifo_join(fifo_pipes_t *pipes, size_t index) {
    assert(index < pipes->count && pipes->count <= PIPES_MAX);
    fifo_pipe_t *pipe = pipes->list[index];
    pthread_join(pipe->thread, NULL);
    pipes->failed |= pipe->failed;
    if (pipe->made)
        unlink(pipe->command.path);
    free(pipe);
    pipes->list[index] = pipes->list[--pipes->count];
}

static bool fifo_add(fifo_pipes_t *pipes, const fifo_command_t *command) {
    assert(pipes->count <= PIPES_MAX && command->verb != FIFO_NOTHING);
    for (size_t i = 0; i < pipes->count; i++)
        if (strcmp(pipes->list[i]->command.path, command->path) == 0) {
            ctl_complain("'%s' is already a pipe of topic '%s'", command->path,
                         pipes->list[i]->command.topic);
            return false;
        }
    if (pipes->count == PIPES_MAX) {
        ctl_complain("'%s': there are already %d pipes", command->path, PIPES_MAX);
        return false;
    }
    fifo_pipe_t *pipe = calloc(1, sizeof *pipe);
    if (!pipe) {
        ctl_complain("no memory for a pipe");
        return false;
    }
    pipe->command = *command;
    pipe->driver = pipes->driver;
    if (fifo_make_pipe(command->path, &pipe->made)) {
        if (pthread_create(&pipe->thread, NULL, fifo_serve, pipe) == 0) {
            pipes->list[pipes->count++] = pipe;
            return true;
        }
        ctl_complain("'%s': cannot start a thread", command->path);
    }
    free(pipe);
    return false;
}

static void fifo_obey(fifo_pipes_t *pipes, uint64_t number, const char *text, size_t bytes) {
    fifo_command_t command;
    fifo_error_t error;
    bool good = fifo_parse(text, bytes, &command, &error);
    if (!good)
        ctl_complain("%s, line %llu, column %zu: %s", control_path, (unsigned long long)number,
                     error.column, error.text);
    else if (command.verb != FIFO_NOTHING)
        good = fifo_add(pipes, &command);
    pipes->failed |= !good;
}

/* Follow the control pipe until interrupted. It is also open for writing here, so it never ends. */
static void fifo_obey_all(fifo_pipes_t *pipes, int fd) {
    assert(pipes->count == 0);
    lines_t lines;
    const char *text;
    size_t bytes;
    lines_open(&lines, fd, FIFO_LINE_BYTES_MAX);
    while (!interrupt_came()) {
        line_kind_t kind = lines_next(&lines, SLICE_MS, &text, &bytes);
        for (size_t i = pipes->count; i-- > 0;)
            if (pipes->list[i]->ended)
                fifo_join(pipes, i);
        if (kind == LINE_TEXT) {
            fifo_obey(pipes, lines.number, text, bytes);
        } else if (kind != LINE_NONE) {
            pipes->failed = true;
            ctl_complain("%s, line %llu: %s", control_path, (unsigned long long)lines.number,
                         kind == LINE_TOO_LONG ? "too long" : strerror(errno));
        }
        if (kind == LINE_ERROR)
            break;
    }
    lines_close(&lines);
}

static int fifo_run(mofka_driver_t *driver) {
    static fifo_pipes_t pipes;
    bool made;
    pipes.driver = driver;
    if (!fifo_make_pipe(control_path, &made))
        return CTL_FAILED;
    int fd = open(control_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        ctl_complain("cannot open '%s': %s", control_path, strerror(errno));
    /* Its lines make this process read and write files of its user. */
    pipes.failed = fd < 0 || !fifo_is_own(fd, "control pipe", control_path);
    if (!pipes.failed)
        fifo_obey_all(&pipes, fd);
    while (pipes.count > 0)
        fifo_join(&pipes, pipes.count - 1);
    if (fd >= 0)
        close(fd);
    if (made)
        unlink(control_path);
    return pipes.failed ? CTL_FAILED : CTL_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool fifo_check(int count, char **words) {
    return args_take_word(count, words, "CONTROL pipe", "the path of the CONTROL pipe",
                          &control_path);
}

static const option_row_t options[] = {
    {"timeout", OPTION_SECONDS, &timeout_s, "SECONDS",
     "how long to wait for a pipe's topic to exist, and for room in it (30)", 0, 0, NULL},
};

const ctl_command_t fifo_command = {
    .name = "fifo",
    .arguments = "CONTROL",
    .summary = "Named pipes to and from topics, added by lines written into the pipe CONTROL",
    .notes =
        "  PATH -> TOPIC (format = raw|json, batch_size = N)\n"
        "  PATH <- TOPIC (name = NAME, from = beginning|end, batch_size = N)\n\n"
        "->: each line written into the pipe becomes an event, as it is. With format = json, a "
        "line that\nis not JSON is refused. <-: the metadata of each event is written into the "
        "pipe, one event a\nline, while the pipe has a reader. The pipe is closed when the topic "
        "is complete.\nThe parentheses may be left out. Words with spaces or ( ) , = # need double "
        "quotes. Pipes that\ndo not exist are created, and removed at the end. SIGINT and SIGTERM "
        "end the command; lines that\nwere read whole are stored first.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .check = fifo_check,
    .run = fifo_run,
};
