"""Meson production by protons on nuclei: parametrised cross-sections, and a sampler that is exact for any of them."""
