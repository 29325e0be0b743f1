//! SASL/OAUTHBEARER: tokens of an OpenID provider, fetched, shown, and replaced before they expire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::runtime::Runtime;
use wiremock::matchers::{body_string_contains, header, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::harness::{KafkaBroker, Recipe, Scene, Tally, wait_until};
use crate::scene;

const PATIENCE: Duration = Duration::from_secs(60);

/// How long a token of [`Provider`] holds, in seconds.
const LIFE: u64 = 6;

/// An OpenID provider that gives unsigned tokens to the client `relay` with the secret `canary`.
struct Provider {
    server: MockServer,
    given: Arc<AtomicU32>,
    runtime: Runtime,
}

impl Provider {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let given = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&given);
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(path("/oauth2/token"))
                .and(header("authorization", "Basic cmVsYXk6Y2FuYXJ5"))
                .and(body_string_contains("grant_type=client_credentials"))
                .respond_with(move |_: &Request| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    ResponseTemplate::new(200)
                        .set_body_json(json!({ "access_token": token(), "expires_in": LIFE }))
                })
                .mount(&server)
                .await;
            server
        });
        Self { server, given, runtime }
    }

    fn recipe(&self, scene: &Scene<'_>, topic: &str, secret: &str) -> Recipe {
        let endpoint = self.runtime.block_on(async { format!("{}/oauth2/token", self.server.uri()) });
        scene
            .recipe()
            .change_logs(topic)
            .consumer("bootstrap.servers", KafkaBroker::shared().oauth_bootstrap())
            .consumer("security.protocol", "SASL_PLAINTEXT")
            .consumer("sasl.mechanism", "OAUTHBEARER")
            .consumer("sasl.oauthbearer.method", "oidc")
            .consumer("sasl.oauthbearer.client.id", "relay")
            .consumer("sasl.oauthbearer.client.secret", secret)
            .consumer("sasl.oauthbearer.token.endpoint.url", endpoint)
    }
}

/// A token that no one signed; the broker looks at its times alone.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "sub": "relay", "iat": now - 1, "exp": now + LIFE, "scope": "kafka" });
    format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_logs_in_with_tokens_and_outlives_them() {
    let scene = scene("oauth");
    let topic = scene.topic("versioned", 2);
    let provider = Provider::start();
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 500);
    let mut relay = scene.run(&[&provider.recipe(&scene, &topic, "canary")]);
    relay.wait_until_ready();
    // Each token holds for seconds, and the broker wants to see a fresh one every three.
    wait_until("several tokens to be fetched", PATIENCE, || provider.given.load(Ordering::SeqCst) >= 4);
    feeder.change_logs(&topic, 2, 500);
    let fed = feeder.fed();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, PATIENCE);
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert!(!relay.log().contains("canary"), "the client's secret stands in the log");
    relay.stop();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_provider_that_refuses_is_named_in_the_log() {
    let scene = scene("oauth-refused");
    let topic = scene.topic("versioned", 1);
    let provider = Provider::start();
    let relay = scene.run(&[&provider.recipe(&scene, &topic, "another-canary")]);
    wait_until("the refusal in the log", PATIENCE, || {
        relay.log().contains("cannot fetch an OAUTHBEARER token") && relay.log().contains("answered 404")
    });
    assert_eq!(relay.ready(), Some(false));
    assert!(!relay.log().contains("canary"), "the client's secret stands in the log");
}
