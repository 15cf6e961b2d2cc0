//! Certificates made for one test, and clients that speak TLS and trust nothing else.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::{Daemon, Logs};

/// A self-signed certificate for localhost, and its key.
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    /// Made by openssl; `kind` is what its -newkey takes.
    pub(crate) fn make(logs: &Logs, name: &str, kind: &[&str]) -> Pair {
        let pair = Pair {
            cert: logs.path(&format!("{name}.crt")),
            key: logs.path(&format!("{name}.key")),
        };
        let status = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-newkey"])
            .args(kind)
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            // An end's own certificate, not an authority's: strict clients tell them apart.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&pair.key)
            .arg("-out")
            .arg(&pair.cert)
            .stderr(Stdio::null())
            .status();
        assert!(
            status.expect("start openssl").success(),
            "openssl req failed"
        );
        pair
    }

    /// One on an elliptic curve, quick to make.
    pub(crate) fn quick(logs: &Logs, name: &str) -> Pair {
        Self::make(logs, name, &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// Puts this pair in the place of `other`, as a renewal does.
    pub(crate) fn replace(&self, other: &Pair) {
        std::fs::copy(&self.key, &other.key).expect("copy a key");
        std::fs::copy(&self.cert, &other.cert).expect("copy a certificate");
    }

    /// The options that serve it.
    pub(crate) fn options(&self) -> [&str; 4] {
        [
            "--tls-cert",
            self.cert.to_str().expect("UTF-8"),
            "--tls-key",
            self.key.to_str().expect("UTF-8"),
        ]
    }

    /// A client that trusts this certificate alone.
    pub(crate) fn trust(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(&self.cert).expect("a certificate");
        roots.add(certificate).expect("a usable certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// A connection over TLS.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Daemon {
    /// A connection over TLS whose reads and writes end by the deadline; the handshake comes with the first of them.
    pub(crate) fn tls(&self, trust: &Arc<ClientConfig>) -> Tls {
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::clone(trust), name).expect("a client");
        StreamOwned::new(client, self.connect())
    }
}

/// All that comes to the end, which must be TLS's own: a cut fails.
pub(crate) fn to_the_end(tls: &mut Tls) -> String {
    let mut bytes = Vec::new();
    tls.read_to_end(&mut bytes).expect("an end by close_notify");
    String::from_utf8(bytes).expect("UTF-8")
}
