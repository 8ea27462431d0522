"""Squared amplitudes and the densities made of them: one file per model ingredient."""
