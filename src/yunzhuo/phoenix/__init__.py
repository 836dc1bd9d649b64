"""The cloud library: adapters to the cloud, the database and the queue. Knows nothing of the layers above it."""
