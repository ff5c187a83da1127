// Unleash's Java SDK as a contract program (`ensign_testkit.programs` says what it answers).

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.getunleash.DefaultUnleash;
import io.getunleash.UnleashContext;
import io.getunleash.event.UnleashReady;
import io.getunleash.event.UnleashSubscriber;
import io.getunleash.util.UnleashConfig;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public final class Client {
    private static final Gson GSON = new GsonBuilder().serializeNulls().create();

    public static void main(String[] arguments) throws Exception {
        JsonObject given = JsonParser.parseString(arguments[0]).getAsJsonObject();
        CountDownLatch ready = new CountDownLatch(1);
        UnleashConfig.Builder config = UnleashConfig.builder()
            .unleashAPI(given.get("url").getAsString())
            .apiKey(given.get("token").getAsString())
            .appName(given.get("app").getAsString())
            .fetchTogglesInterval(1)
            .sendMetricsInterval(1)
            .backupFile(given.get("folder").getAsString() + "/backup.json")
            .subscriber(new UnleashSubscriber() {
                @Override
                public void onReady(UnleashReady event) {
                    ready.countDown();
                }
            });
        if (given.get("mode").getAsString().equals("streaming")) {
            config.experimentalStreamingMode();
        }
        DefaultUnleash unleash = new DefaultUnleash(config.build());
        ready.await(10, TimeUnit.SECONDS);
        List<String> flags = new ArrayList<>();
        given.getAsJsonArray("flags").forEach(flag -> flags.add(flag.getAsString()));
        List<UnleashContext> contexts = new ArrayList<>();
        given.getAsJsonArray("contexts").forEach(one -> contexts.add(context(one.getAsJsonObject())));
        var impact = unleash.getImpactMetrics();
        impact.defineCounter("sales", "Sales");
        impact.incrementCounter("sales", 3);
        impact.defineGauge("stock", "Stock");
        impact.updateGauge("stock", 7);
        impact.defineHistogram("wait", "Seconds");
        impact.observeHistogram("wait", 0.3);
        say("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.equals("watch")) {
                say(unleash.isEnabled(given.get("watch").getAsString(), contexts.get(0)));
            } else if (line.equals("answers")) {
                say(answers(unleash, flags, contexts));
            } else if (line.equals("end")) {
                unleash.shutdown();
                say("ended");
                System.exit(0);
            }
        }
    }

    private static UnleashContext context(JsonObject given) {
        UnleashContext.Builder context = UnleashContext.builder().userId(given.get("userId").getAsString());
        given.getAsJsonObject("properties").entrySet()
            .forEach(entry -> context.addProperty(entry.getKey(), entry.getValue().getAsString()));
        return context.build();
    }

    private static List<Object> answers(DefaultUnleash unleash, List<String> flags, List<UnleashContext> contexts) {
        List<Object> rows = new ArrayList<>();
        for (String flag : flags) {
            List<Object> row = new ArrayList<>();
            for (UnleashContext context : contexts) {
                var variant = unleash.getVariant(flag, context);
                // What is no variant has a payload without a value.
                var payload = variant.getPayload().filter(one -> one.getValue() != null).orElse(null);
                row.add(Arrays.asList(
                    unleash.isEnabled(flag, context), variant.getName(), payload));
            }
            rows.add(row);
        }
        return rows;
    }

    private static void say(Object value) {
        System.out.println(GSON.toJson(value));
        System.out.flush();
    }
}
