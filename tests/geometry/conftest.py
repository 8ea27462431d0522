import jax

# Set once for every test below: double precision, and no silent promotion of dtype or rank.
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
