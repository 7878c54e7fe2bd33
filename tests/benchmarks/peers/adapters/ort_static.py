"""ONNX Runtime's quantize_static with nothing but its defaults."""

import rows
from onnxruntime.quantization import CalibrationDataReader, quantize_static


class Reader(CalibrationDataReader):
    """Calibration rows, one after the other."""

    def __init__(self, given):
        self._rows = iter(given)

    def get_next(self):
        return next(self._rows, None)


job = rows.job()
quantize_static(job["model"], job["out"], Reader(rows.inputs(job["model"], job["calibration"])))
rows.done()
