"""The demo: the product's main job, for real, in processes of its own, on data that are gone afterwards."""
