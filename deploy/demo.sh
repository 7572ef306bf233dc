#!/usr/bin/env bash
# The whole mesh on this machine, as separate processes over QUIC: a simulated HDHomeRun tuner with a test broadcast, a leader that
# publishes signed manifests and no chunks, a relay that publishes chunks and no manifests from its own reading of the same broadcast,
# and a subscriber that takes manifests from the one and objects from the other, verifies, and writes HLS.
#
#   ./deploy/demo.sh             installs what is missing, builds, runs for 30 s
#   ./deploy/demo.sh --forever   keeps running until Ctrl-C
#   ./deploy/demo.sh --seconds N runs for N s
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=30
while [ $# -gt 0 ]; do
  case "$1" in
    --forever) seconds=0 ;;
    --seconds) seconds=${2:?--seconds takes a number}; shift ;;
    *) echo "usage: demo.sh [--forever | --seconds N]" >&2; exit 2 ;;
  esac
  shift
done

build=${EC_BUILD_DIR:-build}
export EC_BUILD_DIR=$build
log=$(mktemp)
if ! ./deploy/setup.sh >"$log" 2>&1; then
  cat "$log" >&2
  echo "demo: the set-up failed, see above" >&2
  exit 1
fi
rm -f "$log"
node=$build/src/node/ec-node

work=$PWD/$build/demo
mkdir -p "$work"
rm -rf "$work/hls" "$work"/*.addr
[ -f "$work/leader.key" ] || "$node" keygen --out "$work/leader.key" >"$work/leader.pub"

pids=()
finish() {
  local pid
  trap - EXIT INT TERM
  # From the subscriber back to the tuner: everyone ends in order, nobody sees a fault.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    pid=${pids[i]}
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
}
trap finish EXIT
trap 'finish; exit 0' INT TERM

start() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >"$work/$name.out" 2>"$work/$name.log" &
  pids+=($!)
}

wait_for() { # FILE NAME
  local i
  for ((i = 0; i < 300; i++)); do
    if [ -s "$work/$1" ]; then return; fi
    kill -0 "${pids[-1]}" 2>/dev/null || break
    read -rt 0.1 <> <(:) || true
  done
  echo "demo: the $2 did not start:" >&2
  cat "$work/$2.out" "$work/$2.log" >&2
  exit 1
}

start tuner "$node" simulate-tuner --listen 127.0.0.1:0 --endpoint-addr-out "$work/tuner.addr"
wait_for tuner.addr tuner
tuner=$(cat "$work/tuner.addr")
echo "tuner      $tuner (simulated HDHomeRun, channel 5.1)"

stream="ec/stream/v1/source/kind-hdhomerun/device-demo/channel-5.1/profile-ts-v1/variant-main"
start leader "$node" moq-publish --input "$tuner/auto/v5.1" --stream-id "$stream" --listen 127.0.0.1:0 --state-dir "$work/leader" \
  --key "$work/leader.key" --publish-manifests --publish-chunks=false --endpoint-addr-out "$work/leader.addr"
wait_for leader.addr leader
echo "leader     $(cat "$work/leader.addr") (manifests only)"

start relay "$node" moq-publish --input "$tuner/auto/v5.1" --stream-id "$stream" --listen 127.0.0.1:0 --state-dir "$work/relay" \
  --endpoint-addr-out "$work/relay.addr"
wait_for relay.addr relay
echo "relay      $(cat "$work/relay.addr") (chunks only)"
echo "stream-id  $stream"
echo "signer     $(cat "$work/leader.pub")"
echo "playlist   $work/hls/index.m3u8"
echo "           play it: ffplay $work/hls/index.m3u8    or: vlc $work/hls/index.m3u8"
echo "           check it: $node verify $work/hls --trust $(cat "$work/leader.pub")"
if [ "$seconds" -gt 0 ]; then echo "           ends by itself after $seconds s; --forever keeps it running"; fi

"$node" moq-subscribe --remote-manifests "$(cat "$work/leader.addr")" --remote "$(cat "$work/relay.addr")" --stream-id "$stream" \
  --require-manifest --trust "$(cat "$work/leader.pub")" --state-dir "$work/subscriber" --hls-dir "$work/hls" \
  --hls-mode event &
pids+=($!)
subscriber=$!
if [ "$seconds" -gt 0 ]; then
  # `sleep` in the background of a wait, so that a subscriber that ends early ends the demo.
  sleep "$seconds" &
  timer=$!
  wait -n "$subscriber" "$timer" || true
  kill "$timer" 2>/dev/null || true
else
  wait "$subscriber" || true
fi
finish
echo
"$node" verify "$work/hls" --trust "$(cat "$work/leader.pub")"
