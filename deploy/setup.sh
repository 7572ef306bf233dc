#!/usr/bin/env bash
# Installs everything that ec-node needs to build, and builds it. Debian 12 and 13, as root or with sudo.
# Idempotent and non-interactive: a second run finds everything in place and only rebuilds what changed.
#
#   ./deploy/setup.sh                    packages, then an optimised build in build/
#   ./deploy/setup.sh --packages-only    packages, no build
#   EC_BUILD_DIR=DIR EC_MESON_ARGS="..." ./deploy/setup.sh    another build directory or other options
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ -r /etc/os-release ] || die "no /etc/os-release: this script knows Debian 12 and 13 only"
# shellcheck disable=SC1091
. /etc/os-release
codename=${VERSION_CODENAME:-unknown}
case "$codename" in
  bookworm|trixie) ;;
  *) die "this is '${PRETTY_NAME:-an unknown system}'; Debian 12 (bookworm) or 13 (trixie) is needed" ;;
esac

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root: run it as root, or install sudo"
  fi
}

packages=(
  g++ pkg-config meson ninja-build python3 ca-certificates
  libcaf-dev libngtcp2-dev libngtcp2-crypto-gnutls-dev libnghttp3-dev libgnutls28-dev nettle-dev libblake3-dev
  rapidjson-dev libboost-dev libboost-program-options-dev libdvbpsi-dev libcurl4-openssl-dev libmicrohttpd-dev libspdlog-dev libhdhomerun-dev libtorrent-rasterbar-dev libavahi-core-dev
  libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
  doctest-dev libbenchmark-dev ffmpeg
)

missing() {
  local p
  for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || printf '%s\n' "$p"
  done
}

meson_is_old() { ! command -v meson >/dev/null || [ "$(printf '1.1\n%s\n' "$(meson --version)" | sort -V | head -n1)" != 1.1 ]; }

# Where this machine already gets Debian from, so that a mirror or a proxy that is set up here is used for all of it.
debian_uri() {
  local uri
  uri=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/ 2>/dev/null | head -n1 | tr -d ' ' || true)
  [ -n "$uri" ] || uri=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -vi security | head -n1 || true)
  [ -n "$uri" ] || die "found no Debian mirror in /etc/apt: add one, then run this again"
  printf '%s' "${uri%/}"
}

# ngtcp2, nghttp3 and a newer Meson come from backports on Debian 12; BLAKE3 entered Debian in forky and needs nothing newer
# than any libc6 of these ten years. Everything else of forky is pinned out of reach.
add_sources() {
  local uri keyring list=/etc/apt/sources.list.d/ec-node.sources pin=/etc/apt/preferences.d/ec-node tmp
  uri=$(debian_uri)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  tmp=$(mktemp)
  {
    if [ "$codename" = bookworm ]; then
      printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n\n' "$uri" "$keyring"
    fi
    printf 'Types: deb\nURIs: %s\nSuites: forky\nComponents: main\nSigned-By: %s\nCheck-Valid-Until: no\n' "$uri" "$keyring"
  } >"$tmp"
  cmp -s "$tmp" "$list" || as_root install -m 0644 "$tmp" "$list"
  {
    printf 'Package: *\nPin: release n=forky\nPin-Priority: -10\n\n'
    printf 'Package: libblake3-0 libblake3-dev\nPin: release n=forky\nPin-Priority: 500\n\n'
    if [ "$codename" = bookworm ]; then
      printf 'Package: meson libngtcp2* libnghttp3*\nPin: release n=bookworm-backports\nPin-Priority: 500\n'
    fi
  } >"$tmp"
  cmp -s "$tmp" "$pin" || as_root install -m 0644 "$tmp" "$pin"
  rm -f "$tmp"
}

install_packages() {
  local want
  mapfile -t want < <(missing)
  if meson_is_old; then want+=(meson); fi
  if [ "${#want[@]}" -eq 0 ]; then
    say "all ${#packages[@]} packages are installed"
    return
  fi
  say "installing: ${want[*]}"
  add_sources
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3 update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "${want[@]}"
  mapfile -t want < <(missing)
  [ "${#want[@]}" -eq 0 ] || die "could not install: ${want[*]}"
}

install_packages
[ "${1:-}" != --packages-only ] || exit 0

build=${EC_BUILD_DIR:-build}
# shellcheck disable=SC2086
if [ -f "$build/build.ninja" ]; then
  [ -z "${EC_MESON_ARGS:-}" ] || meson configure "$build" ${EC_MESON_ARGS}
else
  # -O2 and with assertions: a node that finds itself wrong stops and is started again.
  meson setup "$build" --buildtype=release -Doptimization=2 -Db_ndebug=false ${EC_MESON_ARGS:-}
fi
ninja -C "$build"
say "built: $build/src/node/ec-node"
