//! A server that holds requests against Nova's contract with its proxies, to the letter (nova/api/metadata/handler.py):
//! instance and project named once each, the project that of the instance, the signature right. It keeps what it saw.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::house::instance;

/// Nova's `metadata_proxy_shared_secret`.
pub(crate) const SECRET: &str = "metadata secret";

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case, in the order of their names.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// Where it listens.
pub(crate) enum Place {
    Tcp,
    Tls { chain: PathBuf, key: PathBuf, ca: PathBuf },
    Unix(PathBuf),
}

/// The running server. It ends with the test's process.
pub(crate) struct Nova {
    pub(crate) address: Option<SocketAddr>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What the server knows of each instance: its project and its signature.
type Known = Arc<Vec<(String, String, String)>>;

impl Nova {
    /// Starts it on the hypervisor's loopback, for the instances of the ports up to `ports`.
    pub(crate) fn start(place: Place, ports: u16) -> Self {
        let known: Known = Arc::new(
            (1..=ports).map(|n| (instance(n), format!("project-{n}"), signature(&instance(n)))).collect(),
        );
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = std::sync::mpsc::channel();
        let memory = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                match place {
                    Place::Unix(path) => {
                        let listener = tokio::net::UnixListener::bind(path).expect("a socket");
                        tell.send(None).expect("the test waits");
                        loop {
                            let (stream, _) = listener.accept().await.expect("a connection");
                            tokio::spawn(serve(stream, Arc::clone(&known), Arc::clone(&memory)));
                        }
                    }
                    place => {
                        let listener = tokio::net::TcpListener::bind(if matches!(place, Place::Tls { .. }) {
                            "127.0.0.1:0"
                        } else {
                            "[::1]:0"
                        })
                        .await
                        .expect("a socket");
                        tell.send(listener.local_addr().ok()).expect("the test waits");
                        let tls = match &place {
                            Place::Tls { chain, key, ca } => Some(acceptor(chain, key, ca)),
                            _ => None,
                        };
                        loop {
                            let (stream, _) = listener.accept().await.expect("a connection");
                            let (known, memory) = (Arc::clone(&known), Arc::clone(&memory));
                            match tls.clone() {
                                None => drop(tokio::spawn(serve(stream, known, memory))),
                                Some(tls) => drop(tokio::spawn(async move {
                                    if let Ok(stream) = tls.accept(stream).await {
                                        serve(stream, known, memory).await;
                                    }
                                })),
                            }
                        }
                    }
                }
            });
        });
        Self { address: told.recv().expect("a server"), seen }
    }

    /// `http://…` of where it listens.
    pub(crate) fn url(&self, scheme: &str) -> String {
        let port = self.address.expect("not a Unix socket").port();
        format!("{scheme}://{}:{port}", if scheme == "https" { "localhost" } else { "[::1]" })
    }

    /// What came since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }
}

