"""What can be chosen, and whether it starts at once."""

from tests.support.installation import Installation


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
