//! The certificate and its key: read at the start, and again when they change.
//!
//! A connection keeps the pair that it began with, so a new one drops nobody. Where a changed pair can't be used, the
//! old one stays: the two files are rarely replaced in one moment, and a certificate that is about to expire is better
//! than none.

mod stream;

use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use crate::error::StartError;
use crate::escape::shown;
use crate::limits::TLS_FILE_BYTES;
use crate::small_file::{self, Stamp};

pub use stream::TlsStream;

/// The certificate and its key, read again when they change.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    config: Mutex<Arc<ServerConfig>>,
    read: Mutex<Pair>,
}

/// Both files as they were read.
struct Pair {
    chain: (Vec<u8>, Option<Stamp>),
    key: (Vec<u8>, Option<Stamp>),
    /// What was last warned of, so that it is said once.
    complaint: Option<String>,
}

impl Certificate {
    /// Reads the certificate chain at `chain` and its private key at `key`, both PEM, and warns where everyone on this
    /// machine can read the key too.
    pub fn open(chain: &Path, key: &Path) -> Result<Self, StartError> {
        let failed = |cause| StartError::failed("serve TLS", cause);
        let (pair, mode) = read(chain, key).map_err(failed)?;
        let config = config(chain, key, &pair).map_err(failed)?;
        if mode & 0o004 != 0 {
            log::warn!(
                "the key {} can be read by every user of this machine: chmod o-r it",
                named(key)
            );
        }
        Ok(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            config: Mutex::new(config),
            read: Mutex::new(pair),
        })
    }

    /// Reads both files again if one of them has changed. Blocks on the disk.
    pub fn refresh(&self) {
        let mut held = self.read.lock();
        if small_file::is_as_read(&self.chain, held.chain.1.as_ref())
            && small_file::is_as_read(&self.key, held.key.1.as_ref())
        {
            return;
        }
        let renewed = read(&self.chain, &self.key).and_then(|(pair, _)| {
            let is_new = pair.chain.0 != held.chain.0 || pair.key.0 != held.key.0;
            let config = is_new.then(|| config(&self.chain, &self.key, &pair));
            Ok((pair, config.transpose()?))
        });
        match renewed {
            Ok((pair, config)) => {
                *held = pair;
                if let Some(config) = config {
                    *self.config.lock() = config;
                    log::info!("the certificate {} is read again", named(&self.chain));
                }
            }
            Err(cause) if held.complaint.as_ref() != Some(&cause) => {
                log::warn!(
                    "the changed certificate or key can't be used, so the old ones stay: {cause}"
                );
                held.complaint = Some(cause);
            }
            Err(_) => {}
        }
    }

    /// What a new connection begins with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.lock())
    }
}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn named(path: &Path) -> impl fmt::Display {
    shown(path.as_os_str().as_bytes())
}

/// Both files, and the key's mode.
fn read(chain: &Path, key: &Path) -> Result<(Pair, u32), String> {
    let (chain, metadata) = read_file(chain, "certificate")?;
    let chain = (chain, Stamp::of(&metadata));
    let (key, metadata) = read_file(key, "key")?;
    let mode = metadata.mode();
    let pair = Pair {
        chain,
        key: (key, Stamp::of(&metadata)),
        complaint: None,
    };
    Ok((pair, mode))
}

/// The bytes of a file, and what it looked like before they were read.
fn read_file(path: &Path, what: &str) -> Result<(Vec<u8>, Metadata), String> {
    small_file::read(path, TLS_FILE_BYTES).map_err(|error| {
        format!(
            "the {what} {}: {error}: it must be a PEM file that this user can read",
            named(path)
        )
    })
}

/// The settings of TLS with that pair. The paths are for what is said. Nothing of what the files hold is: a line that
/// is no PEM may be one of the key.
fn config(chain: &Path, key: &Path, pair: &Pair) -> Result<Arc<ServerConfig>, String> {
    let certificates = CertificateDer::pem_slice_iter(&pair.chain.0)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| {
            format!(
                "the certificate {}: there is none in PEM in it",
                named(chain)
            )
        })?;
    let private = PrivateKeyDer::from_pem_slice(&pair.key.0).map_err(|_| {
        format!(
            "the key {}: there is none in PEM without a passphrase in it",
            named(key)
        )
    })?;
    let failed = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!(
                "the key {} is not that of the certificate {}",
                named(key),
                named(chain)
            )
        }
        error => format!(
            "the certificate {} with the key {}: {}",
            named(chain),
            named(key),
            shown(error.to_string().as_bytes())
        ),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
