use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::json;
use url::Url;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::avro::schemas;
use crate::avro::settings::RegistryAuth;

pub(super) const IMPATIENT: Patience = Patience {
    unknown_id: Duration::from_millis(60),
    first_wait: Duration::from_millis(10),
    longest_wait: Duration::from_secs(60),
};

pub(super) fn settings(url: &str) -> RegistrySettings {
    RegistrySettings::at(vec![Url::parse(url).unwrap()])
}

pub(super) fn registry(url: &str) -> SchemaRegistry {
    SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings(url) }).unwrap()
}

pub(super) fn schema_answer() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"schema": schemas::PLATFORM_EVENT_JSON}))
}

pub(super) fn unknown_answer() -> ResponseTemplate {
    ResponseTemplate::new(404).set_body_json(json!({"error_code": 40403, "message": "Schema not found"}))
}

pub(super) async fn server_with(id: u32, answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    answer_to(&server, id, answer).await;
    server
}

pub(super) async fn answer_to(server: &MockServer, id: u32, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(format!("/schemas/ids/{id}")))
        .respond_with(answer)
        .mount(server)
        .await;
}

pub(super) async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_schema_is_asked_for_once_by_however_many() {
    let server = server_with(4, schema_answer().set_delay(Duration::from_millis(30))).await;
    let registry = Arc::new(registry(&server.uri()));
    assert!(registry.cached(SchemaId(4)).is_none());
    let askers: Vec<_> = (0..8)
        .map(|_| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move { registry.schema(SchemaId(4)).await.map(|_| ()) })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(()));
    }
    assert_eq!(requests(&server).await, 1);
    assert!(registry.cached(SchemaId(4)).is_some());
}

#[tokio::test]
async fn a_url_may_have_a_path_and_a_trailing_slash() {
    let server = MockServer::start().await;
    let at = path("/gms/schema-registry/api/schemas/ids/0");
    Mock::given(at).respond_with(schema_answer()).mount(&server).await;
    for end in ["", "/"] {
        let registry = registry(&format!("{}/gms/schema-registry/api{end}", server.uri()));
        assert!(registry.schema(SchemaId(0)).await.is_ok(), "id 0 is an id like any other");
    }
}

#[tokio::test]
async fn an_unknown_id_is_asked_for_until_the_patience_is_over_and_then_not_for_each_record() {
    let server = server_with(7, unknown_answer()).await;
    let registry = registry(&server.uri());
    let error = registry.schema(SchemaId(7)).await.unwrap_err();
    assert_eq!(error.class(), "unknown_schema");
    assert_eq!(error.retry_after(), None);
    let asked = requests(&server).await;
    assert!(asked > 1, "asked {asked} times");
    assert_eq!(registry.schema(SchemaId(7)).await.unwrap_err().class(), "unknown_schema");
    assert_eq!(requests(&server).await, asked, "the second record does not ask again");
}

#[tokio::test]
async fn a_schema_that_appears_within_the_patience_is_found() {
    let server = MockServer::start().await;
    let at = path("/schemas/ids/7");
    Mock::given(at).respond_with(unknown_answer()).up_to_n_times(2).mount(&server).await;
    answer_to(&server, 7, schema_answer()).await;
    let patience = Patience { unknown_id: Duration::from_secs(30), ..IMPATIENT };
    let registry = SchemaRegistry::new(&RegistrySettings { patience, ..settings(&server.uri()) }).unwrap();
    assert!(registry.schema(SchemaId(7)).await.is_ok());
}

#[tokio::test]
async fn an_empty_404_means_an_unknown_id_only_once_the_registry_has_resolved_another() {
    let server = server_with(7, ResponseTemplate::new(404)).await;
    answer_to(&server, 4, schema_answer()).await;
    let registry = registry(&server.uri());
    let error = registry.schema(SchemaId(7)).await.unwrap_err();
    assert_eq!(error.class(), "registry_unavailable", "it may be any web server");
    registry.schema(SchemaId(4)).await.unwrap();
    tokio::time::sleep(error.retry_after().unwrap()).await;
    assert_eq!(registry.schema(SchemaId(7)).await.unwrap_err().class(), "unknown_schema");
}

