#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The package as users get it: from the prefix by PYTHONPATH, and from a wheel and an sdist by pip.
#   package_test.sh BUILD-DIRECTORY SOURCE-DIRECTORY VERSION PYTHON
set -euo pipefail
build=$1 source=$2 version=$3 python=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MOFKA_LIBRARY PYTHONPATH
cd "$work"
check="import mofka, mofka._c.library as l; assert mofka.__version__ == '$version', mofka.__version__
print(mofka.__file__, l.library._name); mofka.Driver().close(); print('it works')"

echo "-- from the prefix"
cmake --install "$build" --prefix "$work/prefix" >install.log
package=$(dirname "$(find "$work/prefix" -path '*/python/mofka' -print -quit)")
PYTHONPATH=$package "$python" -c "$check" | tee out
grep -F "$work/prefix" out | grep -qF "libmofka-mpi.so.0"
[ ! -e "$package/mofka/__pycache__" ] || [ -z "$(find "$package" -newer install.log -name '*.so')" ]

echo "-- from an sdist and a wheel"
for module in setuptools wheel pip; do
    "$python" -c "import $module" 2>/dev/null || { echo "skipped: $module is not installed for $python"; exit 77; }
done
cp -r "$source/src/bindings/python" tree
find tree -name __pycache__ -prune -exec rm -rf {} +
"$python" -c "import setuptools, sys; sys.exit(int(setuptools.__version__.split('.')[0]) < 61)" ||
    { echo "skipped: setuptools is older than 61"; exit 77; }
(cd tree && "$python" -c "from setuptools.build_meta import build_sdist; build_sdist('$work')") >sdist.log 2>&1 ||
    { cat sdist.log; exit 1; }
"$python" -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir "$work" mofka*.tar.gz
"$python" -m pip install --quiet --no-deps --no-index --target site mofka*.whl
for file in $(cd "$source/src/bindings/python" && find mofka -name '*.py' -o -name py.typed); do
    cmp "$source/src/bindings/python/$file" "site/$file"
done
LD_LIBRARY_PATH=$build PYTHONPATH=site "$python" -c "$check" | tee out
grep -q "it works" out
MOFKA_LIBRARY=$build PYTHONPATH=site "$python" -c "$check" | grep -q "it works"
