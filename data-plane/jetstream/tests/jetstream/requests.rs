//! Bodies of the smaller requests.

use proptest::prelude::*;
use tollway_jetstream::ApiError;
use tollway_jetstream::api::Call;
use tollway_jetstream::api::request::{
    ConsumerCreateRequest, ConsumerPauseRequest, ConsumersRequest, MessageDeleteRequest, MessageGetRequest,
    StreamConfigRequest, StreamInfoRequest, StreamListRequest, StreamNamesRequest, StreamPurgeRequest,
    expect_nothing,
};

fn refusal<T>(read: Result<T, ApiError>) -> String {
    match read {
        Ok(_) => "taken".to_owned(),
        Err(error) => format!("{} {error}", error.err_code()),
    }
}

#[test]
fn what_is_asked_of_lists_need_not_be_json_unless_it_looks_like_it() {
    let unknown = r#"10025 invalid JSON: json: unknown field "x""#;
    for (body, expected) in [
        ("", "taken"),
        ("x", "taken"),
        ("5", "taken"),
        (r#"{"x":1}"#, unknown),
    ] {
        let body = body.as_bytes();
        assert_eq!(refusal(StreamNamesRequest::read(body)), expected);
        assert_eq!(refusal(StreamListRequest::read(body)), expected);
        assert_eq!(refusal(StreamInfoRequest::read(body)), expected);
        assert_eq!(refusal(StreamPurgeRequest::read(body)), expected);
        assert_eq!(refusal(ConsumersRequest::read(body)), expected);
        assert_eq!(refusal(ConsumerPauseRequest::read(body)), expected);
    }
    let array = "10025 invalid JSON: json: cannot unmarshal array into Go value of type server.JSApi";
    assert!(refusal(StreamNamesRequest::read(b"[]")).starts_with(array));
    let offset = StreamNamesRequest::read(br#"{"offset":"x"}"#);
    assert_eq!(
        refusal(offset),
        "10025 invalid JSON: json: cannot unmarshal string into Go struct field JSApiStreamNamesRequest.offset of type int"
    );
}

#[test]
fn nothing_is_nothing_or_an_empty_object() {
    for body in ["", "  ", "{}", " { } "] {
        assert_eq!(expect_nothing(body.as_bytes()), Ok(()));
    }
    for body in ["x", "[]", r#"{"a":1}"#, "null"] {
        assert_eq!(
            refusal(expect_nothing(body.as_bytes())),
            "10038 expected an empty request payload"
        );
    }
}

#[test]
fn one_message_is_asked_for_in_one_way() {
    for (body, taken) in [
        (r#"{"seq":1}"#, true),
        (r#"{"last_by_subj":"a"}"#, true),
        (r#"{"next_by_subj":"a"}"#, true),
        (r#"{"seq":4,"next_by_subj":"a"}"#, true),
        (r#"{"start_time":"2024-01-01T00:00:00Z"}"#, true),
        ("", false),
        ("{}", false),
        (r#"{"seq":0}"#, false),
        (r#"{"seq":5,"last_by_subj":"x"}"#, false),
        (r#"{"last_by_subj":"x","next_by_subj":"x"}"#, false),
        (r#"{"start_time":"2024-01-01T00:00:00Z","seq":4}"#, false),
        (r#"{"batch":4}"#, false),
        (r#"{"batch":4,"seq":1}"#, false),
        (r#"{"multi_last":["A"]}"#, false),
    ] {
        let expected = if taken { "taken" } else { "10003 bad request" };
        assert_eq!(
            refusal(MessageGetRequest::read(body.as_bytes())),
            expected,
            "{body}"
        );
    }
    assert_eq!(refusal(MessageDeleteRequest::read(b"")), "10003 bad request");
    assert_eq!(refusal(MessageDeleteRequest::read(br#"{"seq":0}"#)), "taken");
}

#[test]
fn a_purge_keeps_by_number_or_by_sequence() {
    let both = StreamPurgeRequest::read(br#"{"seq":1,"keep":1}"#);
    assert_eq!(refusal(both), "10003 bad request");
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body: Vec<u8>) {
        let _ = StreamConfigRequest::read_create("T", &body);
        let call = Call::parse(b"$JS.API.CONSUMER.CREATE.S.c", None).expect("it is a call");
        let _ = ConsumerCreateRequest::read(&call, &body);
    }

    #[test]
    fn anything_that_looks_like_json_is_read_or_refused(
        body in r#"([{}\[\]:,"\\ux0-9aet.\- ]|"name"|"mirror"|"subjects"|null|true|\\u[d89a-f]{0,4}){0,40}"#
    ) {
        let _ = StreamConfigRequest::read_create("T", body.as_bytes());
        let _ = MessageGetRequest::read(body.as_bytes());
    }

    #[test]
    fn deep_bodies_are_refused(depth in 0_usize..100_000) {
        let body = format!(r#"{{"name":{}"#, "[".repeat(depth));
        prop_assert!(StreamConfigRequest::read_create("T", body.as_bytes()).is_err());
    }

    #[test]
    fn a_text_is_read_as_it_was_written(description: String) {
        let body = serde_json::json!({ "name": "T", "description": description }).to_string();
        let request = StreamConfigRequest::read_create("T", body.as_bytes()).expect("it is a request");
        prop_assert_eq!(request.config.description, description);
    }
}
