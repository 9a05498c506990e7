#!/usr/bin/env bash
# Search and k-means beside faiss and scikit-learn, alternately, two threads, in one run.
# Usage: benches/cluster/run.sh [CASE ..]   (all cases unless named; see compare.py)
# The peers come from PyPI into benches/.venv. Run it on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x benches/.venv/bin/python ] || python3 -m venv benches/.venv
benches/.venv/bin/pip install --quiet faiss-cpu scikit-learn
cargo build --quiet --release -p sporeprint-cluster --example cluster_bench
benches/.venv/bin/python benches/cluster/compare.py target/release/examples/cluster_bench "$@"
