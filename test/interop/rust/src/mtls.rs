use crate::{Outcome, input_lines, say};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use spiffe::X509Source;
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn serve(trust_domain: Option<&str>) -> Outcome<()> {
    let source = X509Source::new().await?;
    let own = source.svid()?.spiffe_id().trust_domain().to_string();
    let config = mtls_server(source.clone())
        .authorize(authorizer::trust_domains([trust_domain.unwrap_or(&own)])?)
        .build()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(json!({ "listening": listener.local_addr()?.to_string() }));
    let mut lines = input_lines();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                tokio::spawn(greet(acceptor.clone(), socket));
            }
            line = lines.next_line() => if line?.is_none() { return Ok(()) },
        }
    }
}

async fn greet(acceptor: TlsAcceptor, socket: TcpStream) {
    let greeting = async {
        let mut stream = acceptor.accept(socket).await?;
        read_line(&mut stream).await?;
        let peer = peer_id(stream.get_ref().1.peer_certificates())?;
        stream.write_all(format!("{peer}\n").as_bytes()).await?;
        stream.shutdown().await?;
        Outcome::Ok(())
    };
    match timeout(CONNECTION_TIMEOUT, greeting).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(json!({ "refused": format!("{error:?}") })),
        Err(_) => say(json!({ "refused": "timeout" })),
    }
}

pub async fn dial() -> Outcome<()> {
    let source = X509Source::new().await?;
    say(json!({ "ready": true }));
    let mut lines = input_lines();
    while let Some(line) = lines.next_line().await? {
        let (address, expected) = line.split_once(' ').ok_or("ADDRESS ID")?;
        match timeout(CONNECTION_TIMEOUT, shake(&source, address, expected)).await {
            Ok(Ok(answer)) => say(answer),
            Ok(Err(error)) => say(json!({ "error": format!("{error:?}") })),
            Err(_) => say(json!({ "error": "timeout" })),
        }
    }
    Ok(())
}

async fn shake(source: &X509Source, address: &str, expected: &str) -> Outcome<Value> {
    let config = mtls_client(source.clone())
        .authorize(authorizer::exact([expected])?)
        .build()?;
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await?;
    let peer = peer_id(stream.get_ref().1.peer_certificates())?;
    stream.write_all(b"who am I\n").await?;
    let seen_as = read_line(&mut stream).await?;
    Ok(json!({ "peer": peer, "seenAs": seen_as }))
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Outcome<String> {
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).await? == 0 {
        return Err("the peer hung up".into());
    }
    Ok(line.trim_end().to_owned())
}

fn peer_id(chain: Option<&[CertificateDer<'_>]>) -> Outcome<String> {
    let leaf = chain
        .and_then(|chain| chain.first())
        .ok_or("no certificate")?;
    let (_, certificate) = X509Certificate::from_der(leaf)?;
    let names = certificate.subject_alternative_name()?.ok_or("no name")?;
    let uri = names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
    Ok(uri.ok_or("no URI")?)
}
