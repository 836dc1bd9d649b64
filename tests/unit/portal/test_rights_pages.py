"""Pages of rights and records: forms do what they say, and tell what was wrong."""

import io

from flask import Flask
from tests.support.installation import PASSWORD, Installation
from tests.support.pages import Page, Visitor, signed_in, somebody

from yunzhuo.services.access import Role, installation


def test_a_group_is_made_filled_and_emptied(yunzhuo: Installation, administrator: Visitor) -> None:
    lin = somebody(yunzhuo, "lin")
    assert "Class 7" in administrator.change("/admin/groups", "/admin/groups", name="Class 7").text
    group = next(each for each in yunzhuo.services.groups.list(installation(lin.organization_id)) if each.name == "Class 7")
    here = f"/admin/groups/{group.id}"
    assert lin.email in administrator.change(here, here, change="put", email=lin.email).text
    assert "There is no such account." in administrator.change(here, here, change="put", email="nobody@x.local").text
    assert f"{lin.email} Yes" in administrator.change(here, here, change="put", email=lin.email, is_owner="yes").text
    assert lin.email not in administrator.change(here, here, change="drop", user=lin.user_id).text
    assert "Class 8" in administrator.change(here, here, change="rename", name="Class 8").text
    assert "Class 8" not in administrator.change(here, here, change="delete").text


def test_a_role_is_given_to_a_group_or_a_person_and_taken_away(yunzhuo: Installation, administrator: Visitor) -> None:
    lin, here = somebody(yunzhuo, "lin"), "/admin/roles"
    chief = installation(lin.organization_id)
    group = yunzhuo.services.groups.create(chief, "Teachers")
    administrator.change(here, here, name="Helpers", **{"user:read": "group"})
    role = next(each for each in yunzhuo.services.roles.list(chief) if each.name == "Helpers")
    for holder, holder_id in ((lin.email, lin.user_id), ("Teachers", group.id)):
        administrator.change(here, f"{here}/{role.id}", change="grant", holder=holder)
        assert yunzhuo.services.roles.holders(chief, role.id) == [holder_id]
        administrator.change(here, f"{here}/{role.id}", change="withdraw", holder=holder)
        assert yunzhuo.services.roles.holders(chief, role.id) == []
    assert "There is no such account." in administrator.change(here, f"{here}/{role.id}", change="grant", holder="No one").text
    assert "Helpers" not in administrator.change(here, f"{here}/{role.id}", change="delete").text
    yunzhuo.services.groups.delete(chief, group.id)


def test_quotas_are_said_for_a_person_a_group_and_everybody(yunzhuo: Installation, administrator: Visitor) -> None:
    lin, here = somebody(yunzhuo, "lin"), "/admin/quotas"
    chief = installation(lin.organization_id)
    group = yunzhuo.services.groups.create(chief, "Quota class")
    wish = {"resource": "desktops", "most": "3"}
    assert lin.email in administrator.change(here, here, **{"for": "user"}, email=lin.email, **wish).text
    assert "Quota class group" in administrator.change(here, here, **{"for": f"group:{group.id}"}, **wish).text
    administrator.change(here, here, **{"for": "organization"}, **{**wish, "most": "50"})
    set_ones = {(each.subject, each.most) for each in yunzhuo.services.quotas.list(chief)}
    assert set_ones == {("user", 3), ("group", 3), ("organization", 50)}
    for wrong in (
        {"most": "many"},
        {"resource": "cats"},
        {"for": "group:nothing"},
        {"for": "sky"},
        {"for": "user", "email": ""},
    ):
        administrator.change(here, here, **{"for": "organization", **wish, **wrong})
        assert {(each.subject, each.most) for each in yunzhuo.services.quotas.list(chief)} == set_ones
    for kind, subject_id in (("user", lin.user_id), ("group", group.id), ("organization", "")):
        administrator.change(here, here, **{"for": kind, "id": subject_id, "resource": "desktops", "most": ""})
    assert list(yunzhuo.services.quotas.list(chief)) == []
    yunzhuo.services.groups.delete(chief, group.id)


