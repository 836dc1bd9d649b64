"""One machine under atheris: ``python -m tests.gateway.fuzz_one MACHINE``, and libFuzzer's own arguments."""

import sys

import atheris

with atheris.instrument_imports(include=["yunzhuo.gateway.protocol"]):
    from tests.gateway import fuzz


def bear(machine: str, data: bytes) -> None:
    """One stream, whole and cut where its first byte says."""
    run = next(run for run, _ in fuzz.TARGETS if run.__name__ == machine)
    edge = data[0] % (len(data) + 1) if data else 0
    whole, cut = run([data]), run([data[:edge], data[edge:]])
    assert bool(whole.error) == bool(cut.error)
    assert whole.understood == cut.understood
    if machine == "frames" and not whole.error:
        assert fuzz.library_takes(data)


if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: bear(sys.argv[1], data))
    atheris.Fuzz()
