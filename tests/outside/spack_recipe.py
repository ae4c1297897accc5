# SPDX-License-Identifier: BSD-3-Clause
"""The Spack recipe against CMakeLists.txt: it is run with stand-ins for Spack's functions.
   spack_recipe.py SOURCES"""
import re
import sys
import types
from pathlib import Path

sources = Path(sys.argv[1])
recipe = sources / "scripts/packages/spack/packages/mofka_mpi/package.py"
variants, depends, versions = {}, {}, {}


class CMakePackage:
    """Collects what cmake_args defines."""

    def __init__(self, chosen, run_tests):
        self.chosen, self.run_tests = chosen, run_tests
        self.spec = {"mpi": types.SimpleNamespace(mpicc="/mpi/bin/mpicc")}

    def define(self, name, value):
        return name, value

    def define_from_variant(self, name, variant):
        return name, self.chosen[variant]


spack, package = types.ModuleType("spack"), types.ModuleType("spack.package")
package.CMakePackage = CMakePackage
package.license = package.conflicts = lambda *args, **more: None
package.variant = lambda name, **more: variants.update({name: more})
package.version = lambda name, **more: versions.update({name: more})
package.depends_on = lambda spec, **more: depends.update({re.split("[@:]", spec)[0]: (spec, more)})
sys.modules.update({"spack": spack, "spack.package": package})
names = {}
exec(compile(recipe.read_text(), str(recipe), "exec"), names)
MofkaMpi = names["MofkaMpi"]

cmake = (sources / "CMakeLists.txt").read_text()
plugins = (sources / "src/plugins/plugins.cmake").read_text()
benchmarks = (sources / "benchmarks/CMakeLists.txt").read_text()
bindings = "".join(file.read_text() for file in sorted(sources.glob("src/bindings/*/*.cmake")))
options = dict(re.findall(r'option\((\w+) "[^"]*" (\S+)\)', cmake + plugins + bindings))

# The variants' options are there, and no option is set that is not.
assert MofkaMpi.homepage == "" and MofkaMpi.url == ""
project = re.search(r"project\(mofka VERSION ([0-9.]+)", cmake).group(1)
assert list(versions) == [project] and versions[project] == {"sha256": ""}, versions
for on in (False, True):
    defined = dict(MofkaMpi({name: on for name in variants}, on).cmake_args())
    assert defined.pop("MPI_C_COMPILER") == "/mpi/bin/mpicc"
    assert defined.pop("MOFKA_TESTS") is on and "MOFKA_TESTS" in options
    assert len(defined) == len(variants), (defined, variants)
    for name, value in defined.items():
        assert name in options, f"{name} is not an option of CMakeLists.txt: {options}"
        assert value is on, name

# The recipe depends on all that CMake requires, under the same conditions.
least = re.search(r"cmake_minimum_required\(VERSION ([0-9.]+)\)", cmake).group(1)
assert depends["cmake"][0] == f"cmake@{least}:", depends["cmake"]
assert "mpi" in depends and "pkgconfig" in depends
spack_names = {"libcjson": "cjson", "libxxhash": "xxhash", "libpcre2-8": "pcre2", "libzstd": "zstd"}
for text, when in ((cmake, None), (plugins, "+plugins"), (benchmarks, "+benchmarks")):
    for module in re.findall(r"pkg_check_modules\(\w+ (?:REQUIRED )?(?:IMPORTED_TARGET )?([\w-]+)\)", text):
        spec, more = depends[spack_names.get(module, module)]
        option = "+serve" if module == "libmicrohttpd" else when
        assert more.get("when") == option, (module, spec, more)
print(f"the recipe fits: variants {', '.join(variants)}; {len(depends)} dependencies")
