"""The catalogue: services, the versions of their manifests, the keys by which the market calls them."""
