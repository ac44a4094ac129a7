package probe;

import com.google.gson.Gson;
import io.spiffe.bundle.jwtbundle.JwtBundle;
import io.spiffe.bundle.x509bundle.X509Bundle;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.DefaultJwtSource;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.X509Context;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** The contract of test/interop/probe.ts, kept with java-spiffe. */
public final class Probe {
    static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));
    private static final Gson GSON = new Gson();

    private Probe() {}

    static synchronized void say(Map<String, ?> line) {
        System.out.println(GSON.toJson(line));
    }

    public static void main(String[] args) {
        try {
            switch (args[0]) {
                case "fetch" -> fetch(args[1]);
                case "validate" -> validate(args[1]);
                case "watch" -> watch(Integer.parseInt(args[1]));
                case "serve" -> Mtls.serve();
                case "dial" -> Mtls.dial();
                default -> throw new IllegalArgumentException("fetch|validate|watch|serve|dial");
            }
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            say(Map.of("error", reason(error)));
            System.exit(1);
        }
    }

    /** The whole chain of causes, since the library's own errors name none. */
    static String reason(Throwable error) {
        return error.getCause() == null ? error.toString() : error + " < " + reason(error.getCause());
    }

    private static String serialOf(X509Svid svid) {
        return svid.getLeaf().getSerialNumber().toString(16);
    }

    private static void fetch(String audience) throws Exception {
        try (var client = DefaultWorkloadApiClient.newClient()) {
            var context = client.fetchX509Context();
            var svid = context.getDefaultSvid();
            var token = client.fetchJwtSvid(audience);
            var roots = new TreeMap<String, Integer>();
            for (X509Bundle bundle : context.getX509BundleSet().getBundles().values()) {
                roots.put(bundle.getTrustDomain().getName(), bundle.getX509Authorities().size());
            }
            var keys = new TreeMap<String, Integer>();
            for (JwtBundle bundle : client.fetchJwtBundles().getBundles().values()) {
                keys.put(bundle.getTrustDomain().getName(), bundle.getJwtAuthorities().size());
            }
            say(Map.of(
                    "id", svid.getSpiffeId().toString(),
                    "serial", serialOf(svid),
                    "roots", roots,
                    "keys", keys,
                    "jwtId", token.getSpiffeId().toString(),
                    "token", token.getToken(),
                    "sourced", fromSources(audience)));
        }
    }

    private static Map<String, String> fromSources(String audience) throws Exception {
        try (var x509Source = DefaultX509Source.newSource(); var jwtSource = DefaultJwtSource.newSource()) {
            var svid = x509Source.getX509Svid();
            X509SvidValidator.verifyChain(svid.getChain(), x509Source);
            var token = jwtSource.fetchJwtSvid(audience);
            var parsed = JwtSvid.parseAndValidate(token.getToken(), jwtSource, Set.of(audience));
            return Map.of("id", svid.getSpiffeId().toString(), "jwtId", parsed.getSpiffeId().toString());
        }
    }

    private static void validate(String audience) throws Exception {
        try (var client = DefaultWorkloadApiClient.newClient(); var source = DefaultJwtSource.newSource()) {
            for (String token; (token = INPUT.readLine()) != null; ) {
                var answer = new LinkedHashMap<String, String>();
                try {
                    answer.put("byAgent", client.validateJwtSvid(token, audience).getSpiffeId().toString());
                } catch (Exception error) {
                    answer.put("agentRefused", reason(error));
                }
                try {
                    var parsed = JwtSvid.parseAndValidate(token, source, Set.of(audience));
                    answer.put("byLibrary", parsed.getSpiffeId().toString());
                } catch (Exception error) {
                    answer.put("libraryRefused", reason(error));
                }
                say(answer);
            }
        }
    }

    private static void watch(int count) throws Exception {
        BlockingQueue<Map<String, ?>> updates = new LinkedBlockingQueue<>();
        try (var client = DefaultWorkloadApiClient.newClient()) {
            client.watchX509Context(new Watcher<>() {
                @Override
                public void onUpdate(X509Context context) {
                    var svid = context.getDefaultSvid();
                    int roots = 0;
                    for (X509Bundle bundle : context.getX509BundleSet().getBundles().values()) {
                        roots += bundle.getX509Authorities().size();
                    }
                    updates.add(Map.of("id", svid.getSpiffeId().toString(), "serial", serialOf(svid), "roots", roots));
                }

                @Override
                public void onError(Throwable error) {
                    updates.add(Map.of("error", reason(error)));
                }
            });
            for (int i = 0; i < count; i++) say(updates.take());
        }
    }
}
