//! The webhook against endpoints that behave, and against those that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::event::{Event, EventType, TopicPartition};
use crate::findings::{Findings, KeyPath};

pub(super) fn event(offset: i64) -> Envelope {
    let Value::Object(payload) = json!({"entityUrn": "urn:li:dataset:x", "category": "TAG"}) else {
        unreachable!("the literal above is an object")
    };
    let source = TopicPartition { topic: Arc::from("PlatformEvent_v1"), partition: 2 };
    Envelope::new(EventType::EntityChange, Event::Object(payload), Position { source, offset })
}

pub(super) fn webhook(config: Value) -> Webhook {
    let config: WebhookConfig = serde_json::from_value(config).unwrap();
    let mut findings = Findings::default();
    let settings = config.resolve(&KeyPath::root(), &mut findings);
    Webhook::new(settings.unwrap_or_else(|| panic!("{findings:?}")), "my hook/1").unwrap()
}

/// What an endpoint does with one connection, whose first request was read.
type Conduct = fn(TcpStream) -> futures_util::future::BoxFuture<'static, ()>;

/// An endpoint of bytes instead of HTTP, and how many connections it has seen.
async fn endpoint(conduct: Conduct) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                read_request(&mut stream).await;
                conduct(stream).await;
            });
        }
    });
    (url, connections)
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"}}}") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

async fn error_from(conduct: Conduct) -> ActionError {
    let (url, _) = endpoint(conduct).await;
    let webhook = webhook(json!({"url": url, "timeout_seconds": 1}));
    webhook.act(&event(1)).await.expect_err("this endpoint confirms nothing")
}

#[track_caller]
fn assert_retryable(error: &ActionError, says: &str) {
    assert!(matches!(error, ActionError::Retryable { .. }), "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn an_event_is_posted_as_json_with_the_recipes_headers_and_an_id_of_its_own() {
    let server = MockServer::start().await;
    let posted = event(7);
    Mock::given(method("POST"))
        .and(path("/hooks/tags"))
        .and(header("content-type", "application/json"))
        .and(header("x-token", "abc"))
        .and(header("webhook-id", "my+hook%2F1/PlatformEvent_v1/2/7"))
        .and(body_json(serde_json::to_value(&posted).unwrap()))
        .respond_with(ResponseTemplate::new(204))
        .expect(2)
        .mount(&server)
        .await;
    let url = format!("{}/hooks/tags", server.uri());
    let webhook = webhook(json!({"url": url, "headers": {"X-Token": "abc"}}));
    webhook.act(&posted).await.unwrap();
    webhook.act(&posted).await.unwrap();
}

#[tokio::test]
async fn user_information_in_the_url_is_sent_as_basic_authentication() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Basic dXNlcjpwYXNz"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let url = server.uri().replace("http://", "http://user:pass@");
    webhook(json!({"url": url})).act(&event(1)).await.unwrap();
}

#[tokio::test]
async fn an_answer_decides_whether_the_event_is_tried_again() {
    for (status, retried) in
        [(408, true), (425, true), (429, true), (500, true), (503, true), (400, false), (422, false)]
    {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_string("no, and\nthat is why");
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let error = webhook(json!({"url": server.uri()})).act(&event(1)).await.unwrap_err();
        assert_eq!(matches!(error, ActionError::Retryable { .. }), retried, "{status}: {error:?}");
        assert_eq!(!matches!(error, ActionError::Permanent { .. }), retried, "{status}: {error:?}");
        assert_eq!(error.http_status(), Some(status));
        let text = error.to_string();
        assert!(text.contains(&status.to_string()) && text.contains("no, and that is why"), "{text}");
    }
}

