# SPDX-License-Identifier: BSD-3-Clause
"""Rank 0 ends by an exception while rank 1 waits for ever: the job ends, and says why."""
import mofka

with mofka.Driver() as driver:
    if driver.rank == 0:
        driver.create_topic("t")
        raise KeyError("rank 0 failed")
    with driver.open_topic("t").consumer("r") as consumer:
        print(consumer.pull().wait())
