#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Arguments go to `meson test` (say: --suite unit).
# The last line is `N passed, N failed, N skipped`; the exit code is 0 only if nothing failed.
#
#   EC_BUILD_DIR=DIR EC_MESON_ARGS="..."   as in setup.sh
#   EC_TEST_COUNTS=FILE                    writes the counts as JSON too
#   MESON_TESTTHREADS=N                    tests at once; 2 for each core and one
#   CI=true                                also installs the foreign judges (npm, Chromium): setup-judges.sh
set -euo pipefail
cd "$(dirname "$0")/.."

./deploy/setup.sh </dev/null
if [ "${CI:-}" = true ]; then
  ./deploy/setup-judges.sh </dev/null || echo "test: the judges could not be installed; their tests are skipped by name" >&2
fi
# Most of the time goes to tests of whole processes, which wait much and compute little.
export MESON_TESTTHREADS=${MESON_TESTTHREADS:-$((2 * $(nproc) + 1))}
exec python3 tests/run.py "${EC_BUILD_DIR:-build}" ${EC_TEST_COUNTS:+--counts "$EC_TEST_COUNTS"} -- "$@"
