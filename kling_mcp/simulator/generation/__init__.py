"""Videos and pictures of the simulated Kling: what is asked for, made, shown, billed and downloaded.

An independent reading of docs/kling-api.md, as everything in the simulator.
"""
