"""cloud-init's own data sources, asked to crawl a metadata service: what they found, as JSON.

cloud_init.py openstack|ec2 BASE_URL
"""
import json
import sys
import tempfile

from cloudinit import helpers, settings, util
from cloudinit.sources import DataSourceEc2, DataSourceOpenStack

kind, base = sys.argv[1:]
folder = tempfile.mkdtemp()
paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder})
name = {"openstack": "OpenStack", "ec2": "Ec2"}[kind]
sys_cfg = util.mergemanydict([
    {"datasource": {name: {"metadata_urls": [base], "max_wait": 20, "timeout": 5, "retries": 1}}},
    settings.CFG_BUILTIN,
])
if kind == "openstack":
    # No DMI in a network namespace says which cloud this is.
    DataSourceOpenStack.detect_openstack = lambda **_: True
    source = DataSourceOpenStack.DataSourceOpenStack(sys_cfg, None, paths)
else:
    DataSourceEc2.identify_platform = lambda: DataSourceEc2.CloudNames.AWS
    source = DataSourceEc2.DataSourceEc2(sys_cfg, None, paths)
found = source.get_data()
print(json.dumps({
    "found": found,
    "instance_id": source.get_instance_id() if found else None,
    "hostname": source.get_hostname()[0] if found else None,
    "keys": source.get_public_ssh_keys() if found else None,
    "user_data": (source.userdata_raw or b"").decode("latin-1") if found else None,
    "network": source.network_config if found and kind == "openstack" else None,
    "metadata": source.metadata if found else None,
    "version": getattr(source, "version", None),
}, default=repr))
