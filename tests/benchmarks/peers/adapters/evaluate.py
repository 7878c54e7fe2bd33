"""What anybody must do before trusting a file: answer the test rows with both, and time both.

As plain as it can be: one row at a time, then as many seconds of one request as the wizard takes.
"""

import time

import onnxruntime as ort
import rows

SECONDS = 3.0

job = rows.job()
given = rows.feeds(job["test"])
for path in (job["model"], job["out"]):
    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for at in range(job["rows"]):
        row = given.row(at)
        session.run(None, {name: row[name] for name in names})
    fixed = given.exactly(1, job["tokens"])
    request = {name: fixed[name] for name in names}
    until = time.perf_counter() + SECONDS / 2
    while time.perf_counter() < until:
        session.run(None, request)
rows.done()
