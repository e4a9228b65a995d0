//! Keys in, characters out.

use anyhow::{Result, ensure};
use aws_ssm_bridge::CloseReason;

use crate::server::Server;
use crate::shell::Shell;

const TEXT: &str = "žluťoučký kůň 🐎 日本語";

/// Opens a shell, sees output, leaves with `exit`.
pub(crate) async fn shell(server: &Server) -> Result<String> {
    let mut shell = Shell::open(server, &server.client()).await?;
    shell.run("echo $((6 * 7))-''answers").await?;
    shell.wait_for("42-answers\r\n").await?;
    shell.run("exit").await?;
    let reason = shell.ended().await?;
    ensure!(
        matches!(reason, CloseReason::AgentClosed { .. }),
        "`exit` ended the session as {reason:?}"
    );
    Ok("a command answers and `exit` ends the session".to_owned())
}

/// Types text beyond ASCII into a program and sees the same bytes back.
pub(crate) async fn utf_8(server: &Server) -> Result<String> {
    let mut shell = Shell::open(server, &server.client()).await?;
    let length = TEXT.len();
    // Raw, so that the bytes reach `head` and come back as they are, whatever the shell's locale.
    shell
        .run(&format!(
            "stty raw -echo; printf GO''MARK; head -c {length}; stty sane; echo DONE''MARK"
        ))
        .await?;
    shell.wait_for("GOMARK").await?;
    shell.forget();
    // One byte at a time: every character is split over messages.
    for byte in TEXT.bytes() {
        shell.send(vec![byte]).await?;
    }
    let end = shell.wait_for("DONEMARK").await?;
    let back = String::from_utf8_lossy(&shell.seen()[..end]).into_owned();
    ensure!(back.starts_with(TEXT), "sent {TEXT:?}, got {back:?}");
    shell.close().await?;
    Ok(format!(
        "{length} bytes of {} characters came back",
        TEXT.chars().count()
    ))
}

/// Interrupts a program with Ctrl-C.
pub(crate) async fn interrupt(server: &Server) -> Result<String> {
    let mut shell = Shell::open(server, &server.client()).await?;
    shell
        .run("echo slee''ping; sleep 1000; echo not''-interrupted")
        .await?;
    shell.wait_for("sleeping\r\n").await?;
    shell.send(vec![0x03]).await?;
    shell.send(b"echo a''wake\r".to_vec()).await?;
    shell.wait_for("awake\r\n").await?;
    shell.close().await?;
    Ok("Ctrl-C ends a program and the shell goes on".to_owned())
}

/// Changes the window's size twice and asks the far terminal for it.
pub(crate) async fn resize(server: &Server) -> Result<String> {
    let mut shell = Shell::open(server, &server.client()).await?;
    for (columns, rows) in [(123, 41), (80, 24)] {
        shell.resize(columns, rows).await?;
        shell
            .run(&format!(
                "until [ \"$(stty size)\" = '{rows} {columns}' ]; do :; done; echo resi''zed"
            ))
            .await?;
        shell.wait_for("resized\r\n").await?;
    }
    shell.close().await?;
    Ok("the far terminal follows two sizes".to_owned())
}
