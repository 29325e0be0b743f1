//! AWS credentials, from where AWS's own clients look for them in a cluster: variables, a web identity
//! (EKS service accounts), a container's endpoint (ECS, EKS Pod Identity), the instance's metadata.
//! Profiles of `~/.aws` are not read.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Client;
use serde::Deserialize;

use super::TokenError;
use super::exchange::{ask, ask_for_text};
use super::oidc::encode_form;
use crate::environment::Environment;

/// Where credentials of ECS tasks are served that are given by a relative path.
const ECS_ENDPOINT: &str = "http://169.254.170.2";

/// The metadata service of an EC2 instance.
const EC2_ENDPOINT: &str = "http://169.254.169.254";

/// How long a session token of the metadata service holds, in seconds: it is used at once.
const EC2_SESSION_SECONDS: &str = "60";

/// Credentials that sign requests.
///
/// Holds secrets, so it has no `Debug`.
pub(super) struct AwsCredentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
    /// In milliseconds since the Unix epoch; `None` if they do not expire.
    pub(super) expires_ms: Option<i64>,
}

/// What the environment says about credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::kafka) struct AwsSources {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    role_arn: Option<String>,
    role_session_name: Option<String>,
    web_identity_token_file: Option<PathBuf>,
    sts_endpoint: Option<String>,
    container_url: Option<String>,
    container_token: Option<String>,
    container_token_file: Option<PathBuf>,
    metadata_endpoint: Option<String>,
    metadata_disabled: bool,
}

impl AwsSources {
    pub(super) fn of(environment: &Environment) -> Self {
        let text = |name: &str| environment.get(name).map(str::to_owned);
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let relative = text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        Self {
            access_key_id: text("AWS_ACCESS_KEY_ID"),
            secret_access_key: text("AWS_SECRET_ACCESS_KEY"),
            session_token: text("AWS_SESSION_TOKEN"),
            role_arn: text("AWS_ROLE_ARN"),
            role_session_name: text("AWS_ROLE_SESSION_NAME"),
            web_identity_token_file: path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            sts_endpoint: text("AWS_ENDPOINT_URL_STS"),
            container_url: relative
                .map(|relative| format!("{ECS_ENDPOINT}{relative}"))
                .or_else(|| text("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
            container_token: text("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            container_token_file: path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            metadata_endpoint: text("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            metadata_disabled: text("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }

    /// The first credentials that there are, in the order of AWS's own clients. A source that is named
    /// and fails is an error: going on to the next would sign as somebody else.
    pub(super) async fn find(&self, client: &Client, region: &str) -> Result<AwsCredentials, TokenError> {
        if let (Some(id), Some(secret)) = (&self.access_key_id, &self.secret_access_key) {
            return Ok(AwsCredentials {
                access_key_id: id.clone(),
                secret_access_key: secret.clone(),
                session_token: self.session_token.clone(),
                expires_ms: None,
            });
        }
        if let (Some(role), Some(file)) = (&self.role_arn, &self.web_identity_token_file) {
            return self.by_web_identity(client, region, (role, file)).await;
        }
        if let Some(url) = &self.container_url {
            return self.of_container(client, url).await;
        }
        if !self.metadata_disabled {
            return self.of_instance(client).await;
        }
        Err(TokenError(
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod or instance a role"
                .to_owned(),
        ))
    }

    /// A service account's token for temporary credentials of its role.
    async fn by_web_identity(
        &self,
        client: &Client,
        region: &str,
        (role, file): (&str, &Path),
    ) -> Result<AwsCredentials, TokenError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "AssumeRoleWithWebIdentityResponse")]
            response: Response,
        }
        #[derive(Deserialize)]
        struct Response {
            #[serde(rename = "AssumeRoleWithWebIdentityResult")]
            result: Assumed,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Assumed {
            credentials: Found,
        }
        let token = read(file, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let form = encode_form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", self.role_session_name.as_deref().unwrap_or("datahub-relay")),
            ("WebIdentityToken", &token),
        ]);
        let url = self.sts_endpoint.clone().unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com/"));
        let request = client
            .post(url)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer: Answer = ask("AWS STS", request).await?;
        Ok(answer.response.result.credentials.into())
    }

    async fn of_container(&self, client: &Client, url: &str) -> Result<AwsCredentials, TokenError> {
        let token = match &self.container_token_file {
            Some(file) => Some(read(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?),
            None => self.container_token.clone(),
        };
        let mut request = client.get(url);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        ask::<Found>("the container's credentials endpoint", request).await.map(AwsCredentials::from)
    }

    /// The role of the instance, by the session-oriented protocol (IMDSv2).
    async fn of_instance(&self, client: &Client) -> Result<AwsCredentials, TokenError> {
        const WHAT: &str = "the EC2 metadata service (there are no AWS credentials in the environment)";
        const SESSION: &str = "x-aws-ec2-metadata-token";
        let endpoint = self.metadata_endpoint.as_deref().unwrap_or(EC2_ENDPOINT).trim_end_matches('/');
        let session = client
            .put(format!("{endpoint}/latest/api/token"))
            .header("x-aws-ec2-metadata-token-ttl-seconds", EC2_SESSION_SECONDS);
        let session = ask_for_text(WHAT, session).await?;
        let roles = format!("{endpoint}/latest/meta-data/iam/security-credentials/");
        let role = ask_for_text(WHAT, client.get(&roles).header(SESSION, &session)).await?;
        let Some(role) = role.lines().next().map(str::trim).filter(|role| !role.is_empty()) else {
            return Err(TokenError("the EC2 instance has no role; attach one".to_owned()));
        };
        let request = client.get(format!("{roles}{role}")).header(SESSION, &session);
        ask::<Found>(WHAT, request).await.map(AwsCredentials::from)
    }
}

/// Credentials as the three services write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "Token")]
    session_token: Option<String>,
    expiration: Option<Expiration>,
}

/// STS writes seconds since the Unix epoch, the others RFC 3339.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expiration {
    Seconds(f64),
    Time(String),
}

impl From<Found> for AwsCredentials {
    fn from(found: Found) -> Self {
        let expires_ms = match found.expiration {
            Some(Expiration::Seconds(seconds)) => Some((seconds.clamp(0.0, 1e12) * 1000.0) as i64),
            // One that cannot be read counts as none: credentials are fetched anew for each token.
            Some(Expiration::Time(time)) => time.parse().ok().map(jiff::Timestamp::as_millisecond),
            None => None,
        };
        Self {
            access_key_id: found.access_key_id,
            secret_access_key: found.secret_access_key,
            session_token: found.session_token,
            expires_ms,
        }
    }
}

/// The token in a file, read each time: whoever writes it rotates it.
fn read(file: &Path, variable: &str) -> Result<String, TokenError> {
    let text = fs::read_to_string(file).map_err(|error| {
        TokenError(format!("cannot read {}, which {variable} names: {error}", file.display()))
    })?;
    Ok(text.trim().to_owned())
}

/// The region of the cluster; AWS's own variables, else where MSK's signer for Python looks last.
pub(super) fn region_of(environment: &Environment) -> String {
    environment
        .get("AWS_REGION")
        .or_else(|| environment.get("AWS_DEFAULT_REGION"))
        .unwrap_or("us-east-1")
        .to_owned()
}
