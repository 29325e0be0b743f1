use serde_json::json;

use super::*;
use crate::avro::CompiledSchema;

fn check(schema: &serde_json::Value, body: &[u8]) -> Result<(), ScanError> {
    CompiledSchema::parse(&schema.to_string()).unwrap().projection().check(body)
}

/// A change log whose `list` stands before the field that is scanned.
fn with_list(list: serde_json::Value) -> CompiledSchema {
    let schema = json!({"type": "record", "name": "MetadataChangeLog",
        "namespace": "com.linkedin.pegasus2avro.mxe",
        "fields": [{"name": "list", "type": list}, {"name": "entityType", "type": "string"}]});
    CompiledSchema::parse(&schema.to_string()).unwrap()
}

#[test]
fn an_array_is_walked_block_by_block() {
    let schema = with_list(json!({"type": "array", "items": "string"}));
    let wanted = FieldSet { entity_type: true, ..FieldSet::default() };
    for list in [
        // Empty; one block; two blocks; a block that says its size; both kinds.
        &[0][..],
        &[4, 2, b'a', 2, b'b', 0],
        &[2, 2, b'a', 2, 2, b'b', 0],
        &[3, 8, 2, b'a', 2, b'b', 0],
        &[1, 4, 2, b'a', 2, 2, b'b', 0],
    ] {
        let body = [list, &[2, b'x']].concat();
        assert_eq!(schema.projection().check(&body), Ok(()), "{list:?}");
        let scanned = schema.projection().scan(&body, wanted).unwrap();
        assert_eq!(scanned.entity_type, Scanned::Text("x"), "{list:?}");
    }
}

#[test]
fn a_block_that_lies_about_its_size_is_an_error() {
    let schema = with_list(json!({"type": "array", "items": "string"}));
    let check = |body: &[u8]| schema.projection().check(body).unwrap_err().class();
    assert_eq!(check(&[3, 6, 2, b'a', 2, b'b', 0, 2, b'x']), "invalid_length", "too small");
    assert_eq!(check(&[3, 10, 2, b'a', 2, b'b', 0, 2, b'x']), "invalid_length", "too large");
    assert_eq!(check(&[3, 100, 2, b'a']), "truncated", "beyond the end");
    assert_eq!(check(&[3, 1, 2, b'a']), "invalid_length", "negative");
}

#[test]
fn a_count_beyond_the_body_ends_with_the_body() {
    let schema = json!({"type": "array", "items": "long"});
    // i64::MAX items, i64::MIN items of 2 bytes.
    let most = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 2, 2];
    assert_eq!(check(&schema, &most), Err(ScanError::Truncated { at: 12 }));
    let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 4, 2, 2, 0];
    assert!(check(&schema, &least).is_err());
}

#[test]
fn items_that_take_no_bytes_do_not_loop_for_ever() {
    for items in [json!("null"), json!({"type": "record", "name": "Empty", "fields": []})] {
        let schema = json!({"type": "array", "items": items});
        let most = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
        assert_eq!(check(&schema, &most).unwrap_err().class(), "too_many_values");
        assert_eq!(check(&schema, &[200, 1, 0]), Ok(()), "a hundred are legal");
    }
}

#[test]
fn values_are_counted_wherever_they_stand_and_whether_or_not_they_take_bytes() {
    let nulls: Vec<_> = (0..63).map(|at| json!({"name": format!("f{at}"), "type": "null"})).collect();
    let records = json!({"type": "record", "name": "Nulls", "fields": nulls});
    for (items, item, values) in [
        (json!("long"), &[2][..], 1),
        (json!(["null", "long"]), &[0], 2),
        (json!({"type": "map", "values": "null"}), &[2, 0, 0], 3),
        (records, &[], 64),
    ] {
        let schema = json!({"type": "array", "items": items});
        // The array itself is one.
        let most = (VALUES_LIMIT - 1) / values;
        let body = |count: usize| {
            let blocks = vec![[&[2], item].concat(); count];
            [blocks.concat(), vec![0]].concat()
        };
        assert_eq!(check(&schema, &body(most)), Ok(()), "{schema}");
        assert_eq!(check(&schema, &body(most + 1)).unwrap_err().class(), "too_many_values", "{schema}");
    }
}

