"""The web door: one file per wizard step, and what they share.

app.py       builds the page and serves it          desk.py      engine, errors, wiring
step_*.py    draw, read, show, wire                 pieces.py    bits of HTML, all escaped
view.py      what a run looks like, from its events words.py     every label and hint
theme.py     colours, fonts, style sheet            api.py       the seven functions as endpoints
"""
