#!/usr/bin/env bash
# EfficientNet-Lite0 in evaluation, 224 px, here and in ONNX Runtime, alternating in one run.
# Usage: benches/lite.sh [THREADS]   (default 2; PyTorch makes the model, ONNX Runtime runs it: both come from PyPI into benches/.venv)
set -euo pipefail
cd "$(dirname "$0")/.."
threads="${1:-2}"
export RAYON_NUM_THREADS="$threads"
if [ -z "${PYTHON:-}" ]; then
    [ -x benches/.venv/bin/python ] || python3 -m venv benches/.venv
    benches/.venv/bin/pip install --quiet torch onnx onnxruntime efficientnet_lite_pytorch
    PYTHON=benches/.venv/bin/python
fi
[ -n "${SKIP_BUILD:-}" ] || cargo build --quiet --release -p sporeprint-kernels --example lite_forward
for batch in 1 16; do
    for _ in 1 2 3; do
        target/release/examples/lite_forward 224 "$batch" 20
        "$PYTHON" benches/peers/onnx_lite.py 224 "$batch" 20 --threads "$threads"
    done
done
