"""cloud-init's own data sources and converters, whose requests go out on standard output and are answered on standard
input, one JSON object a line. The last line has what they made of the answers.

cloud_init.py openstack|ec2|aws MAC...
"""
import json
import logging
import sys

import requests

from cloudinit import helpers
from cloudinit.sources import DataSourceEc2, DataSourceOpenStack
from cloudinit.sources.helpers import openstack

BASE = "http://169.254.169.254"
log = []


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def request(_session, method, url, headers=None, **_):
    assert url.startswith(BASE), url
    fields = {name: text(value) for name, value in (headers or {}).items()}
    print(json.dumps({"method": method, "path": url[len(BASE):], "fields": fields}), flush=True)
    answer = json.loads(sys.stdin.readline())
    log.append([method, url[len(BASE):], answer["status"]])
    response = requests.Response()
    response.url, response.status_code = url, answer["status"]
    response.headers.update(answer["fields"])
    response._content = bytes(answer["octets"])
    return response


class Complaints(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())


complaints = []
logging.getLogger().addHandler(Complaints(logging.WARNING))
requests.Session.request = request
kind, macs = sys.argv[1], {mac: f"eth{i}" for i, mac in enumerate(sys.argv[2:])}
if kind == "openstack":
    found = DataSourceOpenStack.read_metadata_service(BASE, retries=0)
    found["network"] = openstack.convert_net_json(found["networkdata"], known_macs=macs)
else:
    platform = {"ec2": DataSourceEc2.CloudNames.UNKNOWN, "aws": DataSourceEc2.CloudNames.AWS}[kind]
    DataSourceEc2.identify_platform = lambda: platform
    source = DataSourceEc2.DataSourceEc2({"datasource": {"Ec2": {"metadata_urls": [BASE]}}}, None, helpers.Paths({}))
    found = source.crawl_metadata()
    network = found["meta-data"]["network"]
    found["network"] = DataSourceEc2.convert_ec2_metadata_network_config(network, macs_to_nics=macs)

print(json.dumps({"found": found, "complaints": complaints, "log": log}, default=text))
