//! Compiles the .proto files without protoc: protox reads them, tonic writes Rust.
#![allow(missing_docs)]

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: &[&str] = &[
    "tollway/fleet/v1/fleet.proto",
    "tollway/v1/account.proto",
    "tollway/v1/api_token.proto",
    "tollway/v1/cell.proto",
    "tollway/v1/organization.proto",
    "tollway/v1/usage.proto",
    "tollway/v1/user.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("tollway.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
