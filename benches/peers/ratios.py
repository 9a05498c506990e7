"""Turns the lines of a run into the section "Training speed" of RESULTS.md for this kind of processor: ratios.py LOG THREADS RESULTS"""
import json
import pathlib
import platform
import re
import sys

log, threads, results = sys.argv[1:]
cases = {}
for line in pathlib.Path(log).read_text().splitlines():
    run = json.loads(line)
    kind = "ours" if "layout" not in run else "bf16" if run["bf16"] else run["layout"]
    case = cases.setdefault((run["mode"], run["size"], run["batch"]), {})
    best = case.get(kind)
    if best is None or run["seconds"] < best["seconds"]:
        case[kind] = run

processor = platform.processor() or platform.machine()
cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
model = re.search(r"model name\s*: (.*)", cpuinfo)
widest = next((name for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if f" {flag} " in cpuinfo), platform.machine())
title = f"## Training speed, {widest}"
out = [title, "",
       f"Images per second, {threads} threads, {model.group(1) if model else processor}; the better of two alternating",
       "rounds (each the median of its steps). The ratio is to PyTorch's better `f32` layout; `bf16` is for information.",
       "Made by `benches/run.sh`.", "",
       "| work | pixels | batch | here | PyTorch NCHW | PyTorch channels last | ratio | PyTorch bf16 | peak MB here / PyTorch |",
       "|---|---|---|---|---|---|---|---|---|"]
for (mode, size, batch), case in cases.items():
    speed = {kind: run["images_per_second"] for kind, run in case.items()}
    f32 = max(speed["nchw"], speed["channels-last"])
    bf16 = f"{speed['bf16']:.1f}" if "bf16" in speed else "-"
    peaks = f"{case['ours']['peak_mb']} / {min(case['nchw']['peak_mb'], case['channels-last']['peak_mb'])}"
    out.append(f"| {mode} | {size} | {batch} | {speed['ours']:.1f} | {speed['nchw']:.1f} | {speed['channels-last']:.1f} "
               f"| **{speed['ours'] / f32:.2f}** | {bf16} | {peaks} |")
section = "\n".join(out) + "\n"
path = pathlib.Path(results)
text = path.read_text() if path.exists() else "# Results\n"
others = re.split(r"(?m)^(?=## )", text)
kept = [part for part in others if part.splitlines()[0].strip() != title]
path.write_text("\n\n".join(part.strip() for part in [*kept, section]) + "\n")
print(section)
