"""How good the tests are: which branches they take (``make coverage``), which faults they notice (``make mutation``)."""
