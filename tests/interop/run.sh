#!/usr/bin/env bash
# Runs ec-node against MoQ peers of other projects, and prints who works with whom. Not part of the tests: the peers are Rust
# crates, compiled once, in pinned versions, into a cache folder (EC_INTEROP_CACHE; a few minutes and 2 GB).
#   tests/interop/run.sh [path of ec-node]
set -euo pipefail
cd "$(dirname "$0")/../.."
ec_node=${1:-build/src/node/ec-node}
cache=${EC_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ec-node-interop}

if [ ! -x "$ec_node" ]; then
  echo "interop: $ec_node is not there: ./deploy/setup.sh builds it" >&2
  exit 2
fi
if ! command -v cargo >/dev/null; then
  echo "interop: skipped: cargo is not installed, and the peers are Rust crates"
  exit 0
fi

# crate, version, and whether its own lock file builds
peers=("moq-test-client 0.2.0 --locked" "moq-relay-ietf 0.8.0 --locked" "moq-relay 0.17.10")
for peer in "${peers[@]}"; do
  read -r crate version locked <<<"$peer"
  mark="$cache/$crate-$version"
  [ -e "$mark" ] && [ -x "$cache/bin/$crate" ] && continue
  echo "interop: compiling $crate $version into $cache"
  mkdir -p "$cache"
  cargo install --quiet ${locked:+"$locked"} --root "$cache" "$crate@$version"
  touch "$mark"
done

exec python3 tests/interop/matrix.py "$ec_node" "$cache/bin"
