"""The background side: worker, timers, reconciler, and the supervisor of all processes."""
