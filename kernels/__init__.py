"""Pure array functions: densities, maps, kinematics. No jit, no keys, no files."""