#[tokio::test]
async fn every_other_answer_is_an_outage_that_is_over_when_it_is_over() {
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(503).set_body_json(json!({"error_code": 50301, "message": "no leader"})),
        ResponseTemplate::new(401),
        ResponseTemplate::new(403),
        ResponseTemplate::new(429),
        ResponseTemplate::new(404).set_body_string("<html>nothing here</html>"),
        ResponseTemplate::new(404)
            .set_body_json(json!({"error_code": 40401, "message": "Subject not found"})),
        ResponseTemplate::new(200).set_body_string("<html>welcome</html>"),
        ResponseTemplate::new(200).set_body_json(json!({"ok": true})),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).up_to_n_times(1).mount(&server).await;
        answer_to(&server, 4, schema_answer()).await;
        let registry = registry(&server.uri());
        let error = registry.schema(SchemaId(4)).await.unwrap_err();
        assert_eq!(error.class(), "registry_unavailable", "{error}");
        tokio::time::sleep(error.retry_after().unwrap()).await;
        assert!(registry.schema(SchemaId(4)).await.is_ok(), "after: {error}");
    }
}

#[tokio::test]
async fn a_failure_stands_for_a_while_so_that_a_registry_in_trouble_is_not_flooded() {
    let server = server_with(4, ResponseTemplate::new(500)).await;
    let patience = Patience { first_wait: Duration::from_secs(60), ..IMPATIENT };
    let registry = SchemaRegistry::new(&RegistrySettings { patience, ..settings(&server.uri()) }).unwrap();
    for _ in 0..3 {
        let error = registry.schema(SchemaId(4)).await.unwrap_err();
        assert!(error.retry_after().unwrap() <= Duration::from_secs(60));
    }
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn a_registry_that_hangs_or_is_not_there_is_an_outage() {
    let server = server_with(4, schema_answer().set_delay(Duration::from_secs(60))).await;
    let settings = RegistrySettings { timeout: Duration::from_millis(50), ..settings(&server.uri()) };
    let registry =
        SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings.clone() }).unwrap();
    let error = registry.schema(SchemaId(4)).await.unwrap_err();
    assert_eq!(error.class(), "registry_unavailable");
    assert!(registry.probe().await.is_err());

    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = self::registry(&format!("http://{gone}")).schema(SchemaId(4)).await.unwrap_err();
    assert_eq!(error.class(), "registry_unavailable");
    assert!(error.to_string().contains("check that the registry runs"), "{error}");
}