/// By openssl: nobody checks their own signatures here.
fn signature(instance: &str) -> String {
    let script = format!("printf %s {instance} | openssl dgst -sha256 -hmac '{SECRET}'");
    let output = Command::new("sh").args(["-c", &script]).output().expect("openssl");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim().rsplit_once("= ").expect("a signature").1.to_owned()
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, known: Known, memory: Arc<Mutex<Vec<Seen>>>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (known, memory) = (Arc::clone(&known), Arc::clone(&memory));
        async move {
            let (head, body) = request.into_parts();
            // What breaks off is no request.
            let Ok(body) = body.collect().await else {
                return Err(std::io::Error::other("broken off"));
            };
            let body = body.to_bytes().to_vec();
            let fields = head.headers.iter();
            let fields = fields.map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let seen = Seen {
                method: head.method.to_string(),
                target: head.uri.to_string(),
                fields: fields.collect(),
                body,
            };
            memory.lock().expect("no panic").push(seen.clone());
            Ok::<_, std::io::Error>(answer(&seen, &known).await)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Answer = Response<Either<Full<Bytes>, StreamBody<Pieces>>>;

fn judge(seen: &Seen, known: &Known) -> Result<String, StatusCode> {
    let [id] = seen.all("x-instance-id")[..] else { return Err(StatusCode::BAD_REQUEST) };
    let [project] = seen.all("x-tenant-id")[..] else { return Err(StatusCode::BAD_REQUEST) };
    let [signature] = seen.all("x-instance-id-signature")[..] else { return Err(StatusCode::FORBIDDEN) };
    let [_] = seen.all("x-forwarded-for")[..] else { return Err(StatusCode::BAD_REQUEST) };
    let (_, its_project, its_signature) =
        known.iter().find(|(known, ..)| known == id).ok_or(StatusCode::NOT_FOUND)?;
    if signature != its_signature {
        return Err(StatusCode::FORBIDDEN);
    }
    if project != its_project {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(id.to_owned())
}

async fn answer(seen: &Seen, known: &Known) -> Answer {
    let text = |status: StatusCode, text: String| {
        let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
        *answer.status_mut() = status;
        answer
    };
    let id = match judge(seen, known) {
        Ok(id) => id,
        Err(status) => return text(status, format!("{status}")),
    };
    let path = seen.target.split('?').next().unwrap_or_default();
    if let Some(size) = path.strip_prefix("/octets/").and_then(|size| size.parse::<u64>().ok()) {
        let body = Either::Right(StreamBody::new(Pieces { left: size }));
        return Response::builder().header("content-length", size).body(body).expect("an answer");
    }
    // Every version is the same here.
    let path = path.replace("/openstack/2012-08-10/", "/openstack/latest/");
    match path.as_str() {
        "/openstack" => text(StatusCode::OK, "2012-08-10\nlatest".into()),
        "/openstack/latest/meta_data.json" => text(
            StatusCode::OK,
            format!(
                "{{\"uuid\": \"{id}\", \"hostname\": \"by-nova\", \"public_keys\": {{\"k\": \"ssh-rsa AAAA\"}}}}"
            ),
        ),
        "/openstack/latest/user_data" => {
            let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(GZIP))));
            answer.headers_mut().insert("content-encoding", "gzip".parse().expect("a value"));
            answer
        }
        "/empty" => text(StatusCode::OK, String::new()),
        "/small" => text(StatusCode::OK, "x".repeat(2048)),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            text(StatusCode::OK, String::new())
        }
        "/echo" => text(StatusCode::OK, String::from_utf8_lossy(&seen.body).into_owned()),
        _ => text(StatusCode::NOT_FOUND, "nothing here".into()),
    }
}

/// `printf '#cloud-config\n' | gzip -n9`
pub(crate) const GZIP: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x4e, 0xce, 0xc9, 0x2f, 0x4d, 0xd1,
    0x4d, 0xce, 0xcf, 0x4b, 0xcb, 0x4c, 0xe7, 0x02, 0x00, 0x05, 0x56, 0xb3, 0xb8, 0x0e, 0x00, 0x00, 0x00,
];

/// A body of so many octets, whose every octet says where it stands.
struct Pieces {
    left: u64,
}

/// Octet number `at` from the end.
pub(crate) fn octet(at: u64) -> u8 {
    (at % 251) as u8
}

impl futures_util::Stream for Pieces {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let size = self.left.min(64 * 1024);
        if size == 0 {
            return std::task::Poll::Ready(None);
        }
        let piece: Vec<u8> = (0..size).map(|i| octet(self.left - i)).collect();
        self.left -= size;
        std::task::Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

/// Asks clients for a certificate that `ca` has signed.
fn acceptor(chain: &Path, key: &Path, ca: &Path) -> TlsAcceptor {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};
    let provider = Arc::new(ring::default_provider());
    let certificates = |path: &Path| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(path).expect("PEM").collect::<Result<_, _>>().expect("PEM")
    };
    let mut roots = RootCertStore::empty();
    certificates(ca).into_iter().for_each(|certificate| roots.add(certificate).expect("a root"));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(certificates(chain), PrivateKeyDer::from_pem_file(key).expect("a key"));
    TlsAcceptor::from(Arc::new(config.expect("a server")))
}
