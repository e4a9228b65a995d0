//! What contenders tunnel to: one server that is source, sink, echo, or closes at once.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::flood::{drain, pour};
use crate::listen::{listen, serve};
use crate::request::Request;

/// Serve what the first byte of each connection asks for.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// Where to listen; the port that was found is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl Target {
    pub(crate) async fn run(self) -> Result<()> {
        serve(listen(self.listen).await?, answer).await
    }
}

pub(crate) async fn answer(mut stream: TcpStream) -> Result<()> {
    let Some(request) = Request::accept(&mut stream).await? else {
        return Ok(());
    };
    match request {
        Request::Source(amount) => {
            pour(&mut stream, amount).await?;
        }
        Request::Sink => {
            let received = drain(&mut stream).await?;
            stream.write_u64(received).await?;
        }
        Request::Echo => {
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await?;
        }
        Request::Close => {}
    }
    stream.shutdown().await?;
    Ok(())
}
