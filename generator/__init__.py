"""Orchestration: channels, pilot, block loop, run cards, files. The only layer with jit, random keys and loops."""
