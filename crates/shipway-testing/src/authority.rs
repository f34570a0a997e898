//! An authority that nobody knows but the clients of a test, and a certificate of it for the loopback address.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A private authority.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its certificate, PEM: what clients are to trust.
    pub root: PathBuf,
    /// The certificate of a server on the loopback address, PEM.
    pub certificate: PathBuf,
    /// The server's key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one, with its files in a folder.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut root = CertificateParams::new(Vec::new()).expect("parameters");
        root.distinguished_name.push(DnType::CommonName, "authority of a test");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_key = KeyPair::generate().expect("a key");
        let root_certificate = root.self_signed(&root_key).expect("a certificate");
        let issuer = Issuer::new(root, root_key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).expect("parameters");
        server.distinguished_name.push(DnType::CommonName, "server of a test");
        // Python asks for both since it verifies strictly.
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = server.signed_by(&key, &issuer).expect("a certificate");

        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a written file");
            path
        };
        Self {
            root: write("root.pem", root_certificate.pem()),
            certificate: write("server.pem", certificate.pem()),
            key: write("server-key.pem", key.serialize_pem()),
        }
    }

    /// What a server of this process needs to speak TLS with the certificate.
    ///
    /// # Panics
    /// When its files cannot be read.
    pub fn server(&self) -> Arc<ServerConfig> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_file(&self.certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate], key).expect("a configuration"))
    }
}
