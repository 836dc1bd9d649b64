"""Asks the new cloud, as its administrator, for what every cloud has: accounts, endpoints, flavors, images, networks.

``bootstrap.py identity | ready SINCE | resources``; runs in the services' virtual environment. Each can be done twice.
"""

import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openstack

FACTS = json.loads(os.environ["YUNZHUO_TEST_CLOUD_FACTS"])
SECRETS = json.loads(Path(FACTS["secrets_file"]).read_text(encoding="ascii"))
CLOUD = openstack.connect(cloud="admin")
READY_SECONDS = 120
TENANT = "yunzhuo"
TENANTS_ROLES = ("member", TENANT, f"{TENANT}-hosts")
#: Of organizations' projects, and what the tenant's account may in the domain and, inherited, in each project of it.
DOMAIN = "yunzhuo-schools"
DOMAIN_ROLE = "manager"
PROJECTS_ROLES = (*TENANTS_ROLES, f"{TENANT}-projects")

#: Name, vCPU, MiB of memory, GiB of disk, and the kind of host it goes to.
FLAVORS = (
    ("fake.small", 1, 512, 1, "fake"),
    ("fake.medium", 2, 2048, 10, "fake"),
    ("fake.large", 4, 4096, 20, "fake"),
    ("real.tiny", 1, 128, 1, "real"),
    ("real.small", 1, 256, 1, "real"),
    ("real.desktop", 1, 768, 4, "real"),
)


def identity() -> None:
    """Accounts of the services, and a tenant as an operator would make one for Yunzhuo: TENANTS_ROLES, PROJECTS_ROLES."""
    ask = CLOUD.identity
    roles = {
        name: ask.find_role(name) or ask.create_role(name=name) for name in ("admin", "service", DOMAIN_ROLE, *PROJECTS_ROLES)
    }
    project = ask.find_project("service") or ask.create_project(name="service", domain_id="default")
    for name, (kind, url) in FACTS["endpoints"].items():
        user = ask.find_user(name) or ask.create_user(name=name, password=SECRETS["services"], domain_id="default")
        for role in ("admin", "service"):
            ask.assign_project_role_to_user(project, user, roles[role])
        service = ask.find_service(name) or ask.create_service(type=kind, name=name)
        there = {endpoint.interface for endpoint in ask.endpoints(service_id=service.id)}
        for interface in {"public", "internal", "admin"} - there:
            ask.create_endpoint(service_id=service.id, interface=interface, region_id=FACTS["region"], url=url)
    project = ask.find_project(TENANT) or ask.create_project(name=TENANT, domain_id="default")
    user = ask.find_user(TENANT) or ask.create_user(
        name=TENANT, password=SECRETS["tenant"], domain_id="default", default_project_id=project.id
    )
    for name in TENANTS_ROLES:
        ask.assign_project_role_to_user(project, user, roles[name])
    domain = ask.find_domain(DOMAIN) or ask.create_domain(name=DOMAIN)
    ask.assign_domain_role_to_user(domain, user, roles[DOMAIN_ROLE])
    for name in PROJECTS_ROLES:
        ask.assign_domain_role_to_user(domain, user, roles[name], inherited=True)
    as_tenant = tenant()
    there = as_tenant.identity.find_application_credential(user.id, TENANT)
    if there and {role["name"] for role in there.roles} != set(TENANTS_ROLES):
        as_tenant.identity.delete_application_credential(user.id, there.id)
        there = None
    if not there:
        as_tenant.identity.create_application_credential(
            user.id, name=TENANT, secret=SECRETS["application_credential"], unrestricted=False
        )


def tenant() -> Any:
    """The tenant with its password: only so can an application credential be made."""
    url = CLOUD.config.get_auth_args()["auth_url"]
    who = {"username": TENANT, "password": SECRETS["tenant"], "project_name": TENANT}
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return openstack.connect(auth={"auth_url": url, **who, **domains}, region_name=FACTS["region"])


