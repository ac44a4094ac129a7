package probe;

import io.spiffe.provider.SpiffeSslContextFactory;
import io.spiffe.provider.SpiffeSslContextFactory.SslContextOptions;
import io.spiffe.spiffeid.SpiffeId;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.X509Source;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

final class Mtls {
    private static final int CONNECTION_TIMEOUT_MS = 30_000;
    private static final int URI_NAME = 6;

    private Mtls() {}

    /** Any ID that a bundle of the source vouches for: its agent gives those of the trust domains that it is to know. */
    static void serve() throws Exception {
        try (var source = DefaultX509Source.newSource()) {
            var options = SslContextOptions.builder().x509Source(source).acceptAnySpiffeId().build();
            var context = SpiffeSslContextFactory.getSslContext(options);
            var listener = (SSLServerSocket)
                    context.getServerSocketFactory().createServerSocket(0, 64, InetAddress.getLoopbackAddress());
            listener.setNeedClientAuth(true);
            Probe.say(Map.of("listening", "127.0.0.1:" + listener.getLocalPort()));
            var greeters = Executors.newCachedThreadPool();
            greeters.execute(() -> {
                while (!listener.isClosed()) {
                    try {
                        var socket = (SSLSocket) listener.accept();
                        greeters.execute(() -> greet(socket));
                    } catch (IOException error) {
                        Probe.say(Map.of("refused", Probe.reason(error)));
                    }
                }
            });
            while (Probe.INPUT.readLine() != null) {}
        }
    }

    private static void greet(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(CONNECTION_TIMEOUT_MS);
            readLine(socket);
            writeLine(socket, peerId(socket));
        } catch (Exception error) {
            Probe.say(Map.of("refused", Probe.reason(error)));
        }
    }

    static void dial() throws Exception {
        try (var source = DefaultX509Source.newSource()) {
            Probe.say(Map.of("ready", true));
            for (String line; (line = Probe.INPUT.readLine()) != null; ) {
                var words = line.split(" ");
                try {
                    Probe.say(shake(source, words[0], SpiffeId.parse(words[1])));
                } catch (Exception error) {
                    Probe.say(Map.of("error", Probe.reason(error)));
                }
            }
        }
    }

    private static Map<String, String> shake(X509Source source, String address, SpiffeId expected) throws Exception {
        var options = SslContextOptions.builder()
                .x509Source(source)
                .acceptedSpiffeIdsSupplier(() -> Set.of(expected))
                .build();
        var context = SpiffeSslContextFactory.getSslContext(options);
        var colon = address.lastIndexOf(':');
        var target = new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        try (var socket = (SSLSocket) context.getSocketFactory().createSocket()) {
            socket.connect(target, CONNECTION_TIMEOUT_MS);
            socket.setSoTimeout(CONNECTION_TIMEOUT_MS);
            socket.startHandshake();
            var peer = peerId(socket);
            writeLine(socket, "who am I");
            return Map.of("peer", peer, "seenAs", readLine(socket));
        }
    }

    private static String peerId(SSLSocket socket) throws Exception {
        var leaf = (X509Certificate) socket.getSession().getPeerCertificates()[0];
        for (List<?> name : leaf.getSubjectAlternativeNames()) {
            if (name.get(0).equals(URI_NAME)) return (String) name.get(1);
        }
        throw new IOException("no URI");
    }

    private static String readLine(SSLSocket socket) throws IOException {
        var line = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)).readLine();
        if (line == null) throw new IOException("the peer hung up");
        return line;
    }

    private static void writeLine(SSLSocket socket, String line) throws IOException {
        var writer = new PrintWriter(socket.getOutputStream(), false, StandardCharsets.UTF_8);
        writer.print(line + "\n");
        writer.flush();
        if (writer.checkError()) throw new IOException("the peer hung up");
    }
}
