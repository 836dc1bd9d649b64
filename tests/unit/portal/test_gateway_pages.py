"""Gateways on pages: made known, drained, taken into use, given another key, forgotten; inner networks."""

from tests.support.installation import Installation
from tests.support.pages import PART, Visitor, somebody

from yunzhuo.services.access import installation
from yunzhuo.services.gateways import GatewayState

HERE = "/admin/gateways"


def test_a_gateway_is_made_known_and_its_key_shown_once(yunzhuo: Installation, administrator: Visitor) -> None:
    chief = installation(somebody(yunzhuo, "lin").organization_id)
    before = {each.id for each in yunzhuo.services.gateways.list(chief)}
    for wrong in ({"name": "", "public_url": "wss://two.example"}, {"name": "two", "public_url": "ftp://two"}):
        refused = administrator.change(HERE, **wrong)
        assert "shown this once" not in refused.text
        assert {each.id for each in yunzhuo.services.gateways.list(chief)} == before
        assert wrong["public_url"] in refused.html, "what was written is there to be put right"
    made = administrator.change(HERE, name="two", public_url="wss://two.example")
    assert "The key is shown this once." in made.text
    (gateway,) = [each for each in yunzhuo.services.gateways.list(chief) if each.id not in before]
    assert "The key is shown this once." not in administrator.get(HERE).text
    assert "shown this once" not in administrator.change(HERE, name="two", public_url="wss://other.example").text

    here = f"{HERE}/{gateway.id}"
    for change, state in (("drain", GatewayState.DRAINING), ("use", GatewayState.ACTIVE), ("explode", GatewayState.ACTIVE)):
        administrator.change(HERE, here, change=change)
        assert yunzhuo.services.gateways.get(chief, gateway.id).state is state
    assert "The key is shown this once." in administrator.change(HERE, here, change="key").text
    administrator.change(HERE, here, change="delete")
    assert {each.id for each in yunzhuo.services.gateways.list(chief)} == before


def test_a_key_is_kept_by_no_cache(yunzhuo: Installation, administrator: Visitor) -> None:
    token = administrator.get(HERE).form("").fields["csrf_token"]
    answer = administrator.client.post(HERE, data={"csrf_token": token, "name": "three", "public_url": "wss://three.example"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_inner_networks_are_named_and_taken_out(yunzhuo: Installation, administrator: Visitor) -> None:
    chief = installation(somebody(yunzhuo, "lin").organization_id)
    assert "10.9.0.0/16" in administrator.change(HERE, "/admin/segments", name="Lab", network="10.9.0.0/16").text
    administrator.change(HERE, "/admin/segments", name="Wrong", network="10.9.0.0/99")
    (segment,) = yunzhuo.services.gateways.segments(chief)
    assert "10.9.0.0/16" not in administrator.change(HERE, f"/admin/segments/{segment.id}/remove").text
    assert list(yunzhuo.services.gateways.segments(chief)) == []


def test_open_screens_are_asked_again_by_parts(administrator: Visitor) -> None:
    for show in ("", "?show=history"):
        part = administrator.get(f"/admin/screens{show}", headers=PART)
        assert part.language == "", "a part, not a page"
        assert administrator.get(f"/admin/screens{show}").language == "en"