#[tokio::test]
async fn an_endpoint_may_say_how_long_to_wait() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(429).insert_header("Retry-After", "17");
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let error = webhook(json!({"url": server.uri()})).act(&event(1)).await.unwrap_err();
    let ActionError::Retryable { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after.map(|wait| wait.as_secs()), Some(17));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("Location", format!("{}/other", server.uri()));
    Mock::given(path("/hook")).respond_with(answer).mount(&server).await;
    let other = Mock::given(path("/other")).respond_with(ResponseTemplate::new(200)).expect(0);
    other.mount(&server).await;
    let error = webhook(json!({"url": format!("{}/hook", server.uri())})).act(&event(1)).await.unwrap_err();
    assert!(matches!(error, ActionError::Permanent { .. }), "{error:?}");
    assert!(error.to_string().contains("not followed"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_sent_back_is_not_in_the_error() {
    let server = MockServer::start().await;
    let echo = "you sent Bearer canary-1 to /hooks/canary-2?key=canary-3";
    let answer = ResponseTemplate::new(401).set_body_string(echo);
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let url = format!("{}/hooks/canary-2?key=canary-3", server.uri());
    let config = |url: &str| json!({"url": url, "headers": {"Authorization": "Bearer canary-1"}});
    let error = webhook(config(&url)).act(&event(1)).await.unwrap_err().to_string();
    assert!(error.contains("you sent …") && !error.contains("canary"), "{error}");
    drop(server);
    let gone = "http://127.0.0.1:1/hooks/canary-2?key=canary-3";
    let error = webhook(config(gone)).act(&event(1)).await.unwrap_err();
    assert_retryable(&error, "http://127.0.0.1:1: cannot connect");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_name_that_leads_to_a_metadata_address_is_not_connected_to() {
    let mut webhook = webhook(json!({"url": "http://metadata.invalid/"}));
    webhook.client = client::build_with_resolver(&webhook.settings, LeadsTo("169.254.169.254")).unwrap();
    let error = webhook.act(&event(1)).await.unwrap_err();
    assert_retryable(&error, "allowed_hosts");
}

/// Hands every name to the guard as if it were this one.
struct LeadsTo(&'static str);

impl reqwest::dns::Resolve for LeadsTo {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        addresses::GuardedResolver.resolve(self.0.parse().unwrap())
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_left_after_the_time_out() {
    let error = error_from(|stream| {
        Box::pin(async move {
            let _open = stream;
            std::future::pending().await
        })
    })
    .await;
    assert_retryable(&error, "no whole answer within 1 s");
}

#[tokio::test]
async fn a_connection_that_is_reset_is_tried_again() {
    let error = error_from(|stream| {
        Box::pin(async move {
            // With this set, closing sends a reset.
            stream.set_zero_linger().unwrap();
        })
    })
    .await;
    assert_retryable(&error, "gave no answer");
}

#[tokio::test]
async fn garbage_instead_of_an_answer_is_tried_again() {
    let error = error_from(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"\x16\x03\x01 is not what was asked for\r\n\r\n").await;
        })
    })
    .await;
    assert_retryable(&error, "gave no answer");
}

#[tokio::test]
async fn a_success_that_is_cut_in_the_middle_is_none() {
    let error = error_from(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ok\":").await;
        })
    })
    .await;
    assert_retryable(&error, "its answer broke off");
}

#[tokio::test]
async fn an_answer_that_comes_too_slowly_is_left_after_the_time_out() {
    let error = error_from(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
            std::future::pending().await
        })
    })
    .await;
    assert_retryable(&error, "no whole answer within 1 s");
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_a_bound_and_quoted_to_another() {
    let flood: Conduct = |mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await;
            while stream.write_all(&[b'x'; 16 << 10]).await.is_ok() {}
        })
    };
    let error = error_from(flood).await;
    assert_retryable(&error, "503");
    assert!(error.to_string().len() < 400, "{error}");
}

#[tokio::test]
async fn a_success_without_end_is_a_success() {
    let (url, _) = endpoint(|mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 16 << 10]).await.is_ok() {}
        })
    })
    .await;
    webhook(json!({"url": url})).act(&event(1)).await.unwrap();
}

#[tokio::test]
async fn one_connection_serves_one_event_after_the_other() {
    let (url, connections) = endpoint(|mut stream| {
        Box::pin(async move {
            let answer = b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\n\r\nno";
            while stream.write_all(answer).await.is_ok() {
                read_request(&mut stream).await;
            }
        })
    })
    .await;
    let webhook = webhook(json!({"url": url}));
    for offset in 0..20 {
        webhook.act(&event(offset)).await.unwrap_err();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_there_is_told_from_one_that_may_not_take_events() {
    for (status, is_fine) in [
        (200, true),
        (204, true),
        (405, true),
        (501, true),
        (401, false),
        (403, false),
        (404, false),
        (503, false),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("OPTIONS")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let reach = webhook(json!({"url": server.uri()})).reach().await;
        assert_eq!(matches!(reach, Reach::Ok(_)), is_fine, "{status}: {reach:?}");
        assert_eq!(matches!(reach, Reach::Doubtful(_)), !is_fine, "{status}: {reach:?}");
    }
}