def ready(since: float) -> None:
    """Return when every service of Nova has beaten since then, and every host is known."""
    wanted = {("nova-compute", host) for host in [FACTS["real_host"], *FACTS["fake_hosts"]]}
    wanted |= {("cinder-volume", f"{FACTS['real_host']}@share"), ("cinder-scheduler", FACTS["real_host"])}
    deadline = time.monotonic() + READY_SECONDS
    while missing := wanted - _beating(since) or {"network agents"} - _agents():
        if time.monotonic() > deadline:
            sys.exit(f"not ready: {missing}")
        time.sleep(0.5)


def _beating(since: float) -> set[tuple[str, str]]:
    beating = set()
    for service in [*CLOUD.compute.services(), *CLOUD.block_storage.services()]:
        beat = datetime.fromisoformat(service.updated_at[:19]).replace(tzinfo=UTC) if service.updated_at else None
        if service.state == "up" and beat and beat.timestamp() >= since - 1:
            beating.add((service.binary, service.host))
    kinds = {binary for binary, _ in beating}
    known = {hypervisor.name for hypervisor in CLOUD.compute.hypervisors()}
    is_whole = {"nova-scheduler", "nova-conductor"} <= kinds and len(known) > len(FACTS["fake_hosts"])
    return beating if is_whole else set()


def _agents() -> set[str]:
    return {"network agents"} if any(agent.is_alive for agent in CLOUD.network.agents()) else set()


def resources() -> None:
    """Flavors that go to one kind of host each, an image for each kind, a network with a way out."""
    hosts = {"fake": FACTS["fake_hosts"], "real": [FACTS["real_host"]]}
    for kind, names in hosts.items():
        aggregate = CLOUD.compute.find_aggregate(kind) or CLOUD.compute.create_aggregate(name=kind, availability_zone=kind)
        CLOUD.compute.set_aggregate_metadata(aggregate, {"kind": kind})
        there = CLOUD.compute.find_aggregate(kind).hosts or []
        for host in set(names) - set(there):
            CLOUD.compute.add_host_to_aggregate(aggregate, host)
    for name, vcpus, memory_mib, disk_gib, kind in FLAVORS:
        if not CLOUD.compute.find_flavor(name):
            flavor = CLOUD.compute.create_flavor(name=name, vcpus=vcpus, ram=memory_mib, disk=disk_gib)
            CLOUD.compute.create_flavor_extra_specs(flavor, {"aggregate_instance_extra_specs:kind": kind})
    _images()
    _networks()


def _images() -> None:
    shared = {"container_format": "bare", "visibility": "public", "wait": True}
    if not CLOUD.image.find_image("pretended"):
        nothing = Path(FACTS["guest_image"]).with_name("pretended.raw")
        nothing.write_bytes(bytes(65536))
        CLOUD.create_image("pretended", filename=str(nothing), disk_format="raw", **shared)
    file = Path(FACTS["guest_image"])
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    there = CLOUD.image.find_image("guest")
    if there and there.os_version != version:
        CLOUD.image.delete_image(there)
        there = None
    if not there:
        properties = {"hw_video_model": "vga", "hw_rng_model": "virtio", "os_version": version}
        CLOUD.create_image("guest", filename=str(file), disk_format="qcow2", min_ram=64, **properties, **shared)


def _networks() -> None:
    ask = CLOUD.network
    public = ask.find_network("public") or ask.create_network(
        name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="public"
    )
    pool = [{"start": "10.99.0.10", "end": "10.99.0.250"}]
    if not ask.find_subnet("public"):
        ask.create_subnet(
            name="public",
            network_id=public.id,
            ip_version=4,
            cidr="10.99.0.0/24",
            gateway_ip="10.99.0.1",
            is_dhcp_enabled=False,
            allocation_pools=pool,
        )
    ask = tenant().network
    network = ask.find_network("desktops") or ask.create_network(name="desktops")
    subnet = ask.find_subnet("desktops") or ask.create_subnet(
        name="desktops", network_id=network.id, ip_version=4, cidr="10.50.0.0/22", gateway_ip="10.50.0.1"
    )
    if not ask.find_router("desktops"):
        router = ask.create_router(name="desktops", external_gateway_info={"network_id": public.id})
        ask.add_interface_to_router(router, subnet_id=subnet.id)


if __name__ == "__main__":
    if sys.argv[1] == "ready":
        ready(float(sys.argv[2]))
    else:
        {"identity": identity, "resources": resources}[sys.argv[1]]()
