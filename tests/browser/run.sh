#!/usr/bin/env bash
# Opens generated reports in the system's Chromium and uses every page: run.sh [IMAGES_OF_THE_LARGE_RUN]
# Needs cargo, Node 20 or later with npm, and Chromium (Debian: apt-get install chromium); CHROMIUM names another.
set -euo pipefail
cd "$(dirname "$0")"
large=${1:-100000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v node npm >/dev/null || { echo "node or npm is missing; hint: apt-get install nodejs npm" >&2; exit 1; }
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$CHROMIUM" ] || { echo "chromium is missing; hint: apt-get install chromium" >&2; exit 1; }
[ -d node_modules/playwright-core ] || npm install --no-audit --no-fund --silent

make_report() { REPORT_DIR=$1 REPORT_IMAGES=$2 cargo test --quiet -p sporeprint --test report -- --ignored browser_run --nocapture; }
make_report "$work/small" 600
make_report "$work/large" "$large"
node pages.js "$work/small/report"
node large.js "$work/large/report" "$large"
