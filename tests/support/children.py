"""Python processes of their own, for what a process can only do once: choose its devices, die, import nothing."""

import os
import subprocess
import sys

import jax


def child(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the compilation cache of the tests."""
    folder = getattr(jax.config, "jax_compilation_cache_dir")  # noqa: B009
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder)} if folder else {}
    env = {**os.environ, **cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2", **environment}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False
    )
