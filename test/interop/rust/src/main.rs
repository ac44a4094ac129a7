//! The contract of test/interop/probe.ts, kept with the crates `spiffe` and `spiffe-rustls`.

mod mtls;

use futures_util::StreamExt;
use serde_json::{Value, json};
use spiffe::{BundleSource, JwtSource, JwtSvid, WorkloadApiClient, X509Source, X509Svid};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use x509_parser::prelude::{FromDer, X509Certificate};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn say(line: Value) {
    println!("{line}");
}

fn input_lines() -> Lines<BufReader<Stdin>> {
    BufReader::new(tokio::io::stdin()).lines()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fetch", audience] => fetch(audience).await,
        ["validate", audience] => validate(audience).await,
        ["watch", count] => watch(count).await,
        ["serve"] => mtls::serve(None).await,
        ["serve", trust_domain] => mtls::serve(Some(trust_domain)).await,
        ["dial"] => mtls::dial().await,
        _ => Err("usage: probe fetch|validate|watch|serve|dial".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(json!({ "error": format!("{error:?}") }));
            ExitCode::FAILURE
        }
    }
}

fn leaf(svid: &X509Svid) -> Outcome<X509Certificate<'_>> {
    Ok(X509Certificate::from_der(svid.leaf().as_bytes())?.1)
}

fn serial_of(svid: &X509Svid) -> Outcome<String> {
    Ok(leaf(svid)?.tbs_certificate.serial.to_str_radix(16))
}

async fn fetch(audience: &str) -> Outcome<()> {
    let client = WorkloadApiClient::connect_env().await?;
    let context = client.fetch_x509_context().await?;
    let svid = context.default_svid().ok_or("no SVID")?;
    let token = client.fetch_jwt_svid([audience], None).await?;
    let roots: BTreeMap<_, _> = (context.bundle_set().iter())
        .map(|(domain, bundle)| (domain.to_string(), bundle.authorities().len()))
        .collect();
    let jwt_bundles = client.fetch_jwt_bundles().await?;
    let keys: BTreeMap<_, _> = (jwt_bundles.iter())
        .map(|(domain, bundle)| (domain.to_string(), bundle.jwt_authorities().count()))
        .collect();
    say(json!({
        "id": svid.spiffe_id().to_string(), "serial": serial_of(svid)?, "roots": roots, "keys": keys,
        "jwtId": token.spiffe_id().to_string(), "token": token.token(),
        "sourced": from_sources(audience).await?,
    }));
    Ok(())
}

/// The crate verifies no X.509-SVID outside TLS: its certificate is checked here by its issuer's key.
async fn from_sources(audience: &str) -> Outcome<Value> {
    let source = X509Source::new().await?;
    let svid = source.svid()?;
    let bundle = source
        .bundle_for_trust_domain(svid.spiffe_id().trust_domain())?
        .ok_or("no bundle")?;
    let certificate = leaf(&svid)?;
    let verified = bundle.authorities().iter().any(|authority| {
        X509Certificate::from_der(authority.as_bytes()).is_ok_and(|(_, root)| {
            certificate
                .verify_signature(Some(root.public_key()))
                .is_ok()
        })
    });
    if !verified {
        return Err("no authority of the bundle signed the certificate".into());
    }
    let jwt_source = JwtSource::new().await?;
    let token = jwt_source.fetch_jwt_svid([audience]).await?;
    let parsed = JwtSvid::parse_and_validate(token.token(), &jwt_source, &[audience])?;
    Ok(json!({ "id": svid.spiffe_id().to_string(), "jwtId": parsed.spiffe_id().to_string() }))
}

async fn validate(audience: &str) -> Outcome<()> {
    let client = WorkloadApiClient::connect_env().await?;
    let source = JwtSource::new().await?;
    let mut lines = input_lines();
    while let Some(token) = lines.next_line().await? {
        let mut answer = json!({});
        match client.validate_jwt_token(audience, &token).await {
            Ok(svid) => answer["byAgent"] = svid.spiffe_id().to_string().into(),
            Err(error) => answer["agentRefused"] = format!("{error:?}").into(),
        }
        match JwtSvid::parse_and_validate(&token, &source, &[audience]) {
            Ok(svid) => answer["byLibrary"] = svid.spiffe_id().to_string().into(),
            Err(error) => answer["libraryRefused"] = format!("{error:?}").into(),
        }
        say(answer);
    }
    Ok(())
}

async fn watch(count: &str) -> Outcome<()> {
    let client = WorkloadApiClient::connect_env().await?;
    let mut updates = client.stream_x509_contexts().await?;
    for _ in 0..count.parse()? {
        let context = updates.next().await.ok_or("the stream ended")??;
        let svid = context.default_svid().ok_or("no SVID")?;
        let roots: usize = (context.bundle_set().iter())
            .map(|(_, bundle)| bundle.authorities().len())
            .sum();
        say(
            json!({ "id": svid.spiffe_id().to_string(), "serial": serial_of(svid)?, "roots": roots }),
        );
    }
    Ok(())
}
