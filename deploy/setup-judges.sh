#!/usr/bin/env bash
# Installs the foreign programs that judge us in tests: npm's hls-parser, hls.js and @moq/net, headless Chromium, and hdhomerun_config for
# the simulated tuner. Only tests need them: the node itself does not. They go to EC_CACHE (default ~/.cache/ec-node), outside of the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup-judges: %s\n' "$*"; }
die() { printf 'setup-judges: %s\n' "$*" >&2; exit 1; }
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root: run it as root, or install sudo"
  fi
}

want=()
command -v node >/dev/null || want+=(nodejs)
command -v npm >/dev/null || want+=(npm)
command -v chromium >/dev/null || want+=(chromium)
command -v hdhomerun_config >/dev/null || want+=(hdhomerun-config)
if [ "${#want[@]}" -ne 0 ]; then
  say "installing: ${want[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "${want[@]}"
fi

cache=${EC_CACHE:-$HOME/.cache/ec-node}/judges
mkdir -p "$cache"
if cmp -s tests/e2e/judge/package-lock.json "$cache/package-lock.json" && [ -f "$cache/node_modules/.package-lock.json" ]; then
  say "the npm packages are in $cache"
  exit 0
fi
rm -f "$cache/package-lock.json"
install -m 0644 tests/e2e/judge/package.json tests/e2e/judge/package-lock.json "$cache/"
# A lock file stays behind a whole install only: a broken one is tried again.
if ! (cd "$cache" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
  rm -f "$cache/package-lock.json"
  die "npm could not install the packages of tests/e2e/judge/package.json"
fi
say "installed in $cache"
