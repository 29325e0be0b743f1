//! The files with certificates and keys that a recipe names, looked at before anything connects.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::certificates::{CertificateError, authorities, identity};
use crate::findings::{Findings, KeyPath};

/// A key of a recipe, and the path that it gives, if it gives one; an empty one is none.
pub(crate) type Named<'c> = (&'static str, Option<&'c str>);

/// What a recipe says of a client's PEM files.
pub(crate) struct PemFiles<'c> {
    /// The authorities to trust.
    pub(crate) authorities: Named<'c>,
    /// The client's certificate.
    pub(crate) certificate: Named<'c>,
    /// The certificate's key.
    pub(crate) key: Named<'c>,
    /// The password of an encrypted key, under the key by which a recipe may give one; `None` where it
    /// cannot.
    pub(crate) key_password: Option<(&'static str, Option<&'c SecretString>)>,
}

/// The files that a recipe names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FoundFiles {
    /// That of the authorities to trust.
    pub(crate) authorities: Option<PathBuf>,
    /// Those of the client's certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl PemFiles<'_> {
    /// Notes each file that can't be read or holds something else, and a certificate or a key alone. `at` is
    /// the path of the map that has the keys.
    pub(crate) fn check(&self, at: &KeyPath, findings: &mut Findings) -> FoundFiles {
        let authorities_file = path(self.authorities);
        if let Some(file) = &authorities_file {
            holds_certificates(file, &at.key(self.authorities.0), findings);
        }
        let ((certificate_name, _), (key_name, _)) = (self.certificate, self.key);
        let (certificate_at, key_at) = (at.key(certificate_name), at.key(key_name));
        let identity = match (path(self.certificate), path(self.key)) {
            (Some(certificate), Some(key)) => {
                if holds_certificates(&certificate, &certificate_at, findings) {
                    self.key_fits(&certificate, &key, &key_at, findings);
                }
                Some((certificate, key))
            }
            (Some(certificate), None) => {
                holds_certificates(&certificate, &certificate_at, findings);
                // One whose variable is not set is there, and has its error.
                if !findings.has_error_at(&key_at) {
                    findings.error(&key_at, "is missing: the certificate needs its key");
                }
                None
            }
            (None, Some(_)) if !findings.has_error_at(&certificate_at) => {
                findings.error(&certificate_at, "is missing: the key needs its certificate");
                None
            }
            _ => None,
        };
        FoundFiles { authorities: authorities_file, identity }
    }

    fn key_fits(&self, certificate: &Path, key: &Path, at: &KeyPath, findings: &mut Findings) {
        let password = self.key_password.and_then(|(_, password)| password);
        let Err(error) = identity(certificate, key, password) else { return };
        let remedy = match (&error, self.key_password) {
            (CertificateError::NoPassword { .. }, Some((name, _)))
                if findings.has_error_at(&at.sibling(name)) =>
            {
                return;
            }
            (CertificateError::NoPassword { .. }, Some((name, _))) => format!("; give it as {name}"),
            (CertificateError::NoPassword { .. }, None) => {
                ", which no key of a recipe takes here; decrypt the file with openssl pkey".to_owned()
            }
            (CertificateError::Read { .. }, _) => READ_REMEDY.to_owned(),
            _ => String::new(),
        };
        findings.error(at, format!("{error}{remedy}"));
    }
}

const READ_REMEDY: &str = "; check the path and its permissions";

fn path((_, path): Named<'_>) -> Option<PathBuf> {
    path.filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn holds_certificates(file: &Path, at: &KeyPath, findings: &mut Findings) -> bool {
    let Err(error) = authorities(file) else { return true };
    let remedy = if matches!(error, CertificateError::Read { .. }) { READ_REMEDY } else { "" };
    findings.error(at, format!("{error}{remedy}"));
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::http_client::authority::Authority;

    /// Begins as a key that openssl has encrypted.
    const ENCRYPTED: &str =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHs\n-----END ENCRYPTED PRIVATE KEY-----\n";

    fn check(files: &PemFiles<'_>, mut findings: Findings) -> (FoundFiles, Vec<String>) {
        let found = files.check(&KeyPath::root(), &mut findings);
        (found, findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.text)).collect())
    }

    fn files<'c>(authorities: &'c str, certificate: &'c str, key: &'c str) -> PemFiles<'c> {
        PemFiles {
            authorities: ("ca", Some(authorities)),
            certificate: ("certificate", Some(certificate)),
            key: ("key", Some(key)),
            key_password: None,
        }
    }

    #[test]
    fn files_that_hold_what_they_should_are_found() {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("relay");
        let texts = [&authority.file(), &certificate, &key].map(|path| path.display().to_string());
        let (found, texts) = check(&files(&texts[0], &texts[1], &texts[2]), Findings::default());
        assert_eq!(texts, Vec::<String>::new());
        assert_eq!(
            found,
            FoundFiles { authorities: Some(authority.file()), identity: Some((certificate, key)) }
        );
        assert_eq!(check(&files("", "", ""), Findings::default()), (FoundFiles::default(), Vec::new()));
    }

    #[test]
    fn a_file_that_holds_something_else_says_so_at_its_key() {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("relay");
        let [ca, certificate, key] =
            [&authority.file(), &certificate, &key].map(|path| path.display().to_string());
        let texts = |ca: &str, certificate: &str, key: &str| {
            check(&files(ca, certificate, key), Findings::default()).1.join("\n")
        };
        assert!(
            texts(&key, &certificate, &key).starts_with(&format!("ca: {key} does not hold certificates"))
        );
        assert!(
            texts(&ca, &key, &key).starts_with(&format!("certificate: {key} does not hold certificates"))
        );
        assert!(
            texts(&ca, &certificate, &ca)
                .starts_with(&format!("key: {ca} does not hold the certificate's key"))
        );
        let missing = texts("/no/ca", "/no/certificate", "/no/key");
        assert!(missing.starts_with("ca: cannot read /no/ca: No such file"), "{missing}");
        assert!(missing.contains("\ncertificate: cannot read /no/certificate"), "{missing}");
        assert!(texts(&ca, &certificate, "/no/key").ends_with("check the path and its permissions"));
    }

    #[test]
    fn an_encrypted_key_asks_for_its_password_where_one_can_be_given() {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("relay");
        fs::write(&key, ENCRYPTED).unwrap();
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let with = |key_password, findings| {
            check(&PemFiles { key_password, ..files("", &certificate, &key) }, findings).1.join("\n")
        };
        assert!(with(None, Findings::default()).ends_with("decrypt the file with openssl pkey"));
        assert!(with(Some(("password", None)), Findings::default()).ends_with("give it as password"));
        let mut unset = Findings::default();
        unset.error(&KeyPath::root().key("password"), "the variable X is not set");
        assert_eq!(with(Some(("password", None)), unset), "password: the variable X is not set");
    }

    #[test]
    fn a_certificate_or_a_key_alone_is_an_error_unless_the_other_has_one() {
        let authority = Authority::new();
        let certificate = authority.sign("relay").0.display().to_string();
        let (_, texts) = check(&files("", &certificate, ""), Findings::default());
        assert_eq!(texts, ["key: is missing: the certificate needs its key"]);
        let (_, texts) = check(&files("", "", "/no/key"), Findings::default());
        assert_eq!(texts, ["certificate: is missing: the key needs its certificate"]);
        let mut unset = Findings::default();
        unset.error(&KeyPath::root().key("key"), "the variable X is not set");
        assert_eq!(check(&files("", &certificate, ""), unset).1, ["key: the variable X is not set"]);
    }
}
