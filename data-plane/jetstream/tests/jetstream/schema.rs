//! The published schemas of answers: schemas/README.md says where they are from.

use serde_json::Value;

/// Names the files, which are read when the test is built.
macro_rules! schemas {
    ($($name:literal,)*) => {
        fn schema(of: &str) -> &'static str {
            match of {
                $($name => include_str!(concat!("../schemas/", $name, ".json")),)*
                _ => panic!("there is no schema of {of}"),
            }
        }
    };
}

schemas! {
    "account_info_response",
    "consumer_create_response",
    "consumer_info_response",
    "consumer_list_response",
    "consumer_names_response",
    "consumer_pause_response",
    "consumer_reset_response",
    "stream_create_response",
    "stream_delete_response",
    "stream_info_response",
    "stream_list_response",
    "stream_msg_delete_response",
    "stream_msg_get_response",
    "stream_names_response",
    "stream_purge_response",
}

/// Holds an answer against the schema of its type.
pub(crate) fn assert_valid(answer: &Value) {
    let name = answer["type"]
        .as_str()
        .and_then(|name| name.strip_prefix("io.nats.jetstream.api.v1."))
        .expect("an answer says of what type it is");
    let schema: Value = serde_json::from_str(schema(name)).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    let errors: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{answer}");
}

#[test]
#[should_panic(expected = "stream_delete_response")]
fn an_answer_that_is_not_what_its_schema_says_is_found() {
    assert_valid(&serde_json::json!({
        "type": "io.nats.jetstream.api.v1.stream_delete_response",
        "success": "yes",
    }));
}
