//! A media server by itself, for trying SDKs against it.
//!
//! `media_server KEY SECRET [HTTP_ADDRESS] [UDP_ADDRESS] [ANNOUNCED_IP…]`; rooms are created with RoomService's
//! `CreateRoom`, for example by `lk room create NAME`.

use std::net::{IpAddr, SocketAddr};

use serambi_sfu::{MediaAddresses, Sfu, SfuConfig};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let mut arguments = std::env::args().skip(1);
    let (Some(api_key), Some(api_secret)) = (arguments.next(), arguments.next()) else {
        return Err("usage: media_server KEY SECRET [HTTP_ADDRESS] [UDP_ADDRESS] [IP…]".into());
    };
    let mut address = |default: &str| -> Result<SocketAddr, Failure> {
        let text = arguments.next();
        Ok(text.as_deref().unwrap_or(default).parse()?)
    };
    let http = address("127.0.0.1:7880")?;
    let udp_bind = address("127.0.0.1:7881")?;
    let interfaces: Vec<IpAddr> = arguments.map(|ip| ip.parse()).collect::<Result<_, _>>()?;

    let addresses = MediaAddresses { interfaces, ..MediaAddresses::default() };
    let sfu = Sfu::start(SfuConfig { api_key, api_secret, udp_bind, addresses, tunnels: Vec::new() })?;
    let listener = tokio::net::TcpListener::bind(http).await?;
    println!("http {} udp {}", listener.local_addr()?, sfu.udp_port());

    // For whoever measures: GET /statistics/{room}.
    let statistics = {
        let sfu = sfu.clone();
        axum::routing::get(move |axum::extract::Path(room): axum::extract::Path<String>| {
            let sfu = sfu.clone();
            async move { axum::Json(sfu.room_statistics(&room).await) }
        })
    };
    let router = sfu.router().route("/statistics/{room}", statistics);
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    sfu.close().await;
    Ok(())
}
