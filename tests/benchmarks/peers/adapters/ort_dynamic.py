"""ONNX Runtime's quantize_dynamic with nothing but its defaults."""

import rows
from onnxruntime.quantization import quantize_dynamic

job = rows.job()
quantize_dynamic(job["model"], job["out"])
rows.done()
