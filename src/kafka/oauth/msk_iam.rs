//! Tokens for Amazon MSK: a request to `kafka-cluster:Connect`, signed with AWS's Signature Version 4 in
//! its query form and never sent; the broker verifies the signature.

use std::fmt::Write as _;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::aws_credentials::AwsCredentials;
use super::exchange::client;
use super::tokens::now_ms;
use super::{MskIamSettings, Token, TokenError, TokenSource};

/// How long a signed request holds, in seconds: what MSK's own signers use, and the most it takes.
const EXPIRES_SECONDS: i64 = 900;

/// What Signature Version 4 leaves as it is: RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) struct MskIam {
    client: Client,
    settings: MskIamSettings,
}

impl MskIam {
    pub(super) fn new(settings: MskIamSettings) -> Result<Self, TokenError> {
        Ok(Self { client: client()?, settings })
    }
}

#[async_trait]
impl TokenSource for MskIam {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let MskIamSettings { region, sources } = &self.settings;
        let credentials = sources.find(&self.client, region).await?;
        let now_ms = now_ms();
        let expires_ms = now_ms + EXPIRES_SECONDS * 1000;
        Ok(Token {
            value: SecretString::from(signed(&credentials, region, now_ms)?),
            principal: String::new(),
            // A signature holds no longer than the credentials that made it.
            expires_ms: credentials.expires_ms.map_or(expires_ms, |ends| ends.min(expires_ms)),
        })
    }
}

/// The token that these credentials make at this time (milliseconds since the Unix epoch).
pub(super) fn signed(credentials: &AwsCredentials, region: &str, now_ms: i64) -> Result<String, TokenError> {
    let time = jiff::Timestamp::from_millisecond(now_ms)
        .map_err(|error| TokenError(format!("the clock is out of range: {error}")))?;
    let date = time.strftime("%Y%m%d").to_string();
    let date_time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let host = format!("kafka.{region}.amazonaws.com");
    let scope = format!("{date}/{region}/kafka-cluster/aws4_request");
    let expires = EXPIRES_SECONDS.to_string();
    let credential = format!("{}/{scope}", credentials.access_key_id);
    // In the order of their names, as the signature wants them.
    let mut parameters = vec![
        ("Action", "kafka-cluster:Connect"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date_time),
        ("X-Amz-Expires", &expires),
    ];
    if let Some(token) = &credentials.session_token {
        parameters.push(("X-Amz-Security-Token", token));
    }
    parameters.push(("X-Amz-SignedHeaders", "host"));
    let mut query = String::new();
    for (name, value) in &parameters {
        let separator = if query.is_empty() { "" } else { "&" };
        // Writing into a string does not fail.
        let _ = write!(query, "{separator}{name}={}", utf8_percent_encode(value, RESERVED));
    }
    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex(&Sha256::digest(b"")));
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date_time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let mut key = format!("AWS4{}", credentials.secret_access_key).into_bytes();
    for part in [date.as_str(), region, "kafka-cluster", "aws4_request"] {
        key = mac(&key, part)?;
    }
    let signature = hex(&mac(&key, &to_sign)?);
    let agent = utf8_percent_encode(concat!("datahub-relay/", env!("CARGO_PKG_VERSION")), RESERVED);
    let url = format!("https://{host}/?{query}&X-Amz-Signature={signature}&User-Agent={agent}");
    Ok(URL_SAFE_NO_PAD.encode(url))
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, TokenError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| TokenError("the secret access key cannot be used as a key".to_owned()))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
