"""Cinder's NFS driver on a share that is mounted already, by whatever file system; Cinder finds it by ``PYTHONPATH``.

Other than the one that comes with Cinder it reverts volumes as Cinder's own drivers of shared folders do that support it: by
making the newest of their files anew. The general way of Cinder's would copy one file over another, whatever their formats are.
"""

from cinder import interface
from cinder.volume.drivers import nfs, remotefs


@interface.volumedriver
class SharedFolderDriver(remotefs.RevertToSnapshotMixin, nfs.NfsDriver):
    """``volume_driver = shared_folder.SharedFolderDriver``"""
