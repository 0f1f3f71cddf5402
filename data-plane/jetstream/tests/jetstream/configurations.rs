//! Configurations that were sent to the real server are answered here as there.

use serde_json::{Value, json};
use tollway_jetstream::api::request::{ConsumerCreateRequest, StreamConfigRequest, expect_nothing};
use tollway_jetstream::api::{Call, ConsumerCall, StreamAction};
use tollway_jetstream::config::Features;
use tollway_jetstream::{
    AccountLimits, ApiError, Catalog, ConsumerConfig, Decision, Grants, Nanos, OtherStreams, ServerLimits,
    to_json,
};

use crate::recorded::{Exchange, exchanges};

/// What an account does with a request, as far as configurations go.
#[derive(Default)]
struct Account {
    catalog: Catalog,
    server: ServerLimits,
    limits: AccountLimits,
}

impl Account {
    fn answer(&mut self, exchange: &Exchange) -> Value {
        let call = Call::parse(exchange.subject.as_bytes(), None);
        let answer = match call {
            None => return Value::Null,
            Some(call) => self.config_after(&call, exchange.body.as_bytes()),
        };
        match answer {
            Err(error) => json!({ "error": json_of(&error) }),
            Ok(Value::Null) => json!({}),
            Ok(config) => json!({ "config": config }),
        }
    }

    fn config_after(&mut self, call: &Call<'_>, body: &[u8]) -> Result<Value, ApiError> {
        let grants = Grants {
            server: &self.server,
            account: &self.limits,
        };
        let decision = match *call {
            Call::Stream {
                action: StreamAction::Create,
                stream,
            } => {
                let request = StreamConfigRequest::read_create(stream, body)?;
                self.catalog.decide_stream_create(&request, &grants)?
            }
            Call::Stream {
                action: StreamAction::Update,
                stream,
            } => {
                let request = StreamConfigRequest::read_update(stream, body)?;
                self.catalog.decide_stream_update(&request, &grants)?
            }
            Call::Stream {
                action: StreamAction::Delete,
                stream,
            } => {
                expect_nothing(body)?;
                self.catalog.remove_stream(stream)?;
                return Ok(Value::Null);
            }
            Call::Consumer {
                action: ConsumerCall::Delete,
                stream,
                consumer,
            } => {
                expect_nothing(body)?;
                self.catalog.remove_consumer(stream, consumer)?;
                return Ok(Value::Null);
            }
            Call::ConsumerCreate { stream, .. } | Call::DurableCreate { stream, .. } => {
                let config = self.consumer_after(call, body)?;
                let shown = json_of(&config);
                self.catalog.put_consumer(stream, config)?;
                return Ok(shown);
            }
            _ => panic!("{call:?} is not recorded"),
        };
        let shown = json_of(decision.config());
        if let Decision::Make(config) | Decision::Change(config) = decision {
            self.catalog.put_stream(config);
        }
        Ok(shown)
    }

    fn consumer_after(&self, call: &Call<'_>, body: &[u8]) -> Result<ConsumerConfig, ApiError> {
        let request = ConsumerCreateRequest::read(call, body)?;
        let grants = Grants {
            server: &self.server,
            account: &self.limits,
        };
        let decision = self
            .catalog
            .decide_consumer(&request, "random", &grants, |_| false)?;
        Ok(decision.config().clone())
    }
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::from_slice(&to_json(value)).expect("it is JSON")
}

