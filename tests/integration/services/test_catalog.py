"""What can be chosen, and whether it starts at once."""

from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.cli import main


def test_readiness_looks_at_the_smallest_size_that_fits_the_default_image(yunzhuo: Installation) -> None:
    organization_id = yunzhuo.services.accounts.default_organization_id()
    small, big = yunzhuo.weather.options.images
    assert yunzhuo.weather.options.flavors[0].memory_mib < big.min_memory_mib

    def is_fast(**changes: int) -> bool:
        """With the big image as the default one."""
        yunzhuo.weather.change_options(images=[big.model_copy(update=changes), small])
        yunzhuo.services.catalog.synchronize(organization_id)
        return yunzhuo.services.catalog.is_fast(organization_id)

    assert is_fast()
    assert not is_fast(min_memory_mib=1_000_000)
    assert not is_fast(prepared_after_seconds=60)


def test_the_command_line_takes_the_smallest_size_that_fits_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as installed:
        monkeypatch.setenv("YUNZHUO_DATABASE__URL", installed.settings.database.url)
        installed.person("lin")
    create = ["desktop", "--as", "lin@school.local", "create", "--no-wait"]
    assert main([*create, "--image", "Big desktop"]) == 0
    assert main([*create, "--image", "Big desktop", "--flavor", "Small"]) == 1
    assert "too small" in capsys.readouterr().err
    assert main(["desktop", "--as", "lin@school.local", "list"]) == 0
    assert capsys.readouterr().out.count("Large") == 1
