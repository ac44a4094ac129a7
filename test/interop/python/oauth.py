"""
A workload in Python that has no secret: it gets access tokens with its SVIDs, once by mutual TLS and once by
assertion, reads them with PyJWT, and calls a service with them.

    oauth.py ISSUER ADDRESS CA-FILE RESOURCE SCOPE SERVICE

ADDRESS is where the issuer's host is reached, SERVICE where the resource is. One JSON line a token: {method, claims,
changed, status, body}, or {method, error}. `changed` is why a changed token is refused.
"""

import http.client
import json
import os
import socket
import ssl
import sys
import tempfile
from urllib.parse import urlencode, urlsplit

import jwt

from cryptography.hazmat.primitives.serialization import Encoding
from spiffe import WorkloadApiClient

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
TIMEOUT_SECONDS = 30


class Pinned(http.client.HTTPSConnection):
    """Reaches every host at one address, and shows the SVID where it is given."""

    def __init__(self, host, address, ca_file, svid=None):
        context = ssl.create_default_context(cafile=ca_file)
        if svid is not None:
            load_svid(context, svid)
        super().__init__(host, context=context, timeout=TIMEOUT_SECONDS)
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))
        self.tls = context

    def connect(self):
        plain = socket.create_connection(self.address, TIMEOUT_SECONDS)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


def load_svid(context, svid):
    """Python's ssl takes certificate and key from files alone."""
    with tempfile.TemporaryDirectory() as folder:
        chain, key = os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem")
        svid.save(chain, key, Encoding.PEM)
        context.load_cert_chain(chain, key)


class Workload:
    def __init__(self, issuer, address, ca_file, resource, scope, service):
        self.issuer, self.address, self.ca_file = issuer, address, ca_file
        self.resource, self.scope, self.service = resource, scope, service
        self.api = WorkloadApiClient(default_timeout=TIMEOUT_SECONDS)
        self.svid = self.api.fetch_x509_svid()

    def exchange(self, url, svid=None, address=None, **request):
        parts = urlsplit(url)
        connection = Pinned(parts.hostname, address or self.address, self.ca_file, svid)
        try:
            connection.request(url=parts.path, **{"method": "GET", **request})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def document(self, url):
        return json.loads(self.exchange(url)[1])

    def ask(self, endpoint, svid=None, **values):
        form = {
            "grant_type": "client_credentials",
            "resource": self.resource,
            "scope": self.scope,
            **values,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        status, body = self.exchange(
            endpoint, svid, method="POST", body=urlencode(form), headers=headers
        )
        if status != 200:
            raise RuntimeError(body)
        return json.loads(body)["access_token"]

    def by_certificate(self, endpoint):
        return self.ask(endpoint, self.svid, client_id=str(self.svid.spiffe_id))

    def by_assertion(self, endpoint):
        assertion = self.api.fetch_jwt_svid({self.issuer}).token
        return self.ask(endpoint, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)

    def use(self, get):
        metadata = self.document(self.issuer + "/.well-known/oauth-authorization-server")
        keys = jwt.PyJWKSet.from_dict(self.document(metadata["jwks_uri"]))
        token = get(metadata["token_endpoint"])

        def read(text):
            key = keys[jwt.get_unverified_header(text)["kid"]]
            return jwt.decode(text, key, ["ES256"], audience=self.resource, issuer=self.issuer)

        try:
            changed = str(read(token[:-8] + "AAAAAAAA"))
        except jwt.InvalidSignatureError as error:
            changed = repr(error)
        status, body = self.exchange(
            self.resource + "/list",
            self.svid,
            self.service,
            headers={"authorization": "Bearer " + token},
        )
        return {"claims": read(token), "changed": changed, "status": status, "body": body}


def main(arguments):
    workload = Workload(*arguments)
    methods = {"spiffe_x509": workload.by_certificate, "spiffe_jwt": workload.by_assertion}
    for method, get in methods.items():
        try:
            answer = workload.use(get)
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps({"method": method, **answer}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
