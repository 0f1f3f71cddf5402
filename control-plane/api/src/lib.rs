//! Request and response JSON, problem codes, the OpenAPI document.
