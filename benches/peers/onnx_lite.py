"""EfficientNet-Lite0 up to the mean of its last map in ONNX Runtime, one line of JSON: the peer of crates/kernels/examples/lite_forward.rs.

python onnx_lite.py SIZE BATCH [STEPS] [--threads N] [--model FILE]

The model is made once, by PyTorch, of the PyPI package efficientnet_lite_pytorch with random weights: the time does not depend on them.
Wall time is the least of all steps and that of the middle one; processor time is that of all threads over all steps, with what they
spend in waiting for each other.
"""
import argparse
import json
import pathlib
import resource
import tempfile
import time

import numpy as np
import onnxruntime


def export(path, size):
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    class Features(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = EfficientNet.from_name("efficientnet-lite0").eval()

        def forward(self, x):
            return self.net.extract_features(x).mean((2, 3))

    torch.onnx.export(Features().eval(), torch.zeros(1, 3, size, size), str(path), input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, dynamo=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", type=int)
    parser.add_argument("batch", type=int)
    parser.add_argument("steps", type=int, nargs="?", default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=pathlib.Path)
    args = parser.parse_args()
    model = args.model or pathlib.Path(tempfile.gettempdir()) / f"lite0_{args.size}.onnx"
    if not model.exists():
        export(model, args.size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((args.batch, 3, args.size, args.size), dtype=np.float32)
    session.run(None, {"x": x})
    times = []
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(args.steps):
        start = time.perf_counter()
        session.run(None, {"x": x})
        times.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    times.sort()
    print(json.dumps({"peer": f"onnxruntime {onnxruntime.__version__}", "size": args.size, "batch": args.batch,
                      "threads": args.threads, "images_per_second": round(args.batch / times[0], 1),
                      "median": round(args.batch / times[len(times) // 2], 1),
                      "cpu_ms_per_image": round(1e3 * cpu / args.steps / args.batch, 3)}))


main()
