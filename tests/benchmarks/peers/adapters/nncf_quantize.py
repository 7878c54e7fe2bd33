"""nncf.quantize with its defaults; transformers are named as such, as its documentation says."""

import nncf
import onnx
import rows

job = rows.job()
given = nncf.Dataset(rows.inputs(job["model"], job["calibration"]))
kind = None if job["shape"] == "cnn" else nncf.ModelType.TRANSFORMER
onnx.save(nncf.quantize(onnx.load(job["model"]), given, model_type=kind), job["out"])
rows.done("nncf")