#[tokio::test]
async fn the_waits_between_attempts_grow_up_to_the_longest() {
    let patience = Patience::default();
    let waits: Vec<u64> = (0..8).map(|failures| patience.wait_after(failures).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(patience.wait_after(u32::MAX).as_secs(), 60);
}

#[tokio::test]
async fn what_is_no_avro_schema_is_invalid_not_an_outage() {
    for answer in [
        json!({"schema": "{\"type\": \"record\"}"}),
        json!({"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"}),
    ] {
        let server = server_with(4, ResponseTemplate::new(200).set_body_json(answer)).await;
        let error = registry(&server.uri()).schema(SchemaId(4)).await.unwrap_err();
        assert_eq!(error.class(), "invalid_schema", "{error}");
    }
}

#[tokio::test]
async fn a_schema_is_resolved_together_with_its_references() {
    let stamp =
        r#"{"type": "record", "name": "Stamp", "namespace": "a", "fields": [{"name": "t", "type": "long"}]}"#;
    let schema = r#"{"type": "record", "name": "R", "fields": [{"name": "s", "type": "a.Stamp"}]}"#;
    let references = json!([{"name": "a.Stamp", "subject": "stamp", "version": 3}]);
    let answer =
        ResponseTemplate::new(200).set_body_json(json!({"schema": schema, "references": references}));
    let server = server_with(4, answer).await;
    let answer = ResponseTemplate::new(200)
        .set_body_json(json!({"subject": "stamp", "version": 3, "id": 1, "schema": stamp}));
    Mock::given(path("/subjects/stamp/versions/3")).respond_with(answer).mount(&server).await;
    let compiled = registry(&server.uri()).schema(SchemaId(4)).await.unwrap();
    assert_eq!(compiled.projection().check(&[2]), Ok(()));
}

#[tokio::test]
async fn a_list_of_addresses_is_tried_in_its_order() {
    let down = server_with(4, ResponseTemplate::new(500)).await;
    let up = server_with(4, schema_answer()).await;
    let mut settings = settings(&down.uri());
    settings.urls.push(Url::parse(&up.uri()).unwrap());
    let registry =
        SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings.clone() }).unwrap();
    assert!(registry.schema(SchemaId(4)).await.is_ok());
    assert_eq!((requests(&down).await, requests(&up).await), (1, 1));
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let basic = RegistryAuth::Basic { user: "ann".into(), password: SecretString::from("s3cret") };
    let bearer = RegistryAuth::Bearer(SecretString::from("s3cret"));
    for (auth, expected) in [(basic, "Basic YW5uOnMzY3JldA=="), (bearer, "Bearer s3cret")] {
        let server = MockServer::start().await;
        let matching = Mock::given(path("/schemas/ids/4")).and(header("authorization", expected));
        matching.respond_with(schema_answer()).mount(&server).await;
        let settings = RegistrySettings { auth, ..settings(&server.uri()) };
        let registry =
            SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings.clone() }).unwrap();
        assert!(registry.schema(SchemaId(4)).await.is_ok());
        let shown = format!("{registry:?} {settings:?} {}", registry.schema(SchemaId(5)).await.unwrap_err());
        assert!(!shown.contains("s3cret") && !shown.contains("YW5u"), "{shown}");
    }
    let settings = settings("http://ann:s3cret@127.0.0.1:1/path/");
    let registry =
        SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings.clone() }).unwrap();
    let shown = registry.schema(SchemaId(4)).await.unwrap_err().to_string();
    assert!(shown.contains("http://127.0.0.1:1/path/schemas/ids/4") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn both_a_known_and_an_unknown_id_are_signs_of_health() {
    let knows = server_with(0, schema_answer()).await;
    assert_eq!(registry(&knows.uri()).probe().await, Ok(()));
    let knows_not = server_with(0, unknown_answer()).await;
    assert_eq!(registry(&knows_not.uri()).probe().await, Ok(()));
    let other_path = MockServer::start().await;
    assert!(registry(&other_path.uri()).probe().await.is_err(), "every id is 404 without a body");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |settings: &RegistrySettings| SchemaRegistry::new(settings).unwrap_err().to_string();
    let none = RegistrySettings { urls: Vec::new(), ..settings("http://localhost") };
    assert!(refused(&none).contains("schema_registry_url"));
    assert!(refused(&settings("ftp://localhost")).contains("http://"));
    let missing =
        RegistrySettings { ca_file: Some(PathBuf::from("no/such.pem")), ..settings("https://localhost") };
    assert!(refused(&missing).contains("no/such.pem"));
    let half = RegistrySettings { key_file: Some(PathBuf::from("key.pem")), ..settings("https://localhost") };
    assert!(refused(&half).contains("go together"));
}

#[tokio::test]
async fn requests_go_through_the_proxy() {
    let proxy = MockServer::start().await;
    Mock::given(path("/schemas/ids/7")).respond_with(schema_answer()).mount(&proxy).await;
    let through = |proxy: String| RegistrySettings {
        proxy: Some(SecretString::from(proxy)),
        ..settings("http://registry.invalid:8081")
    };
    // The name resolves nowhere: only the proxy can have answered.
    let registry = SchemaRegistry::new(&through(proxy.uri())).unwrap();
    assert!(registry.schema(SchemaId(7)).await.is_ok());
    let error = SchemaRegistry::new(&through("http://:canary@".to_owned())).unwrap_err().to_string();
    assert!(error.contains("`proxy`") && !error.contains("canary"), "{error}");
}
