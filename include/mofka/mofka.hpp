/* SPDX-License-Identifier: BSD-3-Clause */
/** @file
 * The whole API that does not depend on a backend, for C++17. It is header-only, over libmofka; the
 * MPI driver is in mpi.hpp. Classes and members have the names of the Diaspora Streaming API, so a
 * program of that API is ported by its namespace and its include lines.
 *
 * - A handle is copied cheaply, and shares its object. The last copy releases it. The last copy of
 *   a Producer, a Consumer and a Driver also closes it, for at most mofka::destructorTimeoutMs;
 * what goes wrong then is a log line of level warn. To see the error, call `close`.
 * - A Driver stays open while a TopicHandle, Producer or Consumer of it lives. Of the MPI driver,
 *   its end is collective, and comes before MPI_Finalize: use a block.
 * - An error is an Exception, with the status and the message of the call.
 * - An exception in a callback (of a type, selector, allocator or processor) becomes the error of
 *   the call that has called back. In a pool's work, and in a free callback, it is logged.
 * - Members of an empty or moved-from handle throw; its `operator bool` is false.
 * - With <nlohmann/json.hpp> in the include path, Metadata also has `json`. MOFKA_NO_JSON turns
 * that off.
 */
#ifndef MOFKA_MOFKA_HPP
#define MOFKA_MOFKA_HPP

#include <mofka/mofka.h>
#include <mofka/cxx/base.hpp>
#include <mofka/cxx/metadata.hpp>
#include <mofka/cxx/data.hpp>
#include <mofka/cxx/types.hpp>
#include <mofka/cxx/thread_pool.hpp>
#include <mofka/cxx/event.hpp>
#include <mofka/cxx/future.hpp>
#include <mofka/cxx/options.hpp>
#include <mofka/cxx/producer.hpp>
#include <mofka/cxx/consumer.hpp>
#include <mofka/cxx/driver.hpp>

#endif
