# SPDX-License-Identifier: BSD-3-Clause
"""Runs the programs of the package's README: each block ```python NAME, on two ranks, prints ```text NAME.

    python3 readme.py README MPIEXEC...
"""
import re
import subprocess
import sys
import tempfile

path, launcher = sys.argv[1], sys.argv[2:]
with open(path, encoding="utf-8") as file:
    blocks = dict(re.findall(r"^```((?:python|text) \w+)\n(.*?)^```$", file.read(), re.M | re.S))
programs = [name.split()[1] for name in blocks if name.startswith("python ")]
if not programs:
    sys.exit("the README has no program")
failed = False
for name in programs:
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as program:
        program.write(blocks["python " + name])
        program.flush()
        done = subprocess.run(launcher + ["-n", "2", sys.executable, program.name], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)
    missing = [line for line in blocks.get("text " + name, "").splitlines() if line not in done.stdout]
    if done.returncode or missing:
        print("%s: exit code %d, missing: %s\n%s" % (name, done.returncode, missing, done.stdout))
        failed = True
print("programs: %s" % ", ".join(programs))
sys.exit(failed)
