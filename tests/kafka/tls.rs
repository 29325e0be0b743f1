//! TLS to the brokers: who shows a certificate of another authority is not talked to.

use serde_json::Value;

use crate::harness::{KafkaBroker, Recipe, Said, Scene, command, tls};
use crate::scene;

/// What `validate --connect` says of a recipe that trusts this authority.
fn connect(scene: &Scene<'_>, recipe: Recipe, authority: Option<&std::path::Path>) -> Said {
    let (bootstrap, _) = KafkaBroker::shared().tls_bootstrap();
    let authority = authority.map_or(Value::Null, |file| file.to_string_lossy().into_owned().into());
    let recipe = recipe
        .consumer("bootstrap.servers", bootstrap)
        .consumer("security.protocol", "SSL")
        .consumer("ssl.ca.location", authority);
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    command(&["validate", "--connect", "--connect-timeout", "5", "-c", &file], &[])
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_broker_is_trusted_by_its_authority_alone_unless_verification_is_switched_off_with_a_warning() {
    let scene = scene("tls");
    let topic = scene.topic("versioned", 1);
    let recipe = scene.recipe().change_logs(&topic);
    let (_, authority) = KafkaBroker::shared().tls_bootstrap();
    let said = connect(&scene, recipe.clone(), Some(&authority));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stdout.contains("not verified"), "{said:?}");

    tls::write_certificates(scene.directory());
    let other = scene.directory().join("authority.pem");
    for wrong in [Some(other.as_path()), None] {
        let said = connect(&scene, recipe.clone(), wrong);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(
            said.stdout.contains("FAILED: ") && said.stdout.contains("certificate verify failed"),
            "{said:?}"
        );
    }

    let unverified = recipe.consumer("enable.ssl.certificate.verification", false);
    let said = connect(&scene, unverified, Some(&other));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("certificates are not verified: name the authority in ssl.ca.location"),
        "{said:?}"
    );
}