#[test]
fn a_nesting_bomb_is_an_error() {
    let schema = json!({"type": "record", "name": "Node", "fields": [
        {"name": "next", "type": ["null", "Node"]}]});
    assert_eq!(check(&schema, &[2, 2, 2, 0]), Ok(()));
    assert_eq!(check(&schema, &[2; 100_000]).unwrap_err().class(), "nested_too_deeply");
    let lists = json!({"type": "record", "name": "Node", "fields": [
        {"name": "next", "type": {"type": "array", "items": "Node"}}]});
    assert_eq!(check(&lists, &[2; 100_000]).unwrap_err().class(), "nested_too_deeply");
    let endless = json!({"type": "record", "name": "Node", "fields": [{"name": "next", "type": "Node"}]});
    let (layout, root) = Layout::of(&Schema::parse_str(&endless.to_string()).unwrap()).unwrap();
    let projection = Projection { layout, root, fields: Box::default() };
    assert_eq!(projection.check(&[]).unwrap_err().class(), "nested_too_deeply");
}

#[test]
fn an_index_that_the_schema_does_not_have_is_an_error() {
    let union = json!(["null", "string"]);
    assert_eq!(check(&union, &[4]).unwrap_err(), ScanError::UnionIndex { at: 0 });
    assert_eq!(check(&union, &[1]).unwrap_err(), ScanError::UnionIndex { at: 0 });
    let symbols = json!({"type": "enum", "name": "E", "symbols": ["A", "B"]});
    assert_eq!(check(&symbols, &[2]), Ok(()));
    assert_eq!(check(&symbols, &[4]).unwrap_err(), ScanError::EnumIndex { at: 0 });
    assert_eq!(check(&symbols, &[3]).unwrap_err(), ScanError::EnumIndex { at: 0 });
}

#[test]
fn each_primitive_takes_what_avro_says() {
    for (schema, body) in [
        (json!("null"), &[][..]),
        (json!("boolean"), &[1]),
        (json!("int"), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (json!("long"), &[0x80, 0x01]),
        (json!("float"), &[0, 0, 0, 0]),
        (json!("double"), &[0; 8]),
        (json!("bytes"), &[2, 0xff]),
        (json!({"type": "fixed", "name": "F", "size": 3}), &[0xff; 3]),
        (json!({"type": "long", "logicalType": "timestamp-millis"}), &[2]),
        (json!({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}), &[2, 1]),
        (json!({"type": "map", "values": "int"}), &[2, 2, b'a', 2, 0]),
    ] {
        assert_eq!(check(&schema, body), Ok(()), "{schema}");
        for cut in 0..body.len() {
            assert_eq!(check(&schema, &body[..cut]).unwrap_err().class(), "truncated", "{schema}");
        }
        let longer = [body, &[0]].concat();
        assert_eq!(check(&schema, &longer), Err(ScanError::TrailingBytes { count: 1 }), "{schema}");
    }
    assert_eq!(check(&json!("boolean"), &[2]), Err(ScanError::InvalidBoolean { at: 0 }));
    assert_eq!(
        check(&json!("int"), &[0x80, 0x80, 0x80, 0x80, 0x10]),
        Err(ScanError::NumberTooLarge { at: 0 })
    );
    assert_eq!(check(&json!("string"), &[2, 0xff]), Err(ScanError::InvalidUtf8 { at: 1 }));
}

#[test]
fn a_scan_looks_no_further_than_it_has_to() {
    let schema = CompiledSchema::parse(crate::avro::schemas::METADATA_CHANGE_LOG_JSON).unwrap();
    // No audit header, then the entity's type; nothing follows.
    let body = [&[0, 14][..], b"dataset"].concat();
    let wanted = FieldSet { entity_type: true, ..FieldSet::default() };
    let scanned = schema.projection().scan(&body, wanted).unwrap();
    assert_eq!(scanned.entity_type, Scanned::Text("dataset"));
    let more = FieldSet { change_type: true, ..wanted };
    assert_eq!(schema.projection().scan(&body, more).unwrap_err().class(), "truncated");
    assert_eq!(schema.projection().scan(&[], FieldSet::default()), Ok(ScannedFields::default()));
}

#[test]
fn a_record_that_no_route_carries_is_not_scanned() {
    let schema = json!({"type": "record", "name": "MetadataChangeProposal",
        "fields": [{"name": "entityType", "type": "string"}]});
    let schema = CompiledSchema::parse(&schema.to_string()).unwrap();
    assert_eq!(schema.projection().scan(&[2, b'a'], FieldSet::ALL), Ok(ScannedFields::default()));
}
