"""The evaluation set: people's requests as data, the stage they are played on, and the judge of what happened.

Used by the tests of this folder and by `run_with_model.py`. It must not hold requests: those lie in `themes/`.
"""
