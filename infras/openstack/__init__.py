"""A real OpenStack on this computer, for the driver's tests: `make cloud`, `make cloud-down`, `make test-cloud`.

Keystone, Placement, Glance, Nova and Neutron (ML2/OVN) from PyPI; MariaDB, RabbitMQ, memcached, Open vSwitch, OVN, libvirt and
QEMU from Debian. All of it are plain processes of root on the loopback of this computer, which are known by their process ids.
Two hosts only pretend to run servers (a fake driver, for many servers), one runs real QEMU machines.

It needs Python's standard library only; what asks the cloud itself (`inside/`) runs in the services' own virtual environment.
"""
