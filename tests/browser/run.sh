#!/usr/bin/env bash
# Opens generated reports in the system's Chromium and uses every page: run.sh [IMAGES_OF_THE_LARGE_RUN]
# Needs cargo, Node 20 or later with npm, and Chromium; on Debian what is missing is installed, as root or by sudo.
# CHROMIUM names another browser of that kind; SHOTS a folder for pictures of every page.
set -euo pipefail
cd "$(dirname "$0")"
large=${1:-100000}

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
install() {
  command -v apt-get >/dev/null || { echo "$* is missing; hint: install it with your system's packages" >&2; exit 1; }
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  echo "installing $*" >&2
  "${root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq "$@" >&2
}
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then install nodejs npm; fi
CHROMIUM=${CHROMIUM:-$(find_chromium)}
[ -n "$CHROMIUM" ] || { install chromium; CHROMIUM=$(find_chromium); }
export CHROMIUM
# What is installed is what the lock file names.
cmp -s package-lock.json node_modules/.from-lock || { npm ci --no-audit --no-fund --silent; cp package-lock.json node_modules/.from-lock; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The whole workspace, so that every dependency is the one that the tests before were built with.
make_report() { REPORT_DIR=$1 REPORT_IMAGES=$2 cargo test --quiet --release --workspace --test report -- --ignored browser_run --nocapture; }
make_report "$work/small" 600
make_report "$work/large" "$large"
[ -z "${SHOTS:-}" ] || mkdir -p "$SHOTS"
node pages.js "$work/small/report" ${SHOTS:+"$SHOTS"}
node large.js "$work/large/report" "$large"
