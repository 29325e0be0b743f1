//! How an outage is noticed, told, and over.

use std::sync::Mutex;

use futures_util::FutureExt as _;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::look_ups::MOST_LOOK_UPS;
use super::tests::{IMPATIENT, answer_to, requests, schema_answer, server_with, settings, unknown_answer};
use super::*;

/// After a failure nobody asks again within a test, unless something else makes them.
const PATIENT: Patience = Patience { first_wait: Duration::from_secs(60), ..IMPATIENT };

/// A registry that does not answer the first request for id 4, and knows it from then on.
async fn out_for_one_request() -> (MockServer, SchemaRegistry) {
    let server = MockServer::start().await;
    let at = path("/schemas/ids/4");
    Mock::given(at).respond_with(ResponseTemplate::new(503)).up_to_n_times(1).mount(&server).await;
    answer_to(&server, 4, schema_answer()).await;
    answer_to(&server, 0, unknown_answer()).await;
    answer_to(&server, 5, schema_answer()).await;
    let registry =
        SchemaRegistry::new(&RegistrySettings { patience: PATIENT, ..settings(&server.uri()) }).unwrap();
    (server, registry)
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn tell(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl RegistryReports for Told {
    fn asks_again(&self, id: SchemaId, _patience: Duration) {
        self.tell(&format!("asks again for {id}"));
    }

    fn looked_up(&self, result: &Result<(), RegistryError>) {
        self.tell(result.as_ref().map_or_else(|error| error.class(), |()| "found"));
    }

    fn answers(&self, again: bool) {
        self.tell(if again { "answers again" } else { "answers" });
    }

    fn is_out(&self, _: &RegistryError, since_now: bool) {
        self.tell(if since_now { "goes out" } else { "still out" });
    }
}

#[tokio::test]
async fn whoever_waits_need_not_wait_longer_than_until_a_probe_is_answered() {
    let (server, registry) = out_for_one_request().await;
    let error = registry.schema(SchemaId(4)).await.unwrap_err();
    assert!(error.retry_after().unwrap() > Duration::from_secs(30));
    assert!(registry.wait_for_answers().now_or_never().is_none(), "it is out");
    registry.probe().await.unwrap();
    assert!(registry.wait_for_answers().now_or_never().is_some());
    assert!(registry.schema(SchemaId(4)).await.is_ok());
    assert_eq!(requests(&server).await, 3, "the probe has asked for what is missing, too");
}

#[tokio::test]
async fn an_answer_to_one_id_lets_the_others_be_asked_for_again() {
    let (_server, registry) = out_for_one_request().await;
    registry.schema(SchemaId(4)).await.unwrap_err();
    registry.schema(SchemaId(4)).await.unwrap_err();
    registry.schema(SchemaId(5)).await.unwrap();
    assert!(registry.schema(SchemaId(4)).await.is_ok());
}

#[tokio::test]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let (_server, registry) = out_for_one_request().await;
    let told = Arc::new(Told::default());
    registry.report_to(Arc::clone(&told) as _);
    registry.schema(SchemaId(5)).await.unwrap();
    assert_eq!(told.take(), ["answers", "found"]);
    registry.schema(SchemaId(4)).await.unwrap_err();
    assert_eq!(told.take(), ["goes out", "registry_unavailable"]);
    registry.schema(SchemaId(4)).await.unwrap_err();
    registry.schema(SchemaId(5)).await.unwrap();
    assert_eq!(told.take(), [""; 0], "neither a standing failure nor a known schema is an answer");
    registry.probe().await.unwrap();
    assert_eq!(told.take(), ["answers again"]);
}

#[tokio::test]
async fn an_id_that_alone_is_not_answered_keeps_the_registry_out() {
    let server = server_with(4, ResponseTemplate::new(500)).await;
    answer_to(&server, 5, schema_answer()).await;
    let registry =
        SchemaRegistry::new(&RegistrySettings { patience: PATIENT, ..settings(&server.uri()) }).unwrap();
    let told = Arc::new(Told::default());
    registry.report_to(Arc::clone(&told) as _);
    registry.schema(SchemaId(5)).await.unwrap();
    registry.schema(SchemaId(4)).await.unwrap_err();
    told.take();
    assert!(registry.probe().await.is_err());
    assert_eq!(told.take(), ["still out"], "no coming and going");
}

#[test]
fn ids_that_nobody_knows_do_not_fill_the_memory() {
    let look_ups = LookUps::default();
    let held = look_ups.of(SchemaId(0));
    for id in 1..MOST_LOOK_UPS as u32 + 50 {
        look_ups.of(SchemaId(id));
    }
    assert_eq!(look_ups.len(), MOST_LOOK_UPS);
    assert!(Arc::ptr_eq(&held, &look_ups.of(SchemaId(0))), "what is being asked for is kept");
    look_ups.forget(SchemaId(0));
    assert_eq!(look_ups.len(), MOST_LOOK_UPS - 1);
}

#[tokio::test]
async fn that_an_id_is_not_known_is_told_once_while_its_records_wait() {
    let server = server_with(7, unknown_answer()).await;
    let registry = SchemaRegistry::new(&settings(&server.uri())).unwrap();
    let told = Arc::new(Told::default());
    registry.report_to(Arc::clone(&told) as _);
    for _ in 0..2 {
        registry.schema(SchemaId(7)).await.unwrap_err();
    }
    let said = told.take();
    assert!(requests(&server).await > 2, "it is asked again and again");
    assert_eq!(said.iter().filter(|what| *what == "asks again for 7").count(), 1, "{said:?}");
}

/// A list of two addresses.
fn addresses(first: &MockServer, second: &MockServer) -> SchemaRegistry {
    let urls = [first, second].map(|server| url::Url::parse(&server.uri()).unwrap()).to_vec();
    let settings = RegistrySettings::at(urls);
    SchemaRegistry::new(&RegistrySettings { patience: IMPATIENT, ..settings }).unwrap()
}

async fn goes_down(server: &MockServer) {
    server.reset().await;
    Mock::given(wiremock::matchers::any()).respond_with(ResponseTemplate::new(503)).mount(server).await;
}

#[tokio::test]
async fn while_an_address_is_out_no_id_is_unknown_whatever_another_one_says() {
    for (other, registry_first) in [(None, true), (None, false), (Some(unknown_answer()), true)] {
        let real = server_with(4, schema_answer()).await;
        // Without an answer of its own it says 404 with an empty body to everything.
        let elsewhere = MockServer::start().await;
        if let Some(other) = &other {
            answer_to(&elsewhere, 7, other.clone()).await;
        }
        let registry = match registry_first {
            true => addresses(&real, &elsewhere),
            false => addresses(&elsewhere, &real),
        };
        registry.schema(SchemaId(4)).await.unwrap();
        goes_down(&real).await;
        let error = registry.schema(SchemaId(7)).await.unwrap_err();
        assert_eq!(error.class(), "registry_unavailable", "{error}");
    }
}

#[tokio::test]
async fn an_address_that_was_never_needed_is_a_registry_if_it_knows_what_another_one_does() {
    let (first, second) = (server_with(4, schema_answer()).await, server_with(4, schema_answer()).await);
    let registry = addresses(&first, &second);
    registry.schema(SchemaId(4)).await.unwrap();
    assert_eq!(requests(&second).await, 0);
    assert_eq!(registry.schema(SchemaId(7)).await.unwrap_err().class(), "unknown_schema");
}

#[tokio::test]
async fn one_address_that_answers_is_enough_until_a_record_waits_for_the_other() {
    let (down, up) = (MockServer::start().await, server_with(0, unknown_answer()).await);
    goes_down(&down).await;
    answer_to(&up, 7, unknown_answer()).await;
    let registry = addresses(&down, &up);
    registry.probe().await.unwrap();
    registry.schema(SchemaId(7)).await.unwrap_err();
    assert!(registry.probe().await.unwrap_err().to_string().contains(&down.uri()));
}
