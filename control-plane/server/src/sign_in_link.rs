//! `tollway sign-in-link`: asks the control plane that runs in a data folder.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::{
    data_folder::{DataFolder, DataFolderError},
    http::SignInLink,
    local_socket,
};

/// How long the control plane may take to answer.
const WAIT: Duration = Duration::from_secs(10);

/// Why there is no link. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SignInLinkError {
    /// A file of the data folder.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    /// Nobody listens.
    #[error("no control plane answers in the data folder {}: is it running?", folder.display())]
    Connect {
        /// Where it should run.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The answer broke off.
    #[error("the control plane's answer broke off; try again")]
    Http(#[from] hyper::Error),
    /// No answer came.
    #[error("the control plane took too long to answer; see its log")]
    TimedOut,
    /// It said no.
    #[error("the control plane refused ({status}): {answer}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its words.
        answer: String,
    },
    /// The answer is not what this release expects.
    #[error("the control plane is of another release: use the same `tollway` for both")]
    Answer(#[source] serde_json::Error),
}

/// A fresh one-time link for the console of the control plane that runs in this data folder.
pub async fn create(data_dir: &Path) -> Result<String, SignInLinkError> {
    let folder = DataFolder::existing(data_dir);
    let ports = folder.read_ports()?;
    let body = timeout(WAIT, ask(data_dir))
        .await
        .map_err(|_| SignInLinkError::TimedOut)??;
    let link: SignInLink = serde_json::from_slice(&body).map_err(SignInLinkError::Answer)?;
    Ok(format!("http://{}{}", reachable(ports.api), link.path))
}

async fn ask(data_dir: &Path) -> Result<Bytes, SignInLinkError> {
    let stream = local_socket::connect(data_dir)
        .await
        .map_err(|source| SignInLinkError::Connect {
            folder: data_dir.to_owned(),
            source,
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let request = Request::post("/sign-in-links")
            .header(header::HOST, "localhost")
            .body(Empty::<Bytes>::new())
            .expect("a request of constants is one");
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let answer = String::from_utf8_lossy(&body).into_owned();
            return Err(SignInLinkError::Refused { status, answer });
        }
        Ok(body)
    };
    // The connection ends when the exchange has let go of it.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

/// Where a listener on "every address" can be reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}
