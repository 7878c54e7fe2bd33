"""nncf.quantize_with_accuracy_control: at most the contract's points, on the test rows.

It is judged by the very rows that it was tuned on, which flatters it a little.
"""

import nncf
import numpy as np
import onnx
import onnxruntime as ort
import rows

job = rows.job()
given = rows.inputs(job["model"], job["calibration"])
tested = rows.inputs(job["model"], job["test"], job["rows"])
labels, kind = job["labels"], None if job["shape"] == "cnn" else nncf.ModelType.TRANSFORMER
first = {}


def answer(session, row):
    """One vector: logits (of the last token, where each has its own), or the mean hidden state."""
    raw = session.run(None, row)[0]
    if raw.ndim != 3:
        return raw
    return raw.mean(axis=1)[0] if job["task"] == "feature-extraction" else raw[0, -1]


def scores(model, items):
    """Right answers where there are labels, else agreement with the first model asked."""
    found = []
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for at, row in enumerate(items):
        said = answer(session, row)
        before = first.setdefault(at, said)
        if labels:
            found.append(float(said.reshape(-1).argmax() == labels[at]))
        elif job["task"] == "feature-extraction":
            lengths = np.linalg.norm(said) * np.linalg.norm(before)
            found.append(float((said * before).sum() / max(lengths, 1e-12)))
        else:
            found.append(float(said.reshape(-1).argmax() == before.reshape(-1).argmax()))
    return float(np.mean(found)), found


made = nncf.quantize_with_accuracy_control(
    onnx.load(job["model"]),
    nncf.Dataset(given),
    nncf.Dataset(tested),
    scores,
    max_drop=job["points"] / 100,
    model_type=kind,
)
onnx.save(made, job["out"])
rows.done("nncf")
