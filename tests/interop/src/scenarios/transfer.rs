//! A mebibyte of every byte value through the terminal, up and down.

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use crate::server::Server;
use crate::shell::Shell;

const SIZE: usize = 1024 * 1024;

/// Sends a mebibyte into a file on the node, compares hashes, and reads it back.
pub(crate) async fn both_ways(server: &Server) -> Result<String> {
    let content = content();
    let sum = hexadecimal(&Sha256::digest(&content));
    let mut shell = Shell::open(server, &server.client()).await?;

    shell
        .run(&format!(
            "f=$(mktemp); stty raw -echo; printf GO''MARK; head -c {SIZE} > \"$f\"; stty sane; sha256sum < \"$f\""
        ))
        .await?;
    shell.wait_for("GOMARK").await?;
    shell.forget();
    shell.send(content.clone()).await?;
    shell.wait_for(" -").await?;
    let far = String::from_utf8_lossy(shell.seen()).into_owned();
    ensure!(
        far.contains(&sum),
        "sent content of SHA-256 {sum}, the node has {far:?}"
    );

    shell
        .run("stty raw -echo; printf BEGIN''MARK; cat \"$f\"; printf END''MARK; stty sane; rm \"$f\"")
        .await?;
    let begin = shell.wait_for("BEGINMARK").await?;
    shell.wait_for_length(begin + SIZE + "ENDMARK".len()).await?;
    let received = &shell.seen()[begin..begin + SIZE];
    let received_sum = hexadecimal(&Sha256::digest(received));
    ensure!(
        received_sum == sum,
        "the node has SHA-256 {sum}, received {received_sum}"
    );
    ensure!(
        shell.seen()[begin + SIZE..].starts_with(b"ENDMARK"),
        "more came than was sent"
    );
    shell.close().await?;
    Ok(format!("1 MiB up and down, SHA-256 {}…", &sum[..16]))
}

/// The same bytes on every run: a hash of each block's number.
fn content() -> Vec<u8> {
    (0_u64..)
        .flat_map(|block| Sha256::digest(block.to_be_bytes()))
        .take(SIZE)
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