def test_an_organization_is_renamed_closed_opened_and_gone_into(yunzhuo: Installation, administrator: Visitor) -> None:
    here = "/admin/organizations"
    chief = installation(somebody(yunzhuo, "lin").organization_id)
    other = yunzhuo.services.organizations.create(chief, "Lake School")
    for change, shown in (("rename", "Pond School"), ("disable", "Pond School"), ("enable", "Pond School")):
        assert shown in administrator.change(here, f"{here}/{other.id}", change=change, name="Pond School").text
        assert yunzhuo.services.organizations.get(chief, other.id).is_disabled is (change == "disable")
    assert "You work in Pond School now." in administrator.change(here, f"{here}/{other.id}", change="enter").text
    assert "You work in an organization that is not your own." in administrator.get("/admin").text
    administrator.change(here, f"{here}/leave")
    assert "You work in an organization" not in administrator.get("/admin").text


def test_an_address_of_another_organization_is_as_unknown_as_any(yunzhuo: Installation, administrator: Visitor) -> None:
    lin = somebody(yunzhuo, "lin")
    other = yunzhuo.services.organizations.create(installation(lin.organization_id), "Elsewhere")
    yunzhuo.services.people.create(installation(other.id), "x@elsewhere.local", Role.USER, password=PASSWORD)
    pages = [
        administrator.change("/admin/quotas", "/admin/quotas", **{"for": "user"}, email=email, resource="desktops", most="1")
        for email in ("x@elsewhere.local", "nobody@elsewhere.local")
    ]
    assert pages[0].text == pages[1].text
    assert "There is no such account." in pages[0].text


def test_a_screen_policy_is_said_changed_and_taken_away(yunzhuo: Installation, administrator: Visitor, app: Flask) -> None:
    lin, here = somebody(yunzhuo, "lin"), "/admin/policies"
    desktop_id = yunzhuo.available(lin)
    screen = signed_in(app, lin).get(f"/desktops/{desktop_id}")
    assert 'id="open-files"' in screen.html
    said = administrator.change(here, here, **{"for": "user:"}, email=lin.email, file_transfer="false", session_seconds="600")
    assert f"{lin.email} person Files: Forbidden Time of a session, seconds: 600" in said.text
    page = administrator.get(f"{here}?of=user&id={lin.user_id}")
    assert '<option value="false" selected>Forbidden</option>' in page.html
    for wrong, told in (
        ({"for": "organization:", "usb": "maybe"}, "This value cannot be used."),
        ({"for": "organization:", "kib_per_second": "1.5"}, "Write a whole number."),
        ({"for": "sky", "usb": "false"}, "Say for whom"),
    ):
        assert told in administrator.change(here, here, **wrong).text
    assert "Files: Forbidden" in administrator.get(here).text, "nothing of that changed anything"
    gone = administrator.change(here, here, **{"for": f"user:{lin.user_id}"}, change="drop")
    assert "Nothing is said" in gone.text


def test_several_people_are_shown_before_anything_is_done_to_them(yunzhuo: Installation, administrator: Visitor) -> None:
    here, accounts = "/admin/users/actions", yunzhuo.services.accounts
    first, second = somebody(yunzhuo, "first"), somebody(yunzhuo, "second")
    token = administrator.get("/admin/users").form(here).fields["csrf_token"]
    wish = {"csrf_token": token, "change": "disable", "ids": [first.user_id, second.user_id]}
    asked = Page(administrator.client.post(here, data=wish).text)
    assert "2 people" in asked.text
    assert first.email in asked.text
    assert not accounts.by_email(first.email).is_disabled
    confirmed = {**wish, "confirmed": "yes"}
    assert Page(administrator.client.post(here, data=confirmed).text).headings != asked.headings
    assert [accounts.by_email(each.email).is_disabled for each in (first, second)] == [True, True]
    for wrong in ({**confirmed, "ids": []}, {**confirmed, "change": "explode"}):
        told = administrator.client.post(here, data=wrong, follow_redirects=True)
        assert "Choose people, and what is to be done." in Page(told.text).text


