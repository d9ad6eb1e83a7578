//! TLS to endpoints: who may sign their certificates, and who we are.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::metadata::TlsConfig;

/// What opens TLS connections by a configuration.
///
/// # Errors
/// Which of the files is no good, and why.
pub fn connector(config: &TlsConfig) -> Result<TlsConnector, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match (&config.ca, config.insecure) {
        (_, true) => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        (Some(pem), false) => {
            let roots = Arc::new(roots(pem)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            builder.with_webpki_verifier(verifier.map_err(|error| format!("ca_file: {error}"))?)
        }
        (None, false) => {
            return Err("https needs ca_file, the certificates of who may sign the endpoints' own".into());
        }
    };
    let client = match &config.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.reveal())
                .map_err(|error| format!("client_key_file: {error}"))?;
            let chain = certificates("client_certificate_file", chain)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| format!("client_key_file: {error}"))?
        }
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

/// The name that an endpoint's certificate has to have: that of the configuration, or the host that is connected to.
///
/// # Errors
/// It is neither a DNS name nor an address.
pub fn name(host: &str, config: &TlsConfig) -> Result<ServerName<'static>, String> {
    let name = config.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{name:?} is no name that a certificate can have"))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", pem)? {
        roots.add(certificate).map_err(|error| format!("ca_file: {error}"))?;
    }
    Ok(roots)
}

fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("{field}: {error}"))?;
    if all.is_empty() { Err(format!("{field}: holds no certificate in PEM")) } else { Ok(all) }
}

/// Takes any certificate: what the operator asked for by `insecure`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
