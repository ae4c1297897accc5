# SPDX-License-Identifier: BSD-3-Clause
"""The C library: how it is found, what is said if it is not, and that both sides see the same structs.

Run by PYTHON_LAYOUT (layout.c's program); MOFKA_LIBRARY is the library of the build.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import mofka
from mofka._c import functions
from mofka._c.library import library, mpi_name, mpi_version
from support import run

LIBRARY = os.path.realpath(os.environ["MOFKA_LIBRARY"])
CORE = os.path.join(os.path.dirname(LIBRARY), "libmofka.so.0")
PACKAGE = os.path.dirname(os.path.abspath(mofka.__file__))
FAKE_MPI4PY = """
import sys, types
fake = types.ModuleType("mpi4py.MPI")
fake.Get_library_version = lambda: %r
fake.Comm = type("Comm", (), {"py2f": lambda self: 0})
sys.modules["mpi4py.MPI"] = fake
"""


class Layout(unittest.TestCase):
    STRUCTS = {"topic_options": functions.TopicOptions, "producer_options": functions.ProducerOptions,
               "consumer_options": functions.ConsumerOptions, "process_options": functions.ProcessOptions,
               "thread_pool_options": functions.ThreadPoolOptions, "result": functions.Result,
               "segment": functions.Segment, "range": functions.Range}

    @classmethod
    def setUpClass(cls):
        cls.layout = json.loads(subprocess.check_output([os.environ["PYTHON_LAYOUT"]]))

    def test_structs(self):
        for name, struct in self.STRUCTS.items():
            kind = "mofka_%s_t" % name
            ours = {"%s.%s" % (kind, field[0]): getattr(struct, field[0]).offset for field in struct._fields_}
            theirs = {key: value for key, value in self.layout.items() if key.startswith(kind + ".")}
            self.assertEqual(ours, theirs)
            self.assertEqual(functions.ctypes.sizeof(struct), self.layout[kind])

    def test_values(self):
        for status in mofka.Status:
            name = "MOFKA_%s%s" % ("" if status >= 0 else "ERR_", status.name)
            self.assertEqual(self.layout[name], status)
        self.assertEqual(len([n for n in self.layout if n.startswith("MOFKA_ERR_")]), len(mofka.Status) - 2)
        pairs = {"ORDERING_STRICT": mofka.Ordering.Strict, "ORDERING_LOOSE": mofka.Ordering.Loose,
                 "BINDING_COMPACT": mofka.Binding.Compact, "BINDING_SPREAD": mofka.Binding.Spread,
                 "BINDING_NONE": mofka.Binding.Free, "NOT_STORED": mofka.Delivery.NotStored,
                 "POSSIBLY_STORED": mofka.Delivery.PossiblyStored, "STORED": mofka.Delivery.Stored,
                 "DURABLE": mofka.Delivery.Durable,
                 "WHEN_FULL_WAIT": 0, "WHEN_FULL_DROP_NEWEST": 1,
                 "START_BEGINNING": 0, "START_END": 1, "ACKNOWLEDGE_MANUAL": 0, "ACKNOWLEDGE_AUTO": 1}
        for name, value in pairs.items():
            self.assertEqual(self.layout["MOFKA_" + name], value)


class Search(unittest.TestCase):
    def check(self, program, expected, *, code=1, **environment):
        done = run(program, **environment)
        self.assertEqual(done.returncode, code, done.stderr)
        for text in expected if isinstance(expected, tuple) else (expected,):
            self.assertIn(text, done.stderr if code else done.stdout)

    def test_a_file_or_a_folder_is_named(self):
        program = "import mofka._c.library as l, os; print(os.path.realpath(l.library._name))"
        self.check(program, LIBRARY, code=0, MOFKA_LIBRARY=LIBRARY)
        self.check(program, LIBRARY, code=0, MOFKA_LIBRARY=os.path.dirname(LIBRARY))

    def test_what_was_tried_is_said(self):
        self.check("import mofka", ("ImportError", "MOFKA_LIBRARY", "/nowhere/libx.so: "),
                   MOFKA_LIBRARY="/nowhere/libx.so")
        self.check("import mofka", ("ImportError", "/dev/libmofka-mpi.so.0"), MOFKA_LIBRARY="/dev")
        self.check("import mofka", ("ImportError", "invalid ELF header"), MOFKA_LIBRARY=__file__)
        self.check("import mofka", ("ImportError", "LD_LIBRARY_PATH", "libmofka.so.0: "), MOFKA_LIBRARY=None,
                   LD_LIBRARY_PATH="/nowhere")

    def test_another_library(self):
        self.check("import mofka", ("ImportError", "has no mofka_"), MOFKA_LIBRARY="libc.so.6")

    def test_the_loaders_path(self):
        folder = os.path.dirname(LIBRARY)
        self.check("import mofka; print('loaded')", "loaded", code=0, MOFKA_LIBRARY=None, LD_LIBRARY_PATH=folder)

    def test_beside_the_package(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(PACKAGE, os.path.join(folder, "python", "mofka"))
            for name in os.listdir(os.path.dirname(LIBRARY)):
                if name.startswith(("libmofka.so", "libmofka-mpi.so")):
                    os.symlink(os.path.join(os.path.dirname(LIBRARY), name), os.path.join(folder, name))
            self.check("import mofka._c.library as l; print(l.library._name)", folder, code=0, MOFKA_LIBRARY=None,
                       PYTHONPATH=os.path.join(folder, "python"))

    def test_without_mpi_all_but_the_mpi_driver_works(self):
        self.check("""
import mofka
print(mofka.Validator(type="default").metadata)
try:
    mofka.Driver()
except mofka.MofkaError as error:
    print(error)
""", ("{'type': 'default'}", "has no MPI driver: install libmofka-mpi"), code=0, MOFKA_LIBRARY=CORE)

    def test_mpi4py_for_another_mpi(self):
        ours = mpi_name(mpi_version(library))
        other, version = (("MPICH", "MPICH Version: 4.0") if ours == "Open MPI" else
                          ("Open MPI", "Open MPI v4.1.4, package: x"))
        fake = FAKE_MPI4PY % version
        self.check(fake + "import mofka", ("ImportError", "mpi4py is built for %s" % other, "for %s" % ours))
        self.check("import mofka\n" + fake + "mofka.Driver(comm=fake.Comm())",
                   ("MOFKA_ERR_MPI: mpi4py is built for %s" % other,))

    def test_the_launcher_of_another_mpi(self):
        ours = mpi_name(mpi_version(library))
        other, variable = ("MPICH", "PMI_SIZE") if ours == "Open MPI" else ("Open MPI", "OMPI_COMM_WORLD_SIZE")
        program = "import os; os.environ[%r] = '2'\nimport mofka; mofka.Driver()" % variable
        self.check(program, "the mpiexec of %s started 2 processes" % other)


if __name__ == "__main__":
    unittest.main()
