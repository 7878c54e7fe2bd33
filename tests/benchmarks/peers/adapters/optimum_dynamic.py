"""optimum-onnx: its own export, then its dynamic avx512_vnni recipe with its defaults."""

import time
from pathlib import Path

import rows
from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig

job = rows.job()
began = time.perf_counter()
exported = Path(job["out"]).parent / "exported"
task = f"{job['task']}-with-past" if job["task"] == "text-generation" else job["task"]
main_export(job["folder"], exported, task=task, library_name="transformers", local_files_only=True)
export = time.perf_counter() - began
recipe = AutoQuantizationConfig.avx512_vnni(is_static=False)
made = Path(job["out"]).parent / "optimum"
ORTQuantizer.from_pretrained(exported).quantize(save_dir=made, quantization_config=recipe)
next(made.glob("*.onnx")).rename(job["out"])
rows.done("optimum-onnx", "transformers", export=export)
