"""The contract of test/interop/probe.ts, kept with the packages spiffe and spiffe-tls."""

import json
import queue
import socket
import sys
import threading

from OpenSSL import SSL
from cryptography import x509

from spiffe import JwtSource, JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient, X509Source
from spiffetls import ClientTlsMode, create_ssl_context, dial
from spiffetls.tlsconfig.authorize import authorize_id, authorize_member_of

TIMEOUT_SECONDS = 60
CONNECTION_TIMEOUT_SECONDS = 30
printing = threading.Lock()


def say(**fields):
    with printing:
        print(json.dumps(fields), flush=True)


def input_lines():
    return (line.rstrip("\n") for line in sys.stdin)


def serial_of(svid):
    return format(svid.leaf.serial_number, "x")


def fetch(audience):
    client = WorkloadApiClient(default_timeout=TIMEOUT_SECONDS)
    context = client.fetch_x509_context()
    svid = context.default_svid
    token = client.fetch_jwt_svid({audience})
    roots = {str(one.trust_domain): len(one.x509_authorities) for one in context.x509_bundle_set.bundles}
    keys = {
        str(one.trust_domain): len(one.jwt_authorities) for one in client.fetch_jwt_bundles().bundles
    }
    say(
        id=str(svid.spiffe_id),
        serial=serial_of(svid),
        roots=roots,
        keys=keys,
        jwtId=str(token.spiffe_id),
        token=token.token,
        sourced=from_sources(audience),
    )


def from_sources(audience):
    """The library verifies no X.509-SVID outside TLS: its certificate is checked here by its issuer's key."""
    with X509Source(timeout_in_seconds=TIMEOUT_SECONDS) as source:
        svid = source.svid
        bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
        issuer = next(one for one in bundle.x509_authorities if one.subject == svid.leaf.issuer)
        svid.leaf.verify_directly_issued_by(issuer)
    with JwtSource(timeout_in_seconds=TIMEOUT_SECONDS) as source:
        token = source.fetch_svid({audience})
        bundle = source.get_bundle_for_trust_domain(token.spiffe_id.trust_domain)
        parsed = JwtSvid.parse_and_validate(token.token, bundle, {audience})
    return {"id": str(svid.spiffe_id), "jwtId": str(parsed.spiffe_id)}


def validate(audience):
    client = WorkloadApiClient(default_timeout=TIMEOUT_SECONDS)
    with JwtSource(timeout_in_seconds=TIMEOUT_SECONDS) as source:
        for token in input_lines():
            answer = {}
            try:
                answer["byAgent"] = str(client.validate_jwt_svid(token, audience).spiffe_id)
            except Exception as error:
                answer["agentRefused"] = repr(error)
            try:
                claimed = JwtSvid.parse_insecure(token, {audience}).spiffe_id.trust_domain
                bundle = source.get_bundle_for_trust_domain(claimed)
                parsed = JwtSvid.parse_and_validate(token, bundle, {audience})
                answer["byLibrary"] = str(parsed.spiffe_id)
            except Exception as error:
                answer["libraryRefused"] = repr(error)
            say(**answer)


def watch(count):
    updates = queue.Queue()
    client = WorkloadApiClient()
    handle = client.stream_x509_contexts(updates.put, updates.put)
    for _ in range(int(count)):
        update = updates.get()
        if isinstance(update, Exception):
            say(error=repr(update))
            continue
        svid = update.default_svid
        roots = sum(len(one.x509_authorities) for one in update.x509_bundle_set.bundles)
        say(id=str(svid.spiffe_id), serial=serial_of(svid), roots=roots)
    handle.cancel()


def peer_id(connection):
    certificate = connection.get_peer_certificate().to_cryptography()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def with_timeout(connection, seconds=CONNECTION_TIMEOUT_SECONDS):
    """pyOpenSSL cannot wait on a socket that Python made non-blocking, so the kernel keeps the time."""
    time = seconds.to_bytes(8, "little") + bytes(8)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, time)
    return connection


def read_line(connection):
    text = b""
    while not text.endswith(b"\n"):
        text += connection.recv(4096)
    return text.decode().rstrip("\n")


class Acceptor:
    """
    spiffetls.listen keeps one context for good, which pyOpenSSL, from 26.1 on, lets nobody change once it
    is in use: such a listener shows its first SVID until long after its end. So here each update of
    the source makes a context of its own.
    """

    def __init__(self, source, trust_domain):
        self.source = source
        self.authorize = authorize_member_of(trust_domain)
        source.subscribe_for_updates(self.renew)
        self.renew()

    def renew(self):
        self.context = create_ssl_context(SSL.TLS_SERVER_METHOD, self.source, self.authorize)

    def accept(self, accepted):
        connection = SSL.Connection(self.context, accepted)
        connection.set_accept_state()
        return connection


def serve(trust_domain=None):
    with X509Source(timeout_in_seconds=TIMEOUT_SECONDS) as source:
        own = source.svid.spiffe_id.trust_domain
        acceptor = Acceptor(source, TrustDomain(trust_domain) if trust_domain else own)
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        say(listening=f"127.0.0.1:{listener.getsockname()[1]}")

        def accept():
            while True:
                accepted, _ = listener.accept()
                threading.Thread(target=greet, args=[acceptor, accepted], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        for _ in input_lines():
            pass


def greet(acceptor, accepted):
    connection = with_timeout(acceptor.accept(accepted))
    try:
        connection.do_handshake()
        read_line(connection)
        connection.sendall(f"{peer_id(connection)}\n".encode())
        connection.shutdown()
    except Exception as error:
        say(refused=repr(error))
    finally:
        connection.close()


def dial_each():
    with X509Source(timeout_in_seconds=TIMEOUT_SECONDS) as source:
        say(ready=True)
        for line in input_lines():
            address, expected = line.split(" ")
            try:
                say(**shake(source, address, SpiffeId(expected)))
            except Exception as error:
                say(error=f"{error!r} {error.__cause__!r}")


def shake(source, address, expected):
    connection = dial(address, source, ClientTlsMode.TLS, authorize_id(expected))
    try:
        with_timeout(connection).sendall(b"who am I\n")
        return {"peer": peer_id(connection), "seenAs": read_line(connection)}
    finally:
        connection.close()


VERBS = {"fetch": fetch, "validate": validate, "watch": watch, "serve": serve, "dial": dial_each}

if __name__ == "__main__":
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        say(error=repr(error))
        sys.exit(1)
