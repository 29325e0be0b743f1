//! One token, kept fresh by a thread of its own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::{OauthSettings, Token, TokenError, TokenSource};

/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(30);

/// How long [`Tokens::token`] waits for the first answer. It is called inside `poll`, so this stays far
/// below any `max.poll.interval.ms`; where it fails, librdkafka asks again after ten seconds.
const FIRST_TOKEN: Duration = Duration::from_secs(5);

/// The first wait after a fetch that failed; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Keeps a token fresh for one client, from its creation until it is dropped.
pub(crate) struct Tokens {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    newest: Mutex<Newest>,
    changed: Condvar,
    stop: CancellationToken,
}

#[derive(Default)]
struct Newest {
    token: Option<Token>,
    /// Why the last fetch failed; `None` once one succeeds.
    error: Option<TokenError>,
}

impl Tokens {
    /// Starts to fetch tokens.
    ///
    /// # Errors
    /// If the source's settings cannot be used, or the thread cannot be started.
    pub(crate) fn start(settings: OauthSettings) -> Result<Self, TokenError> {
        Self::from_source(settings.source()?)
    }

    pub(super) fn from_source(source: Box<dyn TokenSource>) -> Result<Self, TokenError> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| TokenError(format!("cannot start the runtime for tokens: {error}")))?;
        std::thread::Builder::new()
            .name("oauth".to_owned())
            .spawn(move || runtime.block_on(of_thread.keep_fresh(source.as_ref())))
            .map_err(|error| TokenError(format!("cannot start the thread for tokens: {error}")))?;
        Ok(Self { shared })
    }

    /// The newest token. Waits briefly where none was fetched yet, and never for the network otherwise.
    ///
    /// # Errors
    /// Why the last fetch failed, if the token of an earlier one has expired.
    pub(crate) fn token(&self) -> Result<OAuthToken, TokenError> {
        let newest = self.shared.newest();
        let unanswered = |newest: &mut Newest| newest.token.is_none() && newest.error.is_none();
        let (newest, _) = self
            .shared
            .changed
            .wait_timeout_while(newest, FIRST_TOKEN, unanswered)
            .unwrap_or_else(PoisonError::into_inner);
        match (&newest.token, &newest.error) {
            (Some(token), _) if token.expires_ms > now_ms() => Ok(OAuthToken {
                token: token.value.expose_secret().to_owned(),
                principal_name: token.principal.clone(),
                lifetime_ms: token.expires_ms,
            }),
            (_, Some(error)) => Err(error.clone()),
            _ => Err(TokenError("no token was given yet".to_owned())),
        }
    }
}

/// Shows nothing: a token is a secret.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    async fn keep_fresh(&self, source: &dyn TokenSource) {
        let mut failures = 0;
        loop {
            let fetched = tokio::select! {
                () = self.stop.cancelled() => return,
                fetched = tokio::time::timeout(FETCH, source.fetch()) => fetched,
            };
            let fetched = fetched
                .unwrap_or_else(|_| Err(TokenError(format!("no answer within {} s", FETCH.as_secs()))));
            let wait = match fetched {
                Ok(token) => {
                    failures = 0;
                    let wait = until_refresh(token.expires_ms - now_ms());
                    *self.newest() = Newest { token: Some(token), error: None };
                    wait
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot fetch an OAUTHBEARER token, trying again");
                    self.newest().error = Some(error);
                    failures += 1;
                    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_WAIT)
                }
            };
            self.changed.notify_all();
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to fetch the next token: librdkafka asks at four fifths of a token's life, and a newer one is to
/// be there by then.
fn until_refresh(left_ms: i64) -> Duration {
    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    left.mul_f64(0.7).max(FIRST_WAIT)
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
