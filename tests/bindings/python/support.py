# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the Python package share: a driver, new topics, and programs in processes of their own."""
import os
import subprocess
import sys
import unittest

import mofka

try:
    import numpy
except ImportError:
    numpy = None


# A launcher's variables say which rank of which job this is.
_LAUNCHERS = ("PMI", "HYD", "OMPI_COMM", "OMPI_MCA_orte", "OMPI_MCA_ess", "OMPI_UNIVERSE", "PRTE")


class DriverTest(unittest.TestCase):
    """A test with a driver of one rank."""

    options = None
    number = 0

    def setUp(self):
        self.driver = mofka.Driver(options=self.options)
        self.addCleanup(self.driver._end)

    def topic(self, **options):
        DriverTest.number += 1
        name = "topic-%d" % DriverTest.number
        options["options"] = {"partition_bytes": 1 << 18, "partition_events": 4096, **options.get("options", {})}
        self.driver.create_topic(name, **options)
        return self.driver.open_topic(name)

    def filled(self, metadata, data=None, **options):
        """A complete topic that holds these events."""
        topic = self.topic(**options)
        with topic.producer() as producer:
            producer.push_many(metadata, data)
        topic.mark_as_complete()
        return topic


def needs_numpy(test):
    """Skip a test, with a reason, where numpy is not installed."""
    return unittest.skipUnless(numpy, "numpy is not installed")(test)


def run(program, **environment):
    """Run a program in a Python of its own, as one rank; return the completed process.

    A variable of the environment that is None is not set.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LAUNCHERS)}
    kept.update(environment)
    return subprocess.run([sys.executable, "-X", "dev", "-c", program],
                          env={name: value for name, value in kept.items() if value is not None},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, universal_newlines=True)
