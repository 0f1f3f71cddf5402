//! The OpenAPI document: committed, sound, and equal to the protobuf services field by field.

use std::{collections::BTreeSet, path::Path};

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::Service;

fn document() -> Value {
    serde_json::to_value(tollway::http::openapi_document()).unwrap()
}

#[test]
fn the_committed_document_is_the_one_that_the_routes_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "control-plane/api/openapi.json is not what the routes make: run UPDATE_GOLDEN=1 cargo nextest run -p tollway --test service catalogue"
    );
}

/// Follows a reference, and takes the one alternative that is not "null".
fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        let target = document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{reference} leads nowhere"));
        return resolve(document, target);
    }
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[alternatives].as_array() {
            let schema = schemas.iter().find(|schema| schema["type"] != "null").unwrap();
            return resolve(document, schema);
        }
    }
    schema
}

fn properties(document: &Value, schema: &Value) -> BTreeSet<String> {
    match resolve(document, schema)["properties"].as_object() {
        Some(properties) => properties.keys().cloned().collect(),
        None => BTreeSet::new(),
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_sound() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        resolve(&document, &json!({ "$ref": reference }));
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        let in_path: BTreeSet<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        for (method, operation) in item.as_object().unwrap() {
            let declared: BTreeSet<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(in_path, declared, "{method} {path}");
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path}"
            );
            if operation["operationId"] != "ListErrorCodes" {
                let failure = &operation["responses"]["default"]["content"]["application/problem+json"];
                assert_eq!(
                    failure["schema"]["$ref"], "#/components/schemas/Problem",
                    "{method} {path}"
                );
            }
        }
    }
}

/// Requests refuse fields that they do not know; everything else is an answer.
#[test]
fn what_may_be_null_in_an_answer_is_always_there_and_says_when() {
    let document = document();
    let mut seen = 0;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if schema["additionalProperties"] == false || !schema["properties"].is_object() {
            continue;
        }
        for (field, property) in schema["properties"].as_object().unwrap() {
            let may_be_null = property["type"]
                .as_array()
                .is_some_and(|types| types.contains(&json!("null")));
            let description = property["description"].as_str().unwrap_or_default();
            assert_eq!(
                may_be_null,
                description.contains("null"),
                "{name}.{field}: {description}"
            );
            if may_be_null {
                let required = schema["required"].as_array().unwrap();
                assert!(required.contains(&json!(field)), "{name}.{field} is always there");
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen}");
}

fn fields(message: &DescriptorProto) -> BTreeSet<String> {
    message
        .field
        .iter()
        .map(|field| field.name().to_owned())
        .collect()
}

#[test]
fn both_apis_have_the_same_fields() {
    let document = document();
    let descriptors = FileDescriptorSet::decode(tollway_proto::DESCRIPTORS).unwrap();
    let files: Vec<_> = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "tollway.v1")
        .collect();
    let message = |name: &str| {
        let name = name.strip_prefix(".tollway.v1.")?;
        files
            .iter()
            .flat_map(|file| &file.message_type)
            .find(|message| message.name() == name)
    };
    for method in files
        .iter()
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method)
    {
        let name = method.name();
        let operation = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .find(|operation| operation["operationId"] == name)
            .unwrap_or_else(|| panic!("no route is called {name}"));

        let mut asked = properties(
            &document,
            &operation["requestBody"]["content"]["application/json"]["schema"],
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            // A proto field cannot tell "applied" from other things to wait for, a query can.
            let name = parameter["name"].as_str().unwrap();
            asked.insert(if name == "wait" {
                "wait_applied".into()
            } else {
                name.to_owned()
            });
        }
        assert_eq!(
            asked,
            fields(message(method.input_type()).unwrap()),
            "what {name} asks for"
        );

        let responses = operation["responses"].as_object().unwrap();
        let answer = responses
            .iter()
            .find(|(status, _)| status.starts_with('2'))
            .unwrap();
        match message(method.output_type()) {
            Some(output) => {
                let schema = &answer.1["content"]["application/json"]["schema"];
                assert_eq!(
                    properties(&document, schema),
                    fields(output),
                    "what {name} answers"
                );
            }
            None => assert_eq!(answer.0, "204", "{name} answers nothing"),
        }
    }

    // Nouns inside of answers have the same name in both.
    for message in files.iter().flat_map(|file| &file.message_type) {
        let schema = &document["components"]["schemas"][message.name()];
        if !schema.is_null() {
            assert_eq!(
                properties(&document, schema),
                fields(message),
                "{}",
                message.name()
            );
        }
    }
}

#[tokio::test]
async fn the_document_and_the_codes_are_served_without_a_token() {
    let service = Service::start().await;
    let served = service
        .call(None, Method::GET, "/openapi.json", Value::Null)
        .await;
    assert_eq!((served.status, served.body), (StatusCode::OK, document()));
    let codes = service
        .call(None, Method::GET, "/v1/error-codes", Value::Null)
        .await;
    let codes: BTreeSet<_> = codes.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["code"].as_str().unwrap().to_owned())
        .collect();
    let all: BTreeSet<_> = tollway_api::ProblemCode::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    assert_eq!(codes, all);
}
