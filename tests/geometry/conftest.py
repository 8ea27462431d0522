import jax

# Set once for every test below: double precision, and no silent promotion of dtype or rank.
jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
jax.config.update("jax_numpy_dtype_promotion", "strict")  # type: ignore[no-untyped-call]
jax.config.update("jax_numpy_rank_promotion", "raise")  # type: ignore[no-untyped-call]
