"""What anybody must do before trusting a file: answer the test rows with both, and time both.

As plain as it can be: one row at a time, then one request as often as the wizard timed it.
"""

import onnxruntime as ort
import rows

job = rows.job()
given = rows.feeds(job["test"])
for which in ("model", "out"):
    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    session = ort.InferenceSession(job[which], options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for at in range(job["rows"]):
        row = given.row(at)
        session.run(None, {name: row[name] for name in names})
    fixed = given.exactly(1, job["tokens"])
    request = {name: fixed[name] for name in names}
    for _ in range(job["requests"][which]):
        session.run(None, request)
rows.done()
