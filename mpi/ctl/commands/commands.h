/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of mofkactl, and what several of them use. */
#ifndef MOFKA_MPI_CTL_COMMANDS_COMMANDS_H
#define MOFKA_MPI_CTL_COMMANDS_COMMANDS_H

#include "mpi/ctl/options/groups.h"
#include "mpi/ctl/options/args.h"

extern const ctl_command_t topic_create_command, topic_list_command, topic_info_command,
    topic_delete_command, topic_evict_command, produce_command, consume_command, forward_command,
    fifo_command, top_command, serve_command, log_list_command, log_info_command, log_dump_command,
    log_verify_command, log_repair_command, log_cut_command, log_unlock_command;

/* The options that create a topic: --topic..., --validator..., --selector... and --serializer... */
typedef struct ctl_topic_groups {
    option_group_t options, validator, selector, serializer;
} ctl_topic_groups_t;

/* What to do if a topic that is to be created exists: "fail" or "ignore". */
typedef enum ctl_if_exists { CTL_EXISTS_FAIL, CTL_EXISTS_IGNORE } ctl_if_exists_t;

/* Create a topic, or use the one that exists. With CTL_EXISTS_FAIL, that one must have been created
 * with the same validator, selector and serializer, and with these values of its options, as far as
 * any are given. MOFKA_ERR_EXISTS: it was not; the message has the difference. */
mofka_status_t ctl_topic_create_or_use(mofka_driver_t *driver, const char *name,
                                       const mofka_topic_options_t *options,
                                       ctl_if_exists_t if_exists);

/* View the options. */
mofka_topic_options_t ctl_topic_options(const ctl_topic_groups_t *groups);

/* Print that the topic could not be created, and what may help. The answer is the exit code. */
int ctl_topic_complain_of_create(mofka_status_t status, const mofka_topic_options_t *options);

/* Free the options. */
void ctl_topic_groups_clear(ctl_topic_groups_t *groups);

#endif
