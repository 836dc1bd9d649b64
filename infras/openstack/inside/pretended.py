"""Nova's fake driver, made good enough to test a manager of desktops with many servers: it is copied into ``nova.virt``.

Other than the one that comes with Nova: servers outlive a restart of nova-compute, ports become ACTIVE (their OVN bindings
are claimed for a chassis that is only a row), snapshots upload a small real image, and a screen is where the server's metadata
(``vnc_endpoint``, ``spice_endpoint``: HOST:PORT) says. While there is a file ``hangs`` in the host's ``state_path``, nothing is
made, as when libvirt or the storage under it does not answer. Nova-compute itself beats on.
"""

import io
import os
import pathlib
import subprocess  # nosec B404 # lists of arguments, never a shell
import time

import nova.conf
from nova import context as nova_context
from nova import objects
from nova.compute import power_state
from nova.console import type as console_type
from nova.image import glance
from nova.virt import fake

_ON_DISK = ("active", "paused", "stopped", "suspended", "rescued", "resized")


class PretendedDriver(fake.FakeDriverWithoutFakeNodes):
    """``compute_driver = pretended.PretendedDriver``"""

    def init_host(self, host):
        super().init_host(host)
        context = nova_context.get_admin_context()
        for instance in objects.InstanceList.get_by_host(context, host, expected_attrs=["flavor"]):
            if instance.vm_state in _ON_DISK:
                state = instance.power_state or power_state.RUNNING
                self.instances[instance.uuid] = fake.FakeInstance(instance.name, state, instance.uuid)
                flavor = instance.flavor
                self.resources.claim(vcpus=flavor.vcpus, mem=flavor.memory_mb, disk=flavor.root_gb)

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None, **more):
        while pathlib.Path(nova.conf.CONF.state_path, "hangs").exists():
            time.sleep(0.2)
        super().spawn(
            context, instance, image_meta, injected_files, admin_password, allocations, network_info=network_info, **more
        )
        self._claim_ports(network_info)

    def finish_migration(self, context, migration, instance, disk_info, network_info, *others, **more):
        super().finish_migration(context, migration, instance, disk_info, network_info, *others, **more)
        self._claim_ports(network_info)

    def post_live_migration_at_destination(self, context, instance, network_info, *others, **more):
        super().post_live_migration_at_destination(context, instance, network_info, *others, **more)
        self._claim_ports(network_info)

    def snapshot(self, context, instance, image_id, update_task_state):
        super().snapshot(context, instance, image_id, update_task_state)
        content = b"snapshot of " + instance.uuid.encode() + bytes(4096)
        facts = {"disk_format": "raw", "container_format": "bare", "status": "active"}
        glance.API().update(context, image_id, facts, data=io.BytesIO(content))

    def get_vnc_console(self, context, instance):
        host, port = _endpoint(instance, "vnc_endpoint")
        return console_type.ConsoleVNC(host=host, port=port)

    def get_spice_console(self, context, instance):
        host, port = _endpoint(instance, "spice_endpoint")
        return console_type.ConsoleSpice(host=host, port=port, tlsPort=None)

    def _claim_ports(self, network_info):
        database = os.environ.get("YUNZHUO_OVN_SOUTHBOUND")
        if not (database and network_info):
            return
        sbctl = ["ovn-sbctl", f"--db={database}", "--timeout=5"]
        find = [*sbctl, "--bare", "--columns=_uuid", "find", "chassis", f"name={self._host}"]
        chassis = subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip()  # nosec B603 # programs of the test cloud
        for port in network_info:
            claim = ["set", "port_binding", port["id"], "up=true", f"chassis={chassis}"]
            subprocess.run([*sbctl, *claim], capture_output=True, check=False)  # nosec B603 # programs of the test cloud


def _endpoint(instance, name):
    nobody = f"127.0.0.1:{20000 + int(instance.uuid[:8], 16) % 10000}"
    host, _, port = (instance.metadata or {}).get(name, nobody).rpartition(":")
    return host, int(port)
