//! The files that pages load.

use axum::{
    body::Bytes,
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// A file under the address that carries its hash. It never changes there.
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let Some(asset) = tollway_web::asset::find(&file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, Bytes::from_static(asset.bytes)).into_response()
}
