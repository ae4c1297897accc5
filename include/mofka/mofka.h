/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The whole API that does not depend on a backend. Two headers are apart, for authors of backends
 * and types: backend.h and register.h.
 *
 * No call changes errno, so that instrumentation can call the library from within a wrapped
 * function.
 */
#ifndef MOFKA_MOFKA_H
#define MOFKA_MOFKA_H
#include <mofka/archive.h>
#include <mofka/claim.h>
#include <mofka/consumer.h>
#include <mofka/data_descriptor.h>
#include <mofka/data_view.h>
#include <mofka/driver.h>
#include <mofka/event.h>
#include <mofka/event_run.h>
#include <mofka/future.h>
#include <mofka/limits.h>
#include <mofka/log.h>
#include <mofka/metadata.h>
#include <mofka/options.h>
#include <mofka/partition_selector.h>
#include <mofka/producer.h>
#include <mofka/serializer.h>
#include <mofka/stats.h>
#include <mofka/status.h>
#include <mofka/thread_pool.h>
#include <mofka/topic.h>
#include <mofka/types.h>
#include <mofka/validator.h>
#endif
