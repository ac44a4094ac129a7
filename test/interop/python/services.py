"""The contract of test/soak/fleet.ts, kept with the packages spiffe and spiffe-tls."""

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from OpenSSL import SSL
from cryptography import x509

from probe import TIMEOUT_SECONDS, input_lines, peer_id, read_line, say, with_timeout
from spiffe import X509Source
from spiffetls import create_ssl_context
from spiffetls.tlsconfig.authorize import authorize_member_of

WORKERS = 32
# The fleet waits longer than this for what became of a connection.
CONNECTION_TIMEOUT_SECONDS = 10


# As long as the kernel waits by `with_timeout`.
WAIT_SECONDS = 10


def until_over(act):
    """Waits on where the process was stopped meanwhile, which ends the kernel's wait as if its time were over."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return act()
        except SSL.WantReadError:
            if time.monotonic() >= end:
                raise


class Connection(SSL.Connection):
    def do_handshake(self):
        return until_over(super().do_handshake)

    def recv(self, size):
        return until_over(lambda: super(Connection, self).recv(size))


class Moment:
    """What create_ssl_context asks of a source, as it was at one update: it never hears of another."""

    def __init__(self, source):
        context = source.get_x509_context()
        self.svid = context.default_svid
        self.bundles = context.x509_bundle_set.bundles

    def subscribe_for_updates(self, _):
        pass


class Service:
    """Each update of the source makes contexts of its own, since pyOpenSSL lets nobody change one in use."""

    def __init__(self, own_id):
        def pick(svids):
            return next(one for one in svids if str(one.spiffe_id) == own_id)

        self.source = X509Source(timeout_in_seconds=TIMEOUT_SECONDS, svid_picker=pick)
        self.source.subscribe_for_updates(self.renew)
        self.renew()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def renew(self):
        now = Moment(self.source)
        authorize = authorize_member_of(now.svid.spiffe_id.trust_domain)
        self.accepting = create_ssl_context(SSL.TLS_SERVER_METHOD, now, authorize)
        self.dialling = create_ssl_context(SSL.TLS_CLIENT_METHOD, now, authorize)

    def accept(self, pool):
        while True:
            accepted, _ = self.listener.accept()
            pool.submit(self.greet, accepted)

    def greet(self, accepted):
        try:
            connection = Connection(self.accepting, accepted)
            connection.set_accept_state()
            with_timeout(connection, CONNECTION_TIMEOUT_SECONDS).do_handshake()
            read_line(connection)
            connection.sendall(f"{peer_id(connection)} {peer_authority(connection)}\n".encode())
            connection.shutdown()
        except Exception as error:
            say(refused=repr(error))
        finally:
            accepted.close()

    def dial(self, n, address, expected):
        try:
            say(n=int(n), **self.meet(address, expected))
        except Exception as error:
            say(n=int(n), error=repr(error))

    def meet(self, address, expected):
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), CONNECTION_TIMEOUT_SECONDS) as plain:
            plain.setblocking(True)
            connection = Connection(self.dialling, plain)
            connection.set_connect_state()
            with_timeout(connection, CONNECTION_TIMEOUT_SECONDS).do_handshake()
            peer = peer_id(connection)
            if peer != expected:
                raise PermissionError(f"{peer} is not {expected}")
            connection.sendall(b"who am I\n")
            seen_as, seen_authority = read_line(connection).split(" ")
            return {
                "peer": peer,
                "peerAuthority": peer_authority(connection),
                "seenAs": seen_as,
                "seenAuthority": seen_authority,
            }


def peer_authority(connection):
    certificate = connection.get_peer_certificate().to_cryptography()
    signer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return signer.key_identifier.hex()


def main(ids):
    # One pool for each side: who waits for an answer keeps nobody from giving one.
    dialling, greeting = ThreadPoolExecutor(WORKERS), ThreadPoolExecutor(WORKERS)
    services = {one: Service(one) for one in ids}
    for own_id, service in services.items():
        threading.Thread(target=service.accept, args=[greeting], daemon=True).start()
        port = service.listener.getsockname()[1]
        say(service=own_id, listening=f"127.0.0.1:{port}")
    for line in input_lines():
        n, own_id, address, expected = line.split(" ")
        dialling.submit(services[own_id].dial, n, address, expected)


if __name__ == "__main__":
    main(sys.argv[1:])
