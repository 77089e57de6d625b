#!/usr/bin/env bash
# Installs a denokv server for `deno task test:cluster` into .ci/tools/denokv (some 4 minutes on two cores).
# Does nothing where there is one already (HECATE_DENOKV, PATH, /opt/denokv). Needs cargo; protoc comes from Debian's protobuf-compiler where it is missing and apt-get may be used.
set -euo pipefail
cd "$(dirname "$0")/../.."
root="${HECATE_CI_TOOLS:-$PWD/.ci/tools}/denokv"
for there in "${HECATE_DENOKV:-}" "$root/bin/denokv" /opt/denokv/bin/denokv "$(command -v denokv || true)"; do
  if [ -n "$there" ] && [ -x "$there" ]; then exit 0; fi
done
command -v cargo >/dev/null || { echo "cargo is not installed (https://rustup.rs, or Debian's cargo)" >&2; exit 1; }
if ! command -v protoc >/dev/null; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq >/dev/null || true
  $sudo apt-get install -y -qq protobuf-compiler >/dev/null || { echo "protobuf-compiler could not be installed" >&2; exit 1; }
fi
cargo install --quiet --locked --root "$root" denokv --version 0.14.0
