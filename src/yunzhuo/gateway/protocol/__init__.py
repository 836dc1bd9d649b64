"""What the bytes on the gateway's wires mean: requests, frames, screen handshakes. State machines without I/O."""
