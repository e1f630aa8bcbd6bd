"""Make a service tenant-aware in under thirty lines, and plug it into a Service Market."""
