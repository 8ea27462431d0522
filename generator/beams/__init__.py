"""Beams simulated from the target on: protons, mesons, horn, decay pipe; rays of their decays; fluxes at detectors."""
