#!/usr/bin/env bash
# Whole training and evaluation steps, here and in PyTorch, alternating in one run.
# Usage: [CASES=FILE] [LOG=FILE] benches/run.sh [THREADS]   (default 2; PyTorch comes from PyPI into benches/.venv)
# Writes the section "Training speed" of benches/RESULTS.md for the instructions that this processor has.
set -euo pipefail
cd "$(dirname "$0")/.."
threads="${1:-2}"
export RAYON_NUM_THREADS="$threads"
if [ -z "${PYTHON:-}" ]; then
    [ -x benches/.venv/bin/python ] || python3 -m venv benches/.venv
    benches/.venv/bin/pip install --quiet torch torchvision
    PYTHON=benches/.venv/bin/python
fi
[ -n "${SKIP_BUILD:-}" ] || cargo build --quiet --release -p sporeprint-kernels --example vgg_step
ours=target/release/examples/vgg_step
peer() { "$PYTHON" benches/peers/torch_bench.py "$@" --threads "$threads"; }
# LOG keeps the lines and adds to those of earlier runs, where the cases (CASES) are measured a few at a time.
log="${LOG:-$(mktemp)}"
[ -n "${LOG:-}" ] || trap 'rm -f "$log"' EXIT
while read -r mode size batch steps; do
    for _ in 1 2; do
        "$ours" "$mode" "$size" "$batch" "$steps" >>"$log"
        peer "$mode" "$size" "$batch" "$steps" >>"$log"
        peer "$mode" "$size" "$batch" "$steps" --channels-last >>"$log"
    done
    # Without instructions for it, bf16 takes minutes a step and tells nothing.
    if grep -q avx512_bf16 /proc/cpuinfo; then
        peer "$mode" "$size" "$batch" "$steps" --channels-last --bf16 >>"$log"
    fi
done <"${CASES:-benches/cases.txt}"
"$PYTHON" benches/peers/ratios.py "$log" "$threads" benches/RESULTS.md
