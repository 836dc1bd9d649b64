"""The process that owns this computer's virtual machines."""
