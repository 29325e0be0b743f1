//! One address of a registry, asked through its client library.

use std::sync::OnceLock;

use reqwest::{Certificate, ClientBuilder, Identity, Proxy};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_id,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RegisteredReference, SchemaType};
use secrecy::ExposeSecret;
use url::Url;

use super::answer::{AnswerGuard, Meaning, Refusal};
use super::error::RegistrySetupError;
use crate::avro::settings::{RegistryAuth, RegistrySettings};
use crate::avro::wire::SchemaId;
use crate::http_client::{self, with_causes};

/// A schema may refer to at most so many others, directly or through them.
const MOST_REFERENCES: usize = 100;

/// The client of one address. A list of addresses is one client each, because the library would report
/// only what the last of them answered.
pub(super) struct RegistryClient {
    url: String,
    settings: SrSettings,
    /// An id that it resolved: that it is a registry is certain from then on.
    resolved: OnceLock<SchemaId>,
}

/// A schema as a registry keeps it.
#[derive(Debug)]
pub(super) struct FoundSchema {
    /// The schema's JSON.
    pub(super) json: String,
    /// The JSON of the schemas that it refers to.
    pub(super) references: Vec<String>,
}

/// Why an address did not give a schema.
#[derive(Debug)]
pub(super) enum LookUpFailure {
    /// It said that it does not know the id.
    UnknownId { answer: String },
    /// It said so in a way that only an address that is a registry for certain may be trusted with.
    UnknownIdOfARegistry { answer: String },
    /// There is a schema, but not Avro's.
    NotAvro { reason: String },
    /// Anything else.
    Outage { answer: String, advice: &'static str },
}

impl RegistryClient {
    /// A client for each of the addresses.
    pub(super) fn for_each_url(settings: &RegistrySettings) -> Result<Vec<Self>, RegistrySetupError> {
        if settings.urls.is_empty() {
            return Err(RegistrySetupError::NoUrl);
        }
        let http = HttpParts::read(settings)?;
        settings.urls.iter().map(|url| Self::new(url, settings, &http)).collect()
    }

    fn new(url: &Url, settings: &RegistrySettings, http: &HttpParts) -> Result<Self, RegistrySetupError> {
        let scheme = url.scheme();
        let url = base_of(url)?;
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(settings.timeout).with_middleware(AnswerGuard);
        match &settings.auth {
            RegistryAuth::None => {}
            RegistryAuth::Basic { user, password } => {
                builder.set_basic_authorization(user, Some(password.expose_secret()));
            }
            RegistryAuth::Bearer(token) => {
                builder.set_token_authorization(token.expose_secret());
            }
        }
        let client = http.client(scheme);
        let settings =
            builder.build_with(client).map_err(|error| RegistrySetupError::Client(with_causes(&error)))?;
        Ok(Self { url, settings, resolved: OnceLock::new() })
    }

    /// The address, without a trailing slash and without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// An id that it has resolved.
    pub(super) fn resolved(&self) -> Option<SchemaId> {
        self.resolved.get().copied()
    }

    /// It has resolved `id`.
    pub(super) fn has_resolved(&self, id: SchemaId) {
        self.resolved.get_or_init(|| id);
    }

    /// Asks for the schema of `id`, and for what it refers to.
    pub(super) async fn look_up(&self, id: SchemaId) -> Result<FoundSchema, LookUpFailure> {
        let found = get_schema_by_id(id.0, &self.settings).await.map_err(|error| failure_of(&error))?;
        if found.schema_type != SchemaType::Avro {
            return Err(LookUpFailure::NotAvro { reason: format!("its type is {:?}", found.schema_type) });
        }
        let references = self.look_up_references(found.references).await?;
        Ok(FoundSchema { json: found.schema, references })
    }

    async fn look_up_references(
        &self,
        mut wanted: Vec<RegisteredReference>,
    ) -> Result<Vec<String>, LookUpFailure> {
        let mut names = Vec::new();
        let mut found = Vec::new();
        while let Some(reference) = wanted.pop() {
            if names.contains(&reference.name) {
                continue;
            }
            if names.len() == MOST_REFERENCES {
                let reason = format!("it refers to more than {MOST_REFERENCES} other schemas");
                return Err(LookUpFailure::NotAvro { reason });
            }
            let schema = get_referenced_schema(&self.settings, &reference).await;
            let schema = schema.map_err(|error| LookUpFailure::Outage {
                answer: format!("its reference `{}` can't be had: {}", reference.name, shown(&error)),
                advice: "register the schema that it refers to",
            })?;
            names.push(reference.name);
            wanted.extend(schema.references);
            found.push(schema.schema);
        }
        Ok(found)
    }
}

/// The certificates and keys that the settings name, read, and the proxy.
struct HttpParts {
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    proxy: Option<Proxy>,
}

impl HttpParts {
    fn read(settings: &RegistrySettings) -> Result<Self, RegistrySetupError> {
        let authorities = settings.ca_file.as_deref().map(http_client::authorities).transpose()?;
        let identity = match (&settings.certificate_file, &settings.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some(http_client::identity(certificate, key, settings.key_password.as_ref())?)
            }
            _ => return Err(RegistrySetupError::HalfAnIdentity),
        };
        // What is wrong with the proxy is not said: its URL may hold a password.
        let proxy = settings.proxy.as_ref().map(|proxy| Proxy::all(proxy.expose_secret()));
        let proxy = proxy.transpose().map_err(|_| RegistrySetupError::Proxy)?;
        Ok(Self { authorities, identity, proxy })
    }

    fn client(&self, scheme: &str) -> ClientBuilder {
        let mut client = http_client::builder(scheme);
        if let Some(authorities) = &self.authorities {
            client = client.tls_certs_only(authorities.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            client = client.identity(identity.clone());
        }
        if let Some(proxy) = &self.proxy {
            client = client.proxy(proxy.clone());
        }
        client
    }
}

/// An address as the library wants it: it adds `/schemas/…` itself.
fn base_of(url: &Url) -> Result<String, RegistrySetupError> {
    let mut url = url.clone();
    // The credentials are in `auth` by now. If any were left, they would show up in errors.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    match url.scheme() {
        "http" | "https" => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err(RegistrySetupError::Scheme(url.into())),
    }
}

fn failure_of(error: &SRCError) -> LookUpFailure {
    let Some(refusal) = Refusal::within(error) else {
        let advice = if error.retriable {
            "check that the registry runs and that its URL is right; the look-up is repeated by itself"
        } else {
            "check that the URL is that of a schema registry"
        };
        return LookUpFailure::Outage { answer: shown(error), advice };
    };
    let answer = refusal.shown();
    match refusal.meaning() {
        Meaning::UnknownId => LookUpFailure::UnknownId { answer },
        Meaning::UnknownIdOfARegistry => LookUpFailure::UnknownIdOfARegistry { answer },
        Meaning::Outage(advice) => LookUpFailure::Outage { answer, advice },
    }
}

/// What the library's error says, without the library's own remarks.
fn shown(error: &SRCError) -> String {
    match (Refusal::within(error), std::error::Error::source(error)) {
        (Some(refusal), _) => refusal.shown(),
        (None, Some(source)) => format!("{}: {}", error.error, with_causes(source)),
        (None, None) => error.error.clone(),
    }
}
