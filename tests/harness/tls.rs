//! Certificates for the tests' broker, of an authority that nobody else knows.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

/// The file of the authority's certificate.
pub(super) const AUTHORITY: &str = "authority.pem";
/// The file of the broker's key and certificate.
pub(super) const IDENTITY: &str = "identity.pem";

/// Writes an authority and a certificate that it signed for 127.0.0.1 to a directory.
pub(crate) fn write_certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("an authority needs no name");
    params.distinguished_name = named("the authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("an authority signs itself").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let mut params =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address is a valid name");
    params.distinguished_name = named("the broker of the tests");
    let certificate = params.signed_by(&key, &issuer).expect("an authority signs").pem();
    fs::write(directory.join(AUTHORITY), authority).expect("the broker's directory is ours");
    fs::write(directory.join(IDENTITY), key.serialize_pem() + &certificate)
        .expect("the broker's directory is ours");
}

/// Two names: what names itself as its issuer counts as self-signed.
fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}