#[test]
fn every_configuration_is_answered_as_by_the_real_server() {
    let mut account = Account::default();
    account.server.features = Features::ALL;
    let exchanges = exchanges();
    assert!(exchanges.len() > 2000, "{} were read", exchanges.len());
    let mut different = Vec::new();
    for exchange in exchanges {
        let answer = account.answer(&exchange);
        if answer != exchange.answer {
            different.push(format!(
                "{} {}\n  real: {}\n  ours: {answer}",
                &exchange.subject[..exchange.subject.len().min(80)],
                exchange.body.chars().take(300).collect::<String>(),
                exchange.answer,
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(40)].join("\n")
    );
    assert!(
        account.catalog.config("ORIGIN").is_some(),
        "it was made on the way"
    );
}

#[test]
fn messages_are_not_published_again_to_what_is_no_subject() {
    // The real server takes this, and then has subjects that no client can subscribe to.
    let body = br#"{"name":"T","subjects":["q"],"republish":{"src":"a.*","dest":"b c"}}"#;
    let request = StreamConfigRequest::read_create("T", body).expect("it is a request");
    let grants = Grants {
        server: &ServerLimits::default(),
        account: &AccountLimits::default(),
    };
    let refusal = Catalog::default().decide_stream_create(&request, &grants);
    assert_eq!(refusal.unwrap_err().err_code(), 10052);
}

#[test]
fn what_the_server_cannot_do_is_refused_when_nothing_else_is_wrong() {
    let server = ServerLimits::default();
    let account = AccountLimits::default();
    let grants = Grants {
        server: &server,
        account: &account,
    };
    let mut catalog = Catalog::default();
    let decide = |catalog: &Catalog, field: &str| {
        let body = format!(r#"{{"name":"T",{field}}}"#);
        let request = StreamConfigRequest::read_create("T", body.as_bytes()).expect("it is a request");
        catalog.decide_stream_create(&request, &grants)
    };
    for field in ["allow_msg_counter", "allow_msg_schedules", "allow_batched"] {
        let error = decide(&catalog, &format!(r#""{field}":true"#)).unwrap_err();
        assert!(
            error.to_string().ends_with("not supported by this server"),
            "{error}"
        );
        assert_eq!(error.err_code(), 10052);
    }
    let both = decide(&catalog, r#""allow_msg_counter":true,"discard":"new""#);
    assert_eq!(
        both.unwrap_err().to_string(),
        "counter stream cannot use discard new"
    );

    let stream = decide(&catalog, r#""subjects":["t"]"#).expect("it can");
    catalog.put_stream(stream.config().clone());
    let body = br#"{"stream_name":"T","config":{"priority_policy":"overflow","priority_groups":["a"]}}"#;
    let call = Call::parse(b"$JS.API.CONSUMER.CREATE.T.c", None).expect("it is a call");
    let request = ConsumerCreateRequest::read(&call, body).expect("it is a request");
    let error = catalog
        .decide_consumer(&request, "", &grants, |_| false)
        .unwrap_err();
    assert_eq!(error.err_code(), 10012);
}

#[test]
fn limits_of_server_and_account_are_kept() {
    let server = ServerLimits {
        duplicate_window: Nanos::from_secs(60),
        max_ack_pending: 500,
        max_request_batch: 100,
        ..ServerLimits::default()
    };
    let account = AccountLimits {
        max_bytes_required: true,
        storage_max_stream_bytes: 1000,
        memory_max_stream_bytes: 100,
        max_ack_pending: 400,
        max_consumers: 1,
    };
    let grants = Grants {
        server: &server,
        account: &account,
    };
    let mut catalog = Catalog::default();
    let stream = |catalog: &Catalog, fields: &str| {
        let body = format!(r#"{{"name":"T"{fields}}}"#);
        let request = StreamConfigRequest::read_create("T", body.as_bytes()).expect("it is a request");
        catalog.decide_stream_create(&request, &grants)
    };
    for (fields, code) in [
        ("", 10113),
        (r#","max_bytes":1001"#, 10122),
        (r#","max_bytes":101,"storage":"memory""#, 10122),
        (r#","max_bytes":100,"duplicate_window":61000000000"#, 10052),
    ] {
        assert_eq!(stream(&catalog, fields).unwrap_err().err_code(), code, "{fields}");
    }
    let made = stream(&catalog, r#","max_bytes":100"#).expect("it is within the limits");
    assert_eq!(made.config().duplicate_window, Nanos::from_secs(60));
    catalog.put_stream(made.config().clone());

    let consumer = |catalog: &Catalog, name: &str, fields: &str| {
        let body = format!(r#"{{"stream_name":"T","config":{{"ack_policy":"explicit"{fields}}}}}"#);
        let subject = format!("$JS.API.CONSUMER.CREATE.T.{name}");
        let call = Call::parse(subject.as_bytes(), None).expect("it is a call");
        let request = ConsumerCreateRequest::read(&call, body.as_bytes()).expect("it is a request");
        catalog.decide_consumer(&request, "", &grants, |_| false)
    };
    for (fields, code) in [
        (r#","max_ack_pending":401"#, 10121),
        (r#","max_batch":101"#, 10125),
    ] {
        assert_eq!(
            consumer(&catalog, "c", fields).unwrap_err().err_code(),
            code,
            "{fields}"
        );
    }
    let made = consumer(&catalog, "c", "").expect("it is within the limits");
    assert_eq!(
        (made.config().max_ack_pending, made.config().max_batch),
        (400, 100)
    );
    catalog
        .put_consumer("T", made.config().clone())
        .expect("the stream is there");
    assert_eq!(consumer(&catalog, "d", "").unwrap_err().err_code(), 10026);
    assert!(matches!(consumer(&catalog, "c", ""), Ok(Decision::Same(_))));
}

#[test]
fn a_bound_push_consumer_keeps_its_subject() {
    let grants = Grants {
        server: &ServerLimits::default(),
        account: &AccountLimits::default(),
    };
    let mut catalog = Catalog::default();
    let request = StreamConfigRequest::read_create("T", br#"{"name":"T"}"#).expect("it is a request");
    let stream = catalog
        .decide_stream_create(&request, &grants)
        .expect("it can be made");
    catalog.put_stream(stream.config().clone());
    let decide = |catalog: &Catalog, subject: &str, bound: bool| {
        let body = format!(r#"{{"stream_name":"T","config":{{"deliver_subject":"{subject}"}}}}"#);
        let call = Call::parse(b"$JS.API.CONSUMER.CREATE.T.c", None).expect("it is a call");
        let request = ConsumerCreateRequest::read(&call, body.as_bytes()).expect("it is a request");
        catalog.decide_consumer(&request, "", &grants, |_| bound)
    };
    let made = decide(&catalog, "there", true).expect("it can be made");
    catalog
        .put_consumer("T", made.config().clone())
        .expect("the stream is there");
    assert_eq!(decide(&catalog, "elsewhere", true).unwrap_err().err_code(), 10013);
    assert!(matches!(
        decide(&catalog, "elsewhere", false),
        Ok(Decision::Change(_))
    ));
}