def test_a_list_is_tried_and_answered_with_passwords_once(yunzhuo: Installation, administrator: Visitor) -> None:
    path = "/admin/users/import"
    token = Page(administrator.client.get(path).text).forms[0].fields["csrf_token"]

    def upload(text: str, **fields: str) -> tuple[int, str, str]:
        data = {"csrf_token": token, "file": (io.BytesIO(text.encode()), "people.csv"), **fields}
        answer = administrator.client.post(path, data=data)
        return answer.status_code, answer.content_type, answer.text

    assert upload("email\nnot an address\n")[0] == 422
    assert upload("name\nx\n")[0] == 422
    status, _, text = upload("email\nlisted@school.local\n", dry_run="yes")
    assert status == 200
    assert "The line is right" in text
    status, kind, text = upload("email\nlisted@school.local\n")
    assert (status, kind) == (200, "text/csv; charset=utf-8")
    email, password = text.splitlines()[1].split(",")
    assert yunzhuo.services.sign_ins.sign_in(email, password, client_address="192.0.2.9").user.must_change_password
    assert upload("email\nlisted@school.local\n")[0] == 422


def test_an_operator_goes_into_an_organization_and_leaves_it(yunzhuo: Installation, administrator: Visitor) -> None:
    lin, path = somebody(yunzhuo, "lin"), "/admin/organizations"
    administrator.change(path, path, name="West")
    west = yunzhuo.services.organizations.by_name("West")
    inside = administrator.change(path, f"{path}/{west}", change="enter")
    assert "You work in an organization that is not your own." in inside.text
    assert lin.email not in administrator.client.get("/admin/users").text
    outside = administrator.change("/admin/users", f"{path}/leave")
    assert "not your own" not in outside.text
    assert lin.email in administrator.client.get(f"/admin/users?q={lin.email}").text


def test_it_is_told_which_organizations_have_a_project_of_their_own(yunzhuo: Installation, administrator: Visitor) -> None:
    path, itself = "/admin/organizations", installation(somebody(yunzhuo, "lin").organization_id)
    assert "Project in the cloud" not in administrator.get(path).text, "nobody has one"
    project = yunzhuo.services.projects.make(itself, yunzhuo.services.organizations.create(itself, "Apart").id)
    page = administrator.get(path)
    assert "Project in the cloud" in page.text
    assert f'title="{project.id}"' in page.html
    assert "Its own" in page.text
    assert "Shared" in page.text


def test_a_person_shares_their_desktops(yunzhuo: Installation, app: Flask) -> None:
    lin, mei = somebody(yunzhuo, "lin"), somebody(yunzhuo, "mei")
    visitor = signed_in(app, lin)
    told = visitor.change("/sharing", "/sharing", email=mei.email, verbs="desktop:start", until="2026-03-05")
    assert mei.email in told.text
    assert lin.email in Page(signed_in(app, mei).client.get("/sharing").text).text
    assert "A day to come" in visitor.change("/sharing", "/sharing", email=mei.email, until="2025-01-01").text
    assert mei.email not in visitor.change("/sharing", "/sharing", change="take back", user=mei.user_id).text


def test_the_quota_is_told_before_a_desktop_is_asked_for(yunzhuo: Installation, app: Flask) -> None:
    lin = somebody(yunzhuo, "lin")
    yunzhuo.request(lin)
    most = yunzhuo.settings.limits.desktops_per_user
    assert f"Desktops: 1 of {most} used" in Page(signed_in(app, lin).client.get("/desktops/new").text).text
