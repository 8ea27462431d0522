"""One file per process: it puts flux, kernel, geometry and record together and registers itself."""
