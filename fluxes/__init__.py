"""Who flies where: tables and readers of neutrino and meson fluxes."""
