"""Customers and their people."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.license.api import models
from yunzhuo.license.context import license_server
from yunzhuo.webkit import actor
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("customers", __name__, tag="Customers")


@blueprint.get("/customers")
@blueprint.auth_required(bearer)
@blueprint.output(models.CustomerList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.CustomerList:
    """List the customers"""
    return models.CustomerList(items=[models.Customer.of(each) for each in license_server().customers.list(actor())])


@blueprint.post("/customers")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewCustomer)
@blueprint.output(models.Customer, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewCustomer) -> models.Customer:
    """Make a customer"""
    return models.Customer.of(license_server().customers.create(actor(), json_data.name))


@blueprint.get("/customers/<customer_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Customer)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(customer_id: str) -> models.Customer:
    """Show a customer"""
    return models.Customer.of(license_server().customers.get(actor(), customer_id))


@blueprint.patch("/customers/<customer_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.CustomerChange)
@blueprint.output(models.Customer)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(customer_id: str, json_data: models.CustomerChange) -> models.Customer:
    """Rename a customer, or let nobody of them in"""
    customers, person = license_server().customers, actor()
    if json_data.name is not None:
        customers.rename(person, customer_id, json_data.name)
    if json_data.is_disabled is not None:
        (customers.disable if json_data.is_disabled else customers.enable)(person, customer_id)
    return models.Customer.of(customers.get(person, customer_id))


@blueprint.delete("/customers/<customer_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, 409, also={204: {"description": "It is deleted."}}))
def delete(customer_id: str) -> tuple[str, int]:
    """Delete a customer with its people and installations

    409 while one of them has a license that counts. What was issued stays on record.
    """
    license_server().customers.delete(actor(), customer_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/customers/<customer_id>/contacts")
@blueprint.auth_required(bearer)
@blueprint.output(models.ContactList)
@blueprint.doc(responses=refusals(401, 403, 404))
def contacts(customer_id: str) -> models.ContactList:
    """List a customer's people"""
    found = license_server().customers.contacts(actor(), customer_id)
    return models.ContactList(items=[models.Contact(id=each.id, email=each.email) for each in found])


@blueprint.post("/customers/<customer_id>/contacts")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewContact)
@blueprint.output(models.Contact, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def add_contact(customer_id: str, json_data: models.NewContact) -> models.Contact:
    """Give one of a customer's people an account

    The one-time password is told this once.
    """
    made = license_server().customers.add_contact(actor(), customer_id, json_data.email, language=json_data.language)
    return models.Contact.of(made)


@blueprint.post("/customers/<customer_id>/contacts/<user_id>/password-reset")
@blueprint.auth_required(bearer)
@blueprint.output(models.Contact)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def reset_contact(customer_id: str, user_id: str) -> models.Contact:
    """Give a contact another one-time password, told this once"""
    return models.Contact.of(license_server().customers.reset_contact(actor(), customer_id, user_id))


@blueprint.delete("/customers/<customer_id>/contacts/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, 409, also={204: {"description": "It is deleted."}}))
def delete_contact(customer_id: str, user_id: str) -> tuple[str, int]:
    """Delete a contact's account; the last one goes with the customer"""
    license_server().customers.delete_contact(actor(), customer_id, user_id)
    return "", HTTPStatus.NO_CONTENT
