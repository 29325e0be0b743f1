//! What the process's words must not show, whoever says them: log lines, those of libraries included, and
//! what commands write about errors.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use tracing_subscriber::fmt::MakeWriter;

use crate::redaction::Secrets;

/// Belongs to the log subscriber, which is the process's too.
static SECRETS: RwLock<Secrets> = RwLock::new(Secrets::none());

/// From now on no log line shows these, nor a text that went through [`redacted`].
pub fn keep_secret(secrets: &Secrets) {
    SECRETS.write().unwrap_or_else(PoisonError::into_inner).add_all(secrets);
}

/// The text without what is to be kept secret.
pub fn redacted(text: &str) -> String {
    SECRETS.read().unwrap_or_else(PoisonError::into_inner).redact(text).into_owned()
}

/// Standard error, without secrets. A line comes in one piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedactedStderr;

impl Write for RedactedStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
        match std::str::from_utf8(line).map(|text| secrets.redact(text)) {
            Ok(Cow::Owned(text)) => io::stderr().write_all(text.as_bytes())?,
            Ok(Cow::Borrowed(_)) | Err(_) => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for RedactedStderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
