/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of mofkactl, and what several of them use. */
#ifndef MOFKA_MPI_CTL_COMMANDS_COMMANDS_H
#define MOFKA_MPI_CTL_COMMANDS_COMMANDS_H

#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/args.h"

extern const ctl_command_t topic_create_command, topic_list_command, topic_info_command,
    produce_command, consume_command, forward_command, fifo_command, top_command;

/* The options that create a topic: --topic..., --validator..., --selector... and --serializer... */
typedef struct ctl_topic_groups {
    option_group_t options, validator, selector, serializer;
} ctl_topic_groups_t;

/* Create a topic with these options. */
mofka_status_t ctl_topic_create(mofka_driver_t *driver, const char *name,
                                const ctl_topic_groups_t *groups);

/* Free the options. */
void ctl_topic_groups_clear(ctl_topic_groups_t *groups);

#endif
