"""Where it can be seen: volumes, rays, materials, detectors."""
