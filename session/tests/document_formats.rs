//! What a document says does not depend on the format that it is written in.

use drawbridge_session::document::{Content, DocumentFormat, MAX_DOCUMENT_BYTES};
use proptest::prelude::*;
use serde_json::Value;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"[ \t\n\r:#{}\[\],&*!|>'%@`?<=~.+0-9a-zA-Z-]{0,12}",
        prop::sample::select(vec![
            "true",
            "no",
            "null",
            "~",
            "1.0",
            "0644",
            "1e3",
            "2026-01-01",
            "12:30",
            "---",
            "..."
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_read_as_it_was_written(value in value()) {
        for format in [DocumentFormat::Json, DocumentFormat::Yaml] {
            let text = format.write(&value).expect("a text");
            prop_assume!(text.len() <= MAX_DOCUMENT_BYTES);
            let read = format.read(&text);
            prop_assert_eq!(read.as_ref(), Ok(&value), "{}", text);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in text(), format in prop::sample::select(vec![DocumentFormat::Json, DocumentFormat::Yaml])) {
        let _ = Content::parse(&text, format);
    }
}
