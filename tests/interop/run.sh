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

# crate, version, and options: --locked where its own lock file builds
peers=("moq-test-client 0.2.0 --locked" "moq-relay-ietf 0.8.0 --locked" "moq-relay 0.17.10" "moq-pub 0.10.0 --locked" "moq-sub 0.5.0 --locked"
       "moq-cli 0.14.10 --no-default-features --features noq")
for peer in "${peers[@]}"; do
  read -r crate version options <<<"$peer"
  mark="$cache/$crate-$version"
  [ -e "$mark" ] && continue
  echo "interop: compiling $crate $version into $cache"
  mkdir -p "$cache"
  # shellcheck disable=SC2086 # options are words
  cargo install --quiet $options --root "$cache" "$crate@$version"
  touch "$mark"
done

exec python3 tests/interop/matrix.py "$ec_node" "$cache/bin"
