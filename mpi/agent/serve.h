/* SPDX-License-Identifier: BSD-3-Clause */
/* An owner does what ranks of other nodes ask of it. */
#ifndef MOFKA_MPI_AGENT_SERVE_H
#define MOFKA_MPI_AGENT_SERVE_H

#include "mpi/errand/errand.h"

/* See mmi_serve_t. */
mofka_status_t mmi_agent_serve(mmi_window_t *w, const uint64_t *words, size_t count,
                               uint64_t results[MMI_RESULT_WORDS]);

#endif
