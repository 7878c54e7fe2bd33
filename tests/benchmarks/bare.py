"""The library calls of a one-technique run on `intents`, with nothing of ours around them."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import quantize_dynamic
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "samples" / "intents"


def main() -> None:
    """Load, quantize, answer every test row with both models, time both, zip-free.

    Arguments: the exported model, how often it is timed, how often the quantized one is.
    """
    import csv

    tokenizer = Tokenizer.from_file(str(SAMPLE / "model" / "tokenizer.json"))
    with (SAMPLE / "data" / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    rows = [np.array([one.ids], np.int64) for one in tokenizer.encode_batch(texts)]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.onnx"
        quantize_dynamic(sys.argv[1], small, per_channel=True)
        for path, timed in ((sys.argv[1], int(sys.argv[2])), (small, int(sys.argv[3]))):
            options = ort.SessionOptions()
            options.intra_op_num_threads = 2
            session = ort.InferenceSession(str(path), options)
            names = [one.name for one in session.get_inputs()]
            for ids in rows:
                made = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                session.run(None, {n: made.get(n, np.zeros_like(ids)) for n in names})
            full = np.resize(rows[0], (1, 32))
            made = {"input_ids": full, "attention_mask": np.ones_like(full)}
            feeds = {n: made.get(n, np.zeros_like(full)) for n in names}
            began = time.perf_counter()
            for _ in range(timed):
                session.run(None, feeds)
            print(f"{1000 * (time.perf_counter() - began) / timed:.3f} ms", path)


if __name__ == "__main__":
    main()
